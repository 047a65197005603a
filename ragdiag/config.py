"""``[tool.ragdiag]`` in pyproject.toml: defaults for the options of the command line."""

from __future__ import annotations

import difflib
import math
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from ragdiag.errors import ConfigError

FORMATS = ("terminal", "json")
AUDIT_FORMATS = (*FORMATS, "markdown", "junit")
FAIL_ON = ("error", "warning", "info", "never")


class _Setting(NamedTuple):
    wanted: str
    accepts: Callable[[Any], bool]


def _whole(least: int) -> _Setting:
    # A bool is an int to Python, and a mistake here.
    return _Setting(
        f"a whole number of at least {least}",
        lambda value: isinstance(value, int) and not isinstance(value, bool) and value >= least,
    )


def _choice(choices: tuple[str, ...]) -> _Setting:
    return _Setting("one of " + ", ".join(choices), lambda value: isinstance(value, str) and value in choices)


def _is_codes(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(code, str) for code in value)


def _is_share(value: Any) -> bool:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    return number and math.isfinite(value) and 0 <= value <= 1


def _is_inside(value: Any) -> bool:
    return _is_share(value) and 0 < value < 1


def _is_above_zero(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 < value < math.inf


_CODES = _Setting('a list of rule codes or their beginnings, such as ["HUB", "IDX001"]', _is_codes)

SETTINGS: dict[str, _Setting] = {
    "ann-target": _Setting("a number above 0 and below 1", _is_inside),
    "fail-on": _choice(FAIL_ON),
    "format": _choice(AUDIT_FORMATS),
    "ignore": _CODES,
    "k": _whole(1),
    "max-seconds": _Setting("a number of seconds above 0", _is_above_zero),
    "min-effect": _Setting("a number from 0 to 1", _is_share),
    "sample-documents": _whole(1),
    "sample-queries": _whole(1),
    "seed": _whole(0),
    "select": _CODES,
}


def load_config(start: Path | None = None) -> dict[str, Any]:
    """Return the settings of the nearest pyproject.toml at `start` or above it.

    Parameters
    ----------
    start : Path, optional
        A folder; by default the current one.

    Returns
    -------
    dict
        By the name of the option's parameter (``fail_on``); empty without a file or a table.

    Raises
    ------
    ConfigError
        When the file cannot be read, or a key is unknown or of the wrong type; names file and key.
    """
    path = find_pyproject(start)
    if path is None:
        return {}
    table = _table(path)
    for key, value in table.items():
        _check(path, key, value)
    return {_parameter(key): value for key, value in table.items()}


def _parameter(key: str) -> str:
    # As in the function of the command, where `format` would hide the builtin.
    return "format_" if key == "format" else key.replace("-", "_")


def find_pyproject(start: Path | None = None) -> Path | None:
    """Return the nearest pyproject.toml in `start` (by default the current folder) or above it."""
    folder = (start or Path.cwd()).resolve()
    for candidate in (folder, *folder.parents):
        path = candidate / "pyproject.toml"
        if path.is_file():
            return path
    return None


def _table(path: Path) -> dict[str, Any]:
    if sys.version_info >= (3, 11):
        import tomllib
    else:
        import tomli as tomllib
    try:
        with path.open("rb") as stream:
            document = tomllib.load(stream)
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} is not valid TOML", hint=str(error)) from error
    except OSError as error:
        raise ConfigError(f"{path} cannot be read", hint=str(error.strerror)) from error
    tool = document.get("tool", {})
    table = tool.get("ragdiag", {}) if isinstance(tool, dict) else {}
    if not isinstance(table, dict):
        raise ConfigError(f"{path}: tool.ragdiag is not a table", hint="write [tool.ragdiag]")
    return table


def _check(path: Path, key: str, value: Any) -> None:
    setting = SETTINGS.get(key)
    if setting is None:
        near = difflib.get_close_matches(key.replace("_", "-"), SETTINGS, n=1)
        hint = f"did you mean {near[0]!r}?" if near else "the keys are " + ", ".join(SETTINGS)
        raise ConfigError(f"{path}: [tool.ragdiag] has no key {key!r}", hint=hint)
    if not setting.accepts(value):
        raise ConfigError(f"{path}: [tool.ragdiag] {key} is {value!r}", hint=f"give {setting.wanted}")
