import json

from ragdiag.stores import open_store
from ragdiag.testing.store_contract import StoreContract
from ragdiag.testing.write_contract import WriteContract


class TestRead(StoreContract):
    def make(self, ids, vectors, texts, metadata):
        rows = zip(ids, vectors.tolist(), texts, metadata, strict=True)
        lines = [json.dumps({"id": i, "vector": v, "text": t, "metadata": m}) for i, v, t, m in rows]
        (self.folder / "docs.jsonl").write_text("\n".join(lines))
        return open_store(self.folder / "docs.jsonl")


class TestWritten(WriteContract):
    def uri(self, name):
        return f"jsonl:{self.folder}/{name}.jsonl"
