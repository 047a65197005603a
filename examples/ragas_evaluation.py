"""Evaluate the handbook's retrieval with Ragas, without an LLM: two similarities side by side, and why queries fail.

Run ``python ragas_evaluation.py``; it needs ``pip install 'ragdiag[ragas]'``, no network and no key.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from ragdiag_ragas import Background, evaluate, ragas_metric, to_dataset

import ragdiag
from ragdiag.stores import ArrayStore

HANDBOOK = Path(__file__).resolve().parent / "handbook"
METRICS = ("nDCG@10", "R@10", "hub_exposure@10", "id_based_context_precision")

rows = [json.loads(line) for line in (HANDBOOK / "corpus.jsonl").read_text("utf-8").splitlines()]
store = ArrayStore(
    np.load(HANDBOOK / "vectors" / "docs.minilm.npy"),
    ids=[row["_id"] for row in rows],
    texts=[f"{row['title']} {row['text']}" for row in rows],
    metric="l2",
)

# The lists of the store's own similarity and of cosine, with what is known of the reasons.
compared = ragdiag.compare(
    store, HANDBOOK, query_vectors=HANDBOOK / "vectors" / "queries.minilm.npy", similarities=["cosine"], keep=10
)

# Ragas' metrics and ours, every query in the mean, differences tested in pairs.
found = evaluate(compared)
for row in found.table:
    if row["metric"] in METRICS:
        delta = "" if row["p"] is None else f"  {row['delta']:+.3f}, p {row['p']:.2g}"
        print(f"{row['similarity']:7} {row['metric']:27} {row['mean']:.3f}{delta}")

# A bad answer has a cause in retrieval.
print("\nworst queries:")
for worst in found.worst(n=3):
    print(f"{worst.query_id} {worst.text}")
    print(f"      {worst.loss}; hubs hold {worst.hub_exposure:.0%} of the list, margin {worst.margin:.3f}")

# The same metrics inside Ragas: as a dataset, and as metric objects in whichever style you use.
lists = compared.retrieved["l2"]
dataset = to_dataset(lists)
metric = ragas_metric("nDCG@10", "collections", background=Background.of(lists))
sample = dataset.samples[0]
score = metric.score(
    user_input=sample.user_input,
    retrieved_context_ids=sample.retrieved_context_ids,
    reference_context_ids=sample.reference_context_ids,
)
print(f"\n{len(dataset)} samples for Ragas; {metric.name} of the first: {score.value:.3f}")
