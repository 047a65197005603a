"""Similarities: each a pair of maps into a space where the inner product ranks."""

from ragdiag.similarities.base import Fitted, Recipe, Training
from ragdiag.similarities.cosine import Cosine
from ragdiag.similarities.dot import Dot
from ragdiag.similarities.l2 import L2
from ragdiag.similarities.pipeline import FittedSimilarity, Pipeline
from ragdiag.similarities.registry import for_metric, parse
from ragdiag.similarities.saved import load, save
from ragdiag.types import Similarity

__all__ = [
    "L2",
    "Cosine",
    "Dot",
    "Fitted",
    "FittedSimilarity",
    "Pipeline",
    "Recipe",
    "Similarity",
    "Training",
    "for_metric",
    "load",
    "parse",
    "save",
]
