"""JSON lines as a store: ``{"id": …, "vector": […], "text": …, "metadata": {…}}`` per line."""

from __future__ import annotations

from ragdiag.stores import Opener
from ragdiag_jsonl.store import open_jsonl
from ragdiag_jsonl.write import jsonl_target

opener = Opener(
    schemes=("jsonl",),
    suffixes=(".jsonl",),
    description="a document per line: jsonl:./docs.jsonl?metric=cosine",
    open_uri=open_jsonl,
    target=jsonl_target,
)
