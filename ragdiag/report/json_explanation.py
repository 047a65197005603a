"""An explanation for machines: schema ``ragdiag.explain/1``."""

from __future__ import annotations

import json
from typing import Any

from ragdiag.report.explanation import Explanation, Hit
from ragdiag.report.json import _measure, _number, _store, _text
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
        "query": _text(explanation.query),
        "store": _store(explanation.store),
        "similarity": explanation.similarity,
        "k": int(explanation.k),
        "depth": int(explanation.depth),
        "reasons": [_text(reason) for reason in reasons(explanation)],
        "hits": [_hit(hit) for hit in explanation.hits],
        "instead": {name: [_text(id_) for id_ in ids] for name, ids in explanation.instead.items()},
        "lexical": None
        if lexical is None
        else {
            "id": _text(lexical.id),
            "text": None if lexical.text is None else _text(lexical.text),
            "rank": lexical.rank,
            "relative_length": _number(lexical.relative_length),
        },
        "facts": {
            "length": _number(facts.length),
            "mean_cosine": _measure(facts.mean_cosine),
            "mean_cosine_range": [_number(end) for end in facts.mean_cosine_range],
            "kth_cosine": _measure(facts.kth_cosine),
            "farther_than": _measure(facts.farther_than),
            "far": facts.far,
        },
        "sampled": int(explanation.sampled),
        "seed": int(explanation.seed),
        "notes": [_text(note) for note in explanation.notes],
    }


def _hit(hit: Hit) -> dict[str, Any]:
    return {
        "rank": hit.rank,
        "id": _text(hit.id),
        "text": None if hit.text is None else _text(hit.text),
        "score": _number(hit.score),
        "margin": _number(hit.margin),
        "ranks": dict(hit.ranks),
        "listed": _measure(hit.listed),
        "hub": hit.hub,
        "repeats": hit.repeats,
        "length": _number(hit.length),
        "relative_length": _number(hit.relative_length),
        "words": [_text(word) for word in hit.words],
    }
