"""Pages of documentation, held to what happens: their blocks are found, and run in a folder with what they name."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import numpy as np

from tests.model import MODEL

ROOT = Path(__file__).parent.parent
HANDBOOK = ROOT / "examples" / "handbook"
_BLOCK = re.compile(r"^(?:<!-- not run: (.+?) -->\n)?```(\w*)\n(.*?)^```$", re.DOTALL | re.MULTILINE)


class Block(NamedTuple):
    """What stands between fences, the language after the first, and why it is not run ("" when it is)."""

    language: str
    text: str
    reason: str

    @property
    def commands(self) -> list[str]:
        """Return the commands after the prompts."""
        return [line[2:] for line in self.text.splitlines() if line.startswith("$ ")]


def blocks(page: str) -> list[Block]:
    """Return the blocks of a page."""
    return [Block(language, text, reason or "") for reason, language, text in _BLOCK.findall(page)]


def furnish(folder: Path) -> None:
    """Put what the pages name into a folder: the handbook as a store, its labels, its vectors in other formats."""
    import faiss
    import pyarrow as pa
    import pyarrow.parquet as pq

    subprocess.run([sys.executable, HANDBOOK / "build.py", folder / "my_index"], check=True, capture_output=True)
    shutil.copytree(HANDBOOK, folder / "labels")
    shutil.copy(HANDBOOK / "vectors" / "queries.minilm.npy", folder / "queries.npy")
    np.save(folder / "query.npy", np.load(folder / "queries.npy")[118:119])
    vectors = np.load(HANDBOOK / "vectors" / "docs.minilm.npy")
    np.save(folder / "vectors.npy", vectors)
    ids = [f"d{i}" for i in range(len(vectors))]
    table = pa.table({"id": ids, "text": [f"text {i}" for i in ids], "embedding": list(vectors)})
    pq.write_table(table, folder / "vectors.parquet")
    shutil.copytree(folder / "my_index", folder / "my_hnsw_index")
    graph = faiss.IndexHNSWFlat(vectors.shape[1], 4)
    graph.add(vectors)
    faiss.write_index(graph, str(folder / "my_hnsw_index" / "index.faiss"))


def needs_model(command: str) -> bool:
    """Return whether a command embeds, and the model for it is not there."""
    return "--embeddings" in command and MODEL is None


def run(command: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run a command that begins with ``ragdiag``."""
    here = command.replace("sentence-transformers:all-MiniLM-L6-v2", f"sentence-transformers:{MODEL}")
    words = shlex.split(here, comments=True)
    return subprocess.run(
        [sys.executable, "-m", "ragdiag", *words[1:]], cwd=folder, capture_output=True, text=True, check=False
    )
