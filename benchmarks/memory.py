"""Peak memory and time of an audit of a million vectors from a memory map.

    python benchmarks/memory.py [N] [DIM]

Writes a .npy of N × DIM clustered float32 vectors to a temporary folder, audits it in a fresh process, and prints
the peak resident memory over that of the process after its imports. The figure asked for is at most 750 MiB at
1,000,000 × 384, whatever N.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

CHILD = """
import json, sys, time
from ragdiag import audit
def peak():  # of this program alone: getrusage would count the parent's, which forked it
    return int(open("/proc/self/status").read().split("VmHWM:")[1].split()[0]) / 1024
before, clock, busy = peak(), time.perf_counter(), time.process_time()
report = audit(sys.argv[1])
print(json.dumps({"before": before, "peak": peak(), "seconds": time.perf_counter() - clock,
                  "busy": time.process_time() - busy,
                  "findings": [f.code for f in report.findings], "n": report.store.count}))
"""


def write_vectors(path: Path, n: int, dim: int) -> None:
    """Write clustered vectors block by block."""
    rng = np.random.default_rng(0)
    centres = rng.standard_normal((200, dim)).astype(np.float32)
    out = np.lib.format.open_memmap(path, mode="w+", dtype=np.float32, shape=(n, dim))
    for start in range(0, n, 50_000):
        size = min(50_000, n - start)
        noise = rng.standard_normal((size, dim), dtype=np.float32)
        out[start : start + size] = centres[rng.integers(0, 200, size)] + 2 * noise
    out.flush()


def audited(path: Path) -> dict[str, Any]:
    """Audit in a fresh process, and return what it took."""
    done = subprocess.run([sys.executable, "-c", CHILD, str(path)], capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(done.stderr)
    seen: dict[str, Any] = json.loads(done.stdout)
    return seen


def main(n: int = 1_000_000, dim: int = 384) -> None:
    """Measure one audit and print a Markdown row."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "vectors.npy"
        write_vectors(path, n, dim)
        seen = audited(path)
    print("| vectors | peak over start-up, MiB | start-up, MiB | seconds | findings |\n|---|---|---|---|---|")
    print(
        f"| {n:,} × {dim} | {seen['peak'] - seen['before']:,.0f} | {seen['before']:,.0f} | {seen['seconds']:,.0f} |"
        f" {', '.join(seen['findings']) or 'none'} |"
    )


if __name__ == "__main__":
    main(*(int(argument) for argument in sys.argv[1:]))
