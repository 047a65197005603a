from __future__ import annotations

import errno
import fcntl
import os
import sys
from pathlib import Path

import pytest

from ragdiag.errors import ConfigError, StoreError, TargetExistsError
from ragdiag.stores import replace
from ragdiag.stores.replace import replacing

STORE = frozenset({"a", "b"})


def put(path: Path, content: str, *, folder: bool = False, overwrite: bool = True) -> None:
    with replacing(str(path), folder=folder, overwrite=overwrite, belongs=STORE.__contains__) as draft:
        place = Path(draft, "a") if folder else Path(draft)
        place.write_text(content)


def read(path: Path) -> str:
    return (path / "a").read_text() if path.is_dir() else path.read_text()


@pytest.fixture(params=[True, False], ids=["folder", "file"])
def folder(request: pytest.FixtureRequest) -> bool:
    return bool(request.param)


def test_new_and_replaced(tmp_path: Path, folder: bool) -> None:
    path = tmp_path / "s"
    put(path, "one", folder=folder, overwrite=False)
    assert read(path) == "one"
    put(path, "two", folder=folder)
    assert read(path) == "two"
    with pytest.raises(TargetExistsError):
        put(path, "three", folder=folder, overwrite=False)
    assert read(path) == "two"
    assert list(tmp_path.iterdir()) == [path]
    mask = os.umask(0)
    os.umask(mask)
    assert path.stat().st_mode & 0o777 == (0o777 if folder else 0o666) & ~mask  # not that of a temporary


def test_a_link_stays_and_what_it_names_is_replaced(tmp_path: Path, folder: bool) -> None:
    (tmp_path / "real").mkdir()
    put(tmp_path / "real" / "s", "one", folder=folder)
    os.symlink(tmp_path / "real" / "s", tmp_path / "link")
    put(tmp_path / "link", "two", folder=folder)
    assert (tmp_path / "link").is_symlink()
    assert read(tmp_path / "real" / "s") == "two"
    assert [path.name for path in (tmp_path / "real").iterdir()] == ["s"]


def test_what_came_into_being_meanwhile_is_kept(tmp_path: Path, folder: bool) -> None:
    path = tmp_path / "s"

    def while_we_write() -> None:
        with replacing(str(path), folder=folder, overwrite=False) as draft:
            if not folder:
                Path(draft).write_text("ours")
            path.mkdir()
            (path / "a").write_text("theirs")

    with pytest.raises(TargetExistsError):
        while_we_write()
    assert read(path) == "theirs"
    assert list(tmp_path.iterdir()) == [path]


def test_an_empty_folder_is_nothing(tmp_path: Path) -> None:
    (tmp_path / "s").mkdir()
    put(tmp_path / "s", "one", folder=True, overwrite=False)
    assert read(tmp_path / "s") == "one"
    (tmp_path / "t").mkdir()
    with pytest.raises(TargetExistsError):
        put(tmp_path / "t", "one", overwrite=False)


def test_what_is_no_store_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "a").write_text("a")
    (tmp_path / "home" / "thesis.tex").write_text("years")
    with pytest.raises(ConfigError, match=r"it holds 'thesis.tex' which is no part of the store: name another folder"):
        put(tmp_path / "home", "x", folder=True)
    for path, kind in ((tmp_path / "home", False), (tmp_path / "home" / "a", True)):
        with pytest.raises(ConfigError, match="cannot replace"):
            put(path, "x", folder=kind)
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(ConfigError, match="cannot replace"):
        put(tmp_path / "pipe", "x")
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["a", "home", "pipe", "thesis.tex"]


def test_what_fails_leaves_the_old(tmp_path: Path, folder: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "s"
    put(path, "one", folder=folder)

    def full(handle: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(StoreError, match=r"cannot write .*/s \(No space left on device\)"):
        put(path, "two", folder=folder)
    with (
        pytest.raises(KeyboardInterrupt),
        replacing(str(path), folder=folder, overwrite=True, belongs=STORE.__contains__),
    ):
        raise KeyboardInterrupt
    assert read(path) == "one"
    assert list(tmp_path.iterdir()) == [path]


def test_what_killed_runs_left_is_removed_and_what_runs_is_not(tmp_path: Path) -> None:
    path = tmp_path / "s"
    for name in (".s.ragdiag-dead.part", ".s.ragdiag-live.part", ".other.ragdiag-dead.part", ".s.part"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "draft").write_text("half")
    live = os.open(tmp_path / ".s.ragdiag-live.part" / "lock", os.O_RDWR | os.O_CREAT)
    fcntl.flock(live, fcntl.LOCK_EX)
    os.symlink(tmp_path / ".other.ragdiag-dead.part", tmp_path / ".s.ragdiag-link.part")
    put(path, "one")
    os.close(live)
    assert sorted(entry.name for entry in tmp_path.iterdir()) == [
        ".other.ragdiag-dead.part",
        ".s.part",
        ".s.ragdiag-link.part",
        ".s.ragdiag-live.part",
        "s",
    ]
    assert (tmp_path / ".other.ragdiag-dead.part" / "draft").exists()


def test_two_steps_where_names_cannot_be_swapped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "s"
    put(path, "one", folder=True)
    monkeypatch.setattr(replace, "_exchange", lambda one, other: False)
    put(path, "two", folder=True)
    assert read(path) == "two"
    assert list(tmp_path.iterdir()) == [path]

    # Killed between the steps: the next run puts the old one back.
    work = tmp_path / ".s.ragdiag-dead.part"
    work.mkdir()
    path.rename(work / "old")
    (work / "draft").mkdir()
    with pytest.raises(TargetExistsError):
        put(path, "three", folder=True, overwrite=False)
    assert read(path) == "two"
    assert list(tmp_path.iterdir()) == [path]

    # The second step fails: so does this one.
    rename = os.rename

    def fails(one: str, other: str) -> None:
        if one.endswith("draft"):
            raise OSError(errno.EIO, "Input/output error")
        rename(one, other)

    monkeypatch.setattr(os, "rename", fails)
    with pytest.raises(StoreError, match="Input/output error"):
        put(path, "three", folder=True)
    assert read(path) == "two"
    assert list(tmp_path.iterdir()) == [path]


def test_a_file_system_without_locks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def flock(handle: int, how: int) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", flock)
    (tmp_path / ".s.ragdiag-dead.part").mkdir()
    put(tmp_path / "s", "one", folder=True)
    assert read(tmp_path / "s") == "one"
    assert sorted(path.name for path in tmp_path.iterdir()) == [".s.ragdiag-dead.part", "s"]


def test_a_file_system_without_links(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def link(one: str, other: str) -> None:
        raise OSError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(os, "link", link)
    put(tmp_path / "s", "one", overwrite=False)
    assert read(tmp_path / "s") == "one"

    def while_we_write() -> None:
        with replacing(str(tmp_path / "t"), folder=False, overwrite=False) as draft:
            Path(draft).write_text("ours")
            (tmp_path / "t").write_text("theirs")

    with pytest.raises(TargetExistsError):
        while_we_write()
    assert read(tmp_path / "t") == "theirs"


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="names are swapped on Linux only")
def test_linux_swaps_names_in_one_step(tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        (tmp_path / name / name).write_text(name)
    assert replace._exchange(str(tmp_path / "one"), str(tmp_path / "two"))
    assert [path.name for path in (tmp_path / "one").iterdir()] == ["two"]
    assert not replace._exchange(str(tmp_path / "one"), str(tmp_path / "no"))
