"""Write JSON lines."""

from __future__ import annotations

import json
from dataclasses import dataclass

from ragdiag.stores import PathTarget, check_options
from ragdiag.stores.json_text import to_json


@dataclass(frozen=True)
class JsonlTarget(PathTarget):
    def _fill(self, draft, batches, new):
        with open(draft, "w", encoding="utf-8") as file:
            for batch in batches:
                nothing = [None] * len(batch)
                texts, metadata = batch.texts or nothing, batch.metadata or nothing
                for id_, vector, text, fields in zip(batch.ids, batch.vectors, texts, metadata, strict=True):
                    kept = to_json(fields or {}, id_=id_, name=self.name, lossy=new.lossy)
                    document = {"id": id_, "vector": vector.tolist(), "text": text, "metadata": json.loads(kept)}
                    file.write(json.dumps(document) + "\n")


def jsonl_target(rest, options):
    check_options(options, ("metric",), scheme="jsonl")
    return JsonlTarget(rest)
