"""Vector stores as ragdiag reads and writes them: `open_store` opens one, `write_store` writes a new one."""

from ragdiag.stores.base import Draft, Hits, NewStore, Opener, SearchableStore, Target, Tuning, VectorStore
from ragdiag.stores.choosing import chosen, is_a
from ragdiag.stores.collection_target import CollectionTarget
from ragdiag.stores.faiss import FaissStore
from ragdiag.stores.ids import NumberIds, TextIds, unknown_id
from ragdiag.stores.memory import ArrayStore
from ragdiag.stores.open import open_store, opened_store
from ragdiag.stores.parquet import ParquetStore
from ragdiag.stores.path_target import PathTarget
from ragdiag.stores.rows import (
    RowStore,
    ScannedStore,
    checked_batch_size,
    every,
    in_order,
    joined,
    sampled_rows,
    shard_bounds,
    taken,
)
from ragdiag.stores.trouble import told
from ragdiag.stores.uri import as_metric, check_options, without_credentials
from ragdiag.stores.write import check_target, metric_of_target, write_store

__all__ = [
    "ArrayStore",
    "CollectionTarget",
    "Draft",
    "FaissStore",
    "Hits",
    "NewStore",
    "NumberIds",
    "Opener",
    "ParquetStore",
    "PathTarget",
    "RowStore",
    "ScannedStore",
    "SearchableStore",
    "Target",
    "TextIds",
    "Tuning",
    "VectorStore",
    "as_metric",
    "check_options",
    "check_target",
    "checked_batch_size",
    "chosen",
    "every",
    "in_order",
    "is_a",
    "joined",
    "metric_of_target",
    "open_store",
    "opened_store",
    "sampled_rows",
    "shard_bounds",
    "taken",
    "told",
    "unknown_id",
    "without_credentials",
    "write_store",
]
