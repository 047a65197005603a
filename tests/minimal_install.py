"""Run by `make minimal` in an environment with the core alone: an audit works, and a missing extra is named."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from importlib.util import find_spec
from pathlib import Path

ROOT = Path(__file__).parent.parent
HANDBOOK = ROOT / "examples" / "handbook"
EXTRAS = ("torch", "sentence_transformers", "ragas", "pyarrow", "plotly", "langchain", "langchain_community")
PLANTED = {"SIM002", "HUB001", "IDX004", "IDX006", "IDX007", "IDX009", "IDX010"}


def ragdiag(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the command line of this environment."""
    return subprocess.run([sys.executable, "-m", "ragdiag", *arguments], capture_output=True, text=True, check=False)


def main() -> None:
    """Audit the handbook; the checks are plain, since pytest is not installed here."""
    present = [name for name in EXTRAS if find_spec(name)]
    if present:
        sys.exit(f"this is no minimal environment: {', '.join(present)}")
    with tempfile.TemporaryDirectory() as folder:
        store = Path(folder) / "store"
        subprocess.run([sys.executable, str(HANDBOOK / "build.py"), str(store)], check=True, stdout=subprocess.DEVNULL)
        vectors = str(HANDBOOK / "vectors" / "queries.minilm.npy")
        done = ragdiag(
            "audit", f"faiss:{store}", "--queries", str(HANDBOOK), "--query-vectors", vectors, "--format", "json"
        )
        if done.returncode != 1:
            sys.exit(f"the audit ended with {done.returncode}: {done.stderr}")
        found = {f["code"] for f in json.loads(done.stdout)["findings"] if f["severity"] != "info"}
        if found != PLANTED:
            sys.exit(f"found {sorted(found)} where {sorted(PLANTED)} were planted")
        parquet = Path(folder) / "v.parquet"
        parquet.write_bytes(b"PAR1")
        missing = ragdiag("audit", str(parquet))
        if missing.returncode != 2 or "pip install 'ragdiag[parquet]'" not in missing.stderr:
            sys.exit(f"a missing extra is not named: {missing.stderr}")
        page = Path(folder) / "page.html"
        missing = ragdiag("audit", f"faiss:{store}", "--html", str(page))
        if missing.returncode != 2 or "pip install 'ragdiag[html]'" not in missing.stderr or page.exists():
            sys.exit(f"a missing extra is not named: {missing.stderr}")
    listed = ragdiag("stores").stdout
    engines = ("chroma", "qdrant", "pgvector", "lancedb", "milvus", "sqlite-vec", "duckdb")
    unsaid = [name for name in engines if f"ragdiag[{name}]" not in listed]
    if unsaid or "broken" in listed:
        sys.exit(f"ragdiag stores does not say how to install {unsaid}: {listed}")
    print("minimal install: 4 passed, 0 failed")


if __name__ == "__main__":
    main()
