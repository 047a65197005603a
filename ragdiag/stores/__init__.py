"""Vector stores as ragdiag reads them; `open_store` opens one by URI, path or live object."""

from ragdiag.stores.base import Opener, VectorStore
from ragdiag.stores.faiss import FaissStore
from ragdiag.stores.memory import ArrayStore
from ragdiag.stores.open import open_store
from ragdiag.stores.parquet import ParquetStore
from ragdiag.stores.rows import NumberIds, RowStore, TextIds, checked_batch_size, shard_bounds, unknown_id
from ragdiag.stores.uri import as_metric, check_options, without_credentials

__all__ = [
    "ArrayStore",
    "FaissStore",
    "NumberIds",
    "Opener",
    "ParquetStore",
    "RowStore",
    "TextIds",
    "VectorStore",
    "as_metric",
    "check_options",
    "checked_batch_size",
    "open_store",
    "shard_bounds",
    "unknown_id",
    "without_credentials",
]
