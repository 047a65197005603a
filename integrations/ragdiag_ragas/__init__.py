"""ragdiag for Ragas: the retrieval metrics it lacks, evaluation without its traps, and the causes beside the scores."""

from __future__ import annotations

from ragdiag_ragas.datasets import read_dataset, to_dataset
from ragdiag_ragas.evaluating import evaluate
from ragdiag_ragas.evaluation import Evaluation, Row
from ragdiag_ragas.styles import Background, ragas_metric

__all__ = ["Background", "Evaluation", "Row", "evaluate", "ragas_metric", "read_dataset", "to_dataset"]
