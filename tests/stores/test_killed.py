"""A writer that is killed at any point leaves the old store, none, or the whole new one."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from ragdiag.errors import RagdiagError
from ragdiag.stores import open_store, write_store
from ragdiag.types import Batch

FOLDER = "faiss:{}/folder"
KINDS = [
    ("npy:{}/v.npy", False),
    ("faiss:{}/v.faiss", True),
    ("{}/v.npz", True),
    ("{}/v.parquet", True),
    (FOLDER, False),
    (FOLDER, True),
]

# Writes a store of ten batches. Counts the lines of ours that run on the way and, at the one that
# it was given, kills itself; at last says how many there were.
CHILD = """
import os, signal, sys, time
import numpy as np
from ragdiag.stores import NewStore, check_target
from ragdiag.types import Batch, Metric
uri, overwrite, last, slow = sys.argv[1], sys.argv[2] == "1", int(sys.argv[3]), float(sys.argv[4])
target = check_target(uri, metric="dot", overwrite=overwrite)
lines = 0
def trace(frame, event, argument):
    global lines
    if not frame.f_code.co_filename.startswith(os.path.join(os.environ["OURS"], "")):
        return None
    if event == "line":
        lines += 1
        if lines == last:
            os.kill(os.getpid(), signal.SIGKILL)
    return trace
def batches():
    for at in range(10):
        time.sleep(slow)
        print(at, flush=True)
        yield Batch([str(10 * at + row) for row in range(10)], np.full((10, 8), 2, np.float32))
if last:
    sys.settrace(trace)
target.write(batches(), NewStore(8, Metric.DOT, overwrite=overwrite))
sys.settrace(None)
print(lines)
"""


def command(uri: str, overwrite: bool, last: int = 0, slow: float = 0.0) -> list[str]:
    return [sys.executable, "-c", CHILD, uri, str(int(overwrite)), str(last), str(slow)]


def environment() -> dict[str, str]:
    import ragdiag.stores

    return {**os.environ, "OURS": str(Path(ragdiag.stores.__file__).parent)}


def whole(uri: str, *, old: bool) -> str:
    """Return which store is there, after reading all of it: ``old``, ``new`` or ``none``."""
    try:
        store = open_store(uri)
    except RagdiagError:
        assert not old
        return "none"
    vectors = np.concatenate([batch.vectors for batch in store.scan()])
    if old and len(vectors) == 3:
        np.testing.assert_array_equal(vectors, np.ones((3, 8), np.float32))
        return "old"
    np.testing.assert_array_equal(vectors, np.full((100, 8), 2, np.float32))
    assert [id_ for batch in store.scan() for id_ in batch.ids] == [str(at) for at in range(100)]
    return "new"


def prepare(folder: Path, uri: str, *, old: bool) -> str:
    folder.mkdir()
    uri = uri.format(folder)
    if old:
        write_store(uri, [Batch(["0", "1", "2"], np.ones((3, 8), np.float32))], dim=8, metric="dot")
    return uri


@pytest.mark.slow
@pytest.mark.parametrize(("kind", "old"), KINDS)
def test_killed_at_any_line(tmp_path: Path, kind: str, old: bool) -> None:
    if "parquet" in kind:
        pytest.importorskip("pyarrow")
    uri = prepare(tmp_path / "dry", kind, old=old)
    done = subprocess.run(command(uri, old, last=10**9), env=environment(), check=True, capture_output=True)
    lines = int(done.stdout.split()[-1])
    assert whole(uri, old=old) == "new"
    rng = np.random.default_rng(len(kind) + old)
    # The end, where the new store takes its place, is short and matters most.
    points = {*rng.integers(1, lines, size=4).tolist(), *rng.integers(lines - 30, lines, size=5).tolist(), lines}
    found = []
    for point in sorted(points):
        folder = tmp_path / str(point)
        uri = prepare(folder, kind, old=old)
        killed = subprocess.run(command(uri, old, last=point), env=environment(), capture_output=True, check=False)
        assert killed.returncode == -signal.SIGKILL
        found.append(whole(uri, old=old))
        _nothing_else_opens(folder)
        # The next run tidies up, and is not hindered.
        again = [Batch([str(at) for at in range(100)], np.full((100, 8), 2, np.float32))]
        assert write_store(uri, again, dim=8, metric="dot", overwrite=True).count == 100
        assert [path.name for path in folder.iterdir()] == [uri.rpartition("/")[2]]
    before = "old" if old else "none"
    assert found == sorted(found, key=[before, "new"].index), "first the one, then the other"
    assert set(found) == {before, "new"}


@pytest.mark.slow
def test_killed_at_ten_random_moments(tmp_path: Path) -> None:
    """Half a second of writing, from outside."""
    rng = np.random.default_rng(5)
    for at, seconds in enumerate(rng.uniform(0, 0.55, size=10).tolist()):
        uri = prepare(tmp_path / str(at), FOLDER, old=True)
        with subprocess.Popen(
            command(uri, True, slow=0.05), env=environment(), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        ) as child:
            assert child.stdout is not None
            child.stdout.readline()
            time.sleep(seconds)
            child.kill()
        assert whole(uri, old=True) in ("old", "new")
        _nothing_else_opens(tmp_path / str(at))


def _nothing_else_opens(folder: Path) -> None:
    """What lies beside the store, and what is in there, is no store under its own name."""
    for path in folder.glob(".*"):
        for place in (path, path / "draft"):
            if place.is_dir() and place.name == "draft":
                continue
            with pytest.raises(RagdiagError):
                open_store(place)
