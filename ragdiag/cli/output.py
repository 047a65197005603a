"""Where words go: results to stdout or a file, everything else to stderr."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from ragdiag.errors import ConfigError
from ragdiag.report.escape import clean, encodable

if TYPE_CHECKING:
    from ragdiag.report.model import Report

LOG_WIDTH = 80
# Longer lines of prose are hard to read, however wide the window is.
_WIDEST = 100


def open_closed_streams() -> None:
    """Send stdout or stderr nowhere when it was closed before we started, as by ``>&-``; Python has None there."""
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115  for as long as we run


def complain(message: str, *, kind: str = "error") -> None:
    """Print one line to stderr; it may quote foreign text, so it is cleaned."""
    encoding = sys.stderr.encoding or "utf-8"
    with contextlib.suppress(OSError):
        print(f"{kind}: {clean(message, encoding=encoding)}", file=sys.stderr, flush=True)


def stdout_encoding() -> str:
    """Return the encoding of stdout."""
    return sys.stdout.encoding or "utf-8"


def stdout_color() -> bool:
    """Whether stdout is a terminal that wants colours (https://no-color.org)."""
    wanted = not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
    return wanted and sys.stdout.isatty()


def stdout_width() -> int:
    """Return the columns of the terminal, at most 100; 80 for a log."""
    if not sys.stdout.isatty():
        return LOG_WIDTH
    import shutil

    return min(shutil.get_terminal_size().columns, _WIDEST)


def emit(text: str) -> None:
    """Print `text` to stdout; a reader who has gone, such as ``head``, is no error."""
    try:
        print(encodable(text, stdout_encoding()), flush=True)
    except BrokenPipeError:
        hush()


def deliver(render: Callable[..., str], output: Path | None, *, width: int | None, said: str = "") -> None:
    """Show what `render(width=, color=, encoding=)` returns, or write it to a file and say so on stderr."""
    if output is None:
        emit(render(width=width or stdout_width(), color=stdout_color(), encoding=stdout_encoding()))
        return
    write_atomically(output, render(width=width or LOG_WIDTH, color=False, encoding="utf-8") + "\n")
    complain(f"{output} written. {said}".rstrip(), kind="ragdiag")


def check_page(html: Path | None, output: Path | None, given: Iterable[str | Path | None]) -> None:
    """Raise before the work where the page of ``--html`` could not be written after it."""
    if html is None:
        return
    if html == Path("-"):
        raise ConfigError("--html writes a file, and - is none", hint="to see the page elsewhere, --html /dev/stdout")
    check_writable(html)
    refuse_inputs(html, given)
    if output is not None and html.resolve() == output.resolve():
        raise ConfigError(f"--html and --output are both {html}", hint="give two files")
    from ragdiag.report.html import check_installed

    check_installed()


def deliver_page(report: Report, html: Path | None, *, texts: bool) -> None:
    """Write the page of ``--html``, where one was asked for."""
    if html is not None:
        write_atomically(html, report.to_html(texts=texts) + "\n")
        complain(f"{html} written.", kind="ragdiag")


def hush() -> None:
    """Send the rest of stdout nowhere, so that Python's own flush at exit does not complain."""
    with contextlib.suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


@contextlib.contextmanager
def stdout_kept_clean() -> Iterator[None]:
    """Send what libraries print, and one line for each of their warnings, to stderr."""
    import warnings

    def tell(message: Warning | str, *_: object, **__: object) -> None:
        complain(str(message), kind="warning")

    with warnings.catch_warnings(), contextlib.redirect_stdout(sys.stderr):
        warnings.showwarning = tell
        yield


def check_writable(path: Path) -> None:
    """Raise a `ConfigError` when a file cannot be written at `path`: before the work, not after it."""
    folder = path.resolve().parent
    if path.is_dir():
        raise ConfigError(f"cannot write {path}", hint="it is a folder; give the path of a file")
    if not folder.is_dir():
        raise ConfigError(f"cannot write {path}", hint=f"there is no folder {folder}")
    if not os.access(path if _is_special(path) else folder, os.W_OK):
        raise ConfigError(f"cannot write {path}", hint=f"no permission to write in {folder}")


def refuse_inputs(path: Path, given: Iterable[str | Path | None]) -> None:
    """Raise a `ConfigError` when writing to `path` would replace what is read, or a part of it."""
    from ragdiag.stores.paths import lies_in, paths_in

    for source in (source for one in given for source in paths_in(one)):
        if path.exists() and lies_in(str(path), source):
            raise ConfigError(f"cannot write {path}", hint=f"it belongs to {source}, which is read; write elsewhere")


def write_atomically(path: Path, text: str) -> None:
    """Write `text` to `path` whole or not at all.

    Raises
    ------
    ConfigError
        When the file cannot be written; what was there before is still there.
    """
    if _is_special(path):  # /dev/stdout and the like have nothing to replace
        path.write_text(text, encoding="utf-8")
        return
    # Through a link to the file it names; beside that file, since a rename cannot cross file systems.
    target = path.resolve()
    draft = target.with_name(f".{target.name}.{os.getpid()}.part")
    try:
        draft.write_text(text, encoding="utf-8")
        os.replace(draft, target)
    except OSError as error:
        raise ConfigError(f"cannot write {path}", hint=str(error.strerror)) from error
    finally:
        # Also after Ctrl-C; when the rename has happened there is nothing left to remove.
        with contextlib.suppress(OSError):
            draft.unlink()


def _is_special(path: Path) -> bool:
    return path.exists() and not path.is_file() and not path.is_dir()
