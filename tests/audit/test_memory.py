"""Memory does not grow with the store but for a few numbers for each document."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import faiss
import numpy as np
import pytest

from ragdiag.types import Float32

DIM = 256
FEW, MANY = 20_000, 100_000
CHILD = """
import sys
from ragdiag import audit
def peak():  # of this program alone: getrusage would count the parent's, which forked it
    return int(open("/proc/self/status").read().split("VmHWM:")[1].split()[0]) / 1024
before = peak()
audit(sys.argv[1])
print(peak() - before)
"""


def _npy(path: Path, X: Float32) -> str:
    np.save(path.with_suffix(".npy"), X)
    return str(path.with_suffix(".npy"))


def _faiss(path: Path, X: Float32) -> str:
    index = faiss.IndexFlatIP(DIM)
    index.add(X)
    faiss.write_index(index, str(path.with_suffix(".faiss")))
    return f"faiss:{path.with_suffix('.faiss')}"


def _parquet(path: Path, X: Float32) -> str:
    pa = pytest.importorskip("pyarrow")
    pq = pytest.importorskip("pyarrow.parquet")
    ids = pa.array([str(i) for i in range(len(X))])
    vectors = pa.FixedSizeListArray.from_arrays(pa.array(X.ravel()), DIM)
    pq.write_table(pa.table({"id": ids, "vector": vectors}), path.with_suffix(".parquet"), row_group_size=8192)
    return f"{path.with_suffix('.parquet')}?vector=vector&id=id"


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="the peak is read from /proc")
@pytest.mark.parametrize("write", [_npy, _faiss, _parquet])
def test_peak_memory_is_bounded(write: Callable[[Path, Float32], str], tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    peaks = []
    for n in (FEW, MANY):
        uri = write(tmp_path / str(n), rng.standard_normal((n, DIM), dtype=np.float32))
        done = subprocess.run([sys.executable, "-c", CHILD, uri], capture_output=True, text=True, check=True)
        peaks.append(float(done.stdout))
    assert max(peaks) <= 750, peaks
    held = (MANY - FEW) * DIM * 4 / 2**20  # 78 MiB: what it would be if the vectors were kept
    assert peaks[1] - peaks[0] <= held / 2 + 32, peaks
