"""For the tests of adapters and measures: a contract every store keeps, and worlds with known answers."""

from ragdiag.testing import labelled_worlds, worlds
from ragdiag.testing.engine_contract import EngineContract
from ragdiag.testing.similarity_contract import SimilarityContract
from ragdiag.testing.store_contract import StoreContract
from ragdiag.testing.write_contract import WriteContract

__all__ = ["EngineContract", "SimilarityContract", "StoreContract", "WriteContract", "labelled_worlds", "worlds"]
