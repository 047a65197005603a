"""What stands out in an explanation, in sentences."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ragdiag.numbers import count, number
from ragdiag.report.escape import clean, shorten
from ragdiag.report.explanation import Explanation, Hit

TIED = 0.02  # of the range of the scores: two hits closer than that have no order
LONG = 1.5  # times the median length
_MOST = 3  # ids in one sentence
_QUOTED = 40  # columns of a text in one
_HABITS = {"dot": ", which favours long vectors,", "cosine": ", which ignores lengths,"}


def reasons(explanation: Explanation) -> tuple[str, ...]:
    """Return what explains these hits, and what is odd about them; what weighs most comes first.

    Parameters
    ----------
    explanation : Explanation

    Returns
    -------
    tuple of str
        Sentences; one that says so when nothing stands out. They quote ids, which are foreign text.
    """
    found = [
        *_far(explanation),
        *_hubs(explanation),
        *_repeats(explanation.hits),
        *_words(explanation),
        *_lengths(explanation),
        *_others(explanation),
        *_ties(explanation.hits),
        *_empty(explanation.hits),
    ]
    return tuple(found) or ("Nothing stands out: no hub, no repeat, and the question lies where documents lie.",)


def _far(explanation: Explanation) -> Iterator[str]:
    facts = explanation.facts
    if facts.far:
        own, usual = number(facts.kth_cosine.value or 0.0), number(facts.kth_cosine.null or 0.0)
        yield (
            f"The question lies far out: cosine {own} to its {_th(explanation.k)} nearest document, where documents"
            f" have {usual}. The answer may not be in the store, or another model embedded the question. Try one whose"
            " answer you know: if it lies as far out, that is how this model puts questions."
        )


def _hubs(explanation: Explanation) -> Iterator[str]:
    hubs = [hit for hit in explanation.hits if hit.hub]
    if hubs:
        most = max(hubs, key=lambda hit: hit.listed.value or 0.0)
        share, even = (100 * (x or 0.0) for x in (most.listed.value, most.listed.null))
        verb, owner = ("is a hub", "it is") if len(hubs) == 1 else ("are hubs", f"hit {most.rank} is")
        yield (
            f"{_hits(hubs)} {verb}, back for whatever is asked: {owner} among the {explanation.k} nearest of"
            f" {share:.0f} % of the documents, where an even share is {number(even)} %."
        )


def _repeats(hits: Sequence[Hit]) -> Iterator[str]:
    repeats = [hit for hit in hits if hit.repeats is not None]
    if repeats:
        first = list(dict.fromkeys(hit.repeats for hit in repeats if hit.repeats is not None))
        places = "One place is" if len(repeats) == 1 else f"{len(repeats)} places are"
        yield f"{places} taken by near-duplicates: {_hits(repeats, small=True)} of {_named(first)}."


def _words(explanation: Explanation) -> Iterator[str]:
    best = explanation.lexical
    if best is None or best.rank == 1:
        return
    where = f"below rank {count(explanation.depth)}" if best.rank is None else f"at rank {count(best.rank)}"
    why = ""
    if explanation.similarity != "cosine" and not 1 / LONG < best.relative_length < LONG:
        why = f", with a vector of {number(best.relative_length)} times the median length"
    start = shorten(clean(best.text or ""), _QUOTED)
    quoted = f' ("{start}")' if start else ""
    yield f"By its words alone {best.id}{quoted} would come first (BM25); the store has it {where}{why}."


def _lengths(explanation: Explanation) -> Iterator[str]:
    odd = [hit for hit in explanation.hits if not 1 / LONG < hit.relative_length < LONG]
    if odd and explanation.similarity != "cosine":
        most = max(odd, key=lambda hit: max(hit.relative_length, 1 / max(hit.relative_length, 1e-9)))
        verb = "has" if len(odd) == 1 else "have"
        yield (
            f"{_hits(odd)} {verb} an unusual length (hit {most.rank}: {number(most.relative_length)} times the median),"
            f" which counts under {explanation.similarity}."
        )


def _others(explanation: Explanation) -> Iterator[str]:
    for name, ids in explanation.instead.items():
        if ids and name != "bm25":
            listed = ", ".join(ids[:_MOST]) + (", …" if len(ids) > _MOST else "")
            hits = len(explanation.hits)
            part = f"all {hits}" if len(ids) >= hits else f"{len(ids)} of the {hits}"
            yield f"{name}{_HABITS.get(name, '')} would replace {part} hits, by {listed}."


def _ties(hits: Sequence[Hit]) -> Iterator[str]:
    if len(hits) < 3 or hits[0].margin is None:
        return
    spread = abs(hits[0].score - hits[-1].score)
    if hits[0].margin <= TIED * spread and hits[1].repeats is None:
        yield "Hits 1 and 2 are practically tied: either may come first."


def _empty(hits: Sequence[Hit]) -> Iterator[str]:
    empty = [hit for hit in hits if hit.text is not None and not hit.text.strip()]
    if empty:
        yield f"{_hits(empty)} {'has' if len(empty) == 1 else 'have'} an empty text."


def _hits(hits: Sequence[Hit], *, small: bool = False) -> str:
    word = "hit" if small else "Hit"
    return f"{word if len(hits) == 1 else word + 's'} {_numbers([hit.rank for hit in hits])}"


def _named(ranks: Sequence[int]) -> str:
    return f"{'hit' if len(ranks) == 1 else 'hits'} {_numbers(ranks)}"


def _numbers(ranks: Sequence[int]) -> str:
    *most, last = map(str, ranks)
    return f"{', '.join(most)} and {last}" if most else last


def _th(k: int) -> str:
    if k % 100 in (11, 12, 13):
        return f"{k}th"
    return str(k) + {1: "st", 2: "nd", 3: "rd"}.get(k % 10, "th")
