"""An explanation for machines: schema ``ragdiag.explain/1``."""

from __future__ import annotations

import json
from typing import Any

from ragdiag.report.explanation import Explanation, Hit
from ragdiag.report.json import _store, as_measure, as_number, as_text
from ragdiag.report.reasons import reasons

SCHEMA = "ragdiag.explain/1"


def to_json(explanation: Explanation) -> str:
    """Return an explanation as JSON: ASCII only, ten significant digits, the same bytes for the same input.

    Parameters
    ----------
    explanation : Explanation

    Returns
    -------
    str
        Indented, without a newline at the end.
    """
    return json.dumps(to_dict(explanation), indent=2, allow_nan=False)


def to_dict(explanation: Explanation) -> dict[str, Any]:
    """Return an explanation as the plain dicts, lists, strings and numbers that its JSON holds.

    Keys are those of `Explanation`, with `reasons` in sentences.

    Parameters
    ----------
    explanation : Explanation

    Returns
    -------
    dict
    """
    facts, lexical = explanation.facts, explanation.lexical
    return {
        "schema": SCHEMA,
        "query": as_text(explanation.query),
        "store": _store(explanation.store),
        "similarity": explanation.similarity,
        "k": int(explanation.k),
        "depth": int(explanation.depth),
        "reasons": [as_text(reason) for reason in reasons(explanation)],
        "hits": [_hit(hit) for hit in explanation.hits],
        "instead": {name: [as_text(id_) for id_ in ids] for name, ids in explanation.instead.items()},
        "lexical": None
        if lexical is None
        else {
            "id": as_text(lexical.id),
            "text": None if lexical.text is None else as_text(lexical.text),
            "rank": lexical.rank,
            "relative_length": as_number(lexical.relative_length),
        },
        "facts": {
            "length": as_number(facts.length),
            "mean_cosine": as_measure(facts.mean_cosine),
            "mean_cosine_range": [as_number(end) for end in facts.mean_cosine_range],
            "kth_cosine": as_measure(facts.kth_cosine),
            "farther_than": as_measure(facts.farther_than),
            "far": facts.far,
        },
        "sampled": int(explanation.sampled),
        "seed": int(explanation.seed),
        "notes": [as_text(note) for note in explanation.notes],
    }


def _hit(hit: Hit) -> dict[str, Any]:
    return {
        "rank": hit.rank,
        "id": as_text(hit.id),
        "text": None if hit.text is None else as_text(hit.text),
        "score": as_number(hit.score),
        "margin": as_number(hit.margin),
        "ranks": dict(hit.ranks),
        "listed": as_measure(hit.listed),
        "hub": hit.hub,
        "repeats": hit.repeats,
        "length": as_number(hit.length),
        "relative_length": as_number(hit.relative_length),
        "words": [as_text(word) for word in hit.words],
    }
