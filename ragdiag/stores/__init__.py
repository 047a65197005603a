"""Vector stores as ragdiag reads and writes them: `open_store` opens one, `write_store` writes a new one."""

from ragdiag.stores.base import NewStore, Opener, Target, VectorStore
from ragdiag.stores.faiss import FaissStore
from ragdiag.stores.memory import ArrayStore
from ragdiag.stores.open import open_store
from ragdiag.stores.parquet import ParquetStore
from ragdiag.stores.path_target import PathTarget
from ragdiag.stores.rows import NumberIds, RowStore, TextIds, checked_batch_size, shard_bounds, unknown_id
from ragdiag.stores.uri import as_metric, check_options, without_credentials
from ragdiag.stores.write import check_target, metric_of_target, write_store

__all__ = [
    "ArrayStore",
    "FaissStore",
    "NewStore",
    "NumberIds",
    "Opener",
    "ParquetStore",
    "PathTarget",
    "RowStore",
    "Target",
    "TextIds",
    "VectorStore",
    "as_metric",
    "check_options",
    "check_target",
    "checked_batch_size",
    "metric_of_target",
    "open_store",
    "shard_bounds",
    "unknown_id",
    "without_credentials",
    "write_store",
]
