"""Similarities: each a pair of maps into a space where the inner product ranks."""

from ragdiag.similarities.cosine import Cosine
from ragdiag.similarities.dot import Dot
from ragdiag.similarities.l2 import L2
from ragdiag.similarities.registry import for_metric
from ragdiag.types import Similarity

__all__ = ["L2", "Cosine", "Dot", "Similarity", "for_metric"]
