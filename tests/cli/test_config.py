from __future__ import annotations

from pathlib import Path

import pytest

from ragdiag.config import SETTINGS, load_config
from ragdiag.errors import ConfigError

ALL = """
[tool.ragdiag]
fail-on = "warning"
format = "json"
select = ["HUB", "IDX001"]
ignore = []
seed = 3
k = 5
sample-queries = 100
max-seconds = 60
sample-documents = 200
min-effect = 0.02
ann-target = 0.9
"""


def write(folder: Path, text: str) -> Path:
    path = folder / "pyproject.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_all_settings(tmp_path: Path) -> None:
    write(tmp_path, ALL)
    config = load_config(tmp_path)
    assert config == {
        "fail_on": "warning",
        "format_": "json",
        "select": ["HUB", "IDX001"],
        "ignore": [],
        "seed": 3,
        "k": 5,
        "sample_queries": 100,
        "max_seconds": 60,
        "sample_documents": 200,
        "min_effect": 0.02,
        "ann_target": 0.9,
    }
    assert len(config) == len(SETTINGS)


def test_the_nearest_file_above_counts_and_no_other(tmp_path: Path) -> None:
    inner = tmp_path / "a" / "b"
    inner.mkdir(parents=True)
    write(tmp_path, "[tool.ragdiag]\nseed = 1\n")
    assert load_config(inner) == {"seed": 1}
    write(tmp_path / "a", "[tool.other]\nx = 1\n")
    assert load_config(inner) == {}


def test_the_current_folder_by_default(elsewhere: Path) -> None:
    assert load_config() == {}
    write(elsewhere, "[tool.ragdiag]\nseed = 2\n")
    assert load_config() == {"seed": 2}


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("fail_on = 'error'", "has no key 'fail_on': did you mean 'fail-on'?"),
        ("selct = []", "has no key 'selct': did you mean 'select'?"),
        ("zzz = 1", "has no key 'zzz': the keys are ann-target, fail-on, format, ignore, k, max-seconds, min-effect, "),
        ("seed = 'x'", "seed is 'x': give a whole number of at least 0"),
        ("seed = true", "seed is True: give a whole number of at least 0"),
        ("k = 0", "k is 0: give a whole number of at least 1"),
        ("sample-queries = 1.5", "sample-queries is 1.5: give a whole number of at least 1"),
        ("min-effect = nan", "min-effect is nan: give a number from 0 to 1"),
        ("ann-target = 1", "ann-target is 1: give a number above 0 and below 1"),
        ("ann-target = 0.0", "ann-target is 0.0: give a number above 0 and below 1"),
        ("max-seconds = 0", "max-seconds is 0: give a number of seconds above 0"),
        ("min-effect = 2", "min-effect is 2: give a number from 0 to 1"),
        ("format = 'html'", "format is 'html': give one of terminal, json"),
        ("fail-on = 'none'", "fail-on is 'none': give one of error, warning, info, never"),
        ("select = 'HUB'", "select is 'HUB': give a list of rule codes or their beginnings, such as "),
        ("ignore = [1]", "ignore is [1]: give a list of rule codes"),
    ],
)
def test_a_wrong_setting_names_file_and_key(tmp_path: Path, line: str, message: str) -> None:
    path = write(tmp_path, f"[tool.ragdiag]\n{line}\n")
    with pytest.raises(ConfigError) as caught:
        load_config(tmp_path)
    assert str(caught.value).startswith(f"{path}: [tool.ragdiag] {message}")


def test_a_file_that_is_not_toml(tmp_path: Path) -> None:
    path = write(tmp_path, "[tool.ragdiag\n")
    with pytest.raises(ConfigError, match="is not valid TOML") as caught:
        load_config(tmp_path)
    assert str(path) in str(caught.value)


def test_a_file_that_is_not_utf8(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_bytes(b"[tool.ragdiag]\nformat = '\xff'\n")
    with pytest.raises(ConfigError, match="is not valid TOML"):
        load_config(tmp_path)


def test_a_tool_that_is_no_table(tmp_path: Path) -> None:
    write(tmp_path, "tool = 1\n")
    assert load_config(tmp_path) == {}
    write(tmp_path, "[tool]\nragdiag = 1\n")
    with pytest.raises(ConfigError, match=r"tool\.ragdiag is not a table"):
        load_config(tmp_path)
