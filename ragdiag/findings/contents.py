"""IDX: do the stored texts say something, and are the vectors theirs?"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from scipy import stats

from ragdiag.findings.evidence import Evidence
from ragdiag.findings.finding import Finding, Remedy
from ragdiag.findings.rule import NotApplicable, Rule
from ragdiag.findings.words import at_least
from ragdiag.geometry.portrait import SAME_CHUNK
from ragdiag.numbers import counted, percent, spoken
from ragdiag.types import Float64, Measure, Severity


def _empty(evidence: Evidence) -> Iterator[Finding]:
    share = evidence.measure("texts.empty")
    empty = np.flatnonzero(evidence.census.text_lengths == 0)
    if len(empty):
        yield Finding(
            "IDX004",
            Severity.WARNING,
            EMPTY.title,
            f"{counted(len(empty), 'document')} of {share.n:,} have no text or white space only.",
            evidence.pick("texts.empty"),
            "They take places in the result list and give the language model nothing to read.",
            Remedy("Delete them, and skip empty chunks when ingesting."),
            evidence.notes(empty, ["empty text"] * len(empty)),
        )


EMPTY = Rule(
    "IDX004",
    "empty texts",
    Severity.WARNING,
    """A document whose text is empty or white space. Fires on the first one; counted over all documents.

All empty chunks share one vector, and that vector is often a hub, since it means nothing in particular.

Do: delete them and skip them when ingesting.""",
    _empty,
)


def _boilerplate(evidence: Evidence) -> Iterator[Finding]:
    share = evidence.measure("texts.boilerplate")
    marked = evidence.portrait.marks["texts.boilerplate"]
    if len(marked):
        yield Finding(
            "IDX005",
            Severity.WARNING if at_least(share, 0.005) else Severity.INFO,
            BOILERPLATE.title,
            f"{percent(share.value)} of the texts are mostly sentences that at least five other texts have too.",
            evidence.pick("texts.boilerplate"),
            "Page furniture matches every question a little and takes places in the result list.",
            Remedy("Strip headers, footers and notices before chunking; delete chunks that hold nothing else."),
            evidence.notes(marked, ["mostly repeated sentences"] * len(marked)),
        )


BOILERPLATE = Rule(
    "IDX005",
    "boilerplate texts",
    Severity.WARNING,
    """A text more than half of whose five-word sequences stand in at least five other, different texts; in scripts
without spaces, such as Chinese, sequences of ten characters.

Looked for in the sampled documents; share with its Wilson interval. A warning when at least 0.5 % of
the texts are such (lower end), else for information. A generic text that stands only once is not seen
here; where it captures queries, HUB001 lists it.

Do: strip page furniture before chunking.""",
    _boilerplate,
)


def _embedder(evidence: Evidence) -> Iterator[Finding]:
    seen = evidence.seen
    if seen.reembedded is None or seen.reembedded_other is None:
        raise NotApplicable("no embedding model was given")
    if len(seen.reembedded) == 0:
        raise NotApplicable("no sampled document has a text to embed again")
    mismatch = evidence.measure("embedder.mismatch")
    cosine = _median(seen.reembedded, null=float(np.median(seen.reembedded_other)))
    evidence_ = {"embedder.mismatch": mismatch, "embedder.cosine": cosine}
    if at_least(mismatch, 0.01):
        order = [i for i in np.argsort(seen.reembedded, kind="stable") if seen.reembedded[i] < SAME_CHUNK]
        yield Finding(
            "IDX012",
            Severity.ERROR,
            EMBEDDER.title,
            f"{percent(mismatch.value)} of the stored vectors are not what this model makes of their texts.",
            evidence_,
            "Queries and these documents live in different spaces: they are found by accident.",
            Remedy("Embed these documents again with the model that embeds the queries."),
            evidence.notes(
                seen.reembedded_positions[order],
                [f"cosine {seen.reembedded[i]:.2f} to itself" for i in order],
            ),
        )
    elif (cosine.value or 0.0) < 0.99:
        yield Finding(
            "IDX012",
            Severity.INFO,
            EMBEDDER.title,
            f"Texts embedded again have a median cosine of {spoken(cosine.value)} to their stored vectors.",
            evidence_,
            "The model is the same, the text was not: a title, a prefix or a cut was added when ingesting.",
            Remedy("Nothing, when that was meant."),
        )


def _median(values: Float64, *, null: float) -> Measure:
    """Return the median with the 95 % interval of its ranks."""
    n = len(values)
    ordered = np.sort(values)
    low, high = (int(stats.binom.ppf(tail, n, 0.5)) for tail in (0.025, 0.975))
    return Measure(float(np.median(values)), float(ordered[max(low - 1, 0)]), float(ordered[min(high, n - 1)]), null, n)


EMBEDDER = Rule(
    "IDX012",
    "stored vectors are not this model's",
    Severity.ERROR,
    """A sample of the stored texts is embedded again with `--embeddings` and compared with the stored vectors.

A stored vector whose cosine to the new one is below 0.9 was not made by this model from this text.
An error when at least 1 % of the sample are such (lower end of the Wilson interval). A median between
0.9 and 0.99 is for information: the same model, another preparation of the text. `embedder.cosine` is
the median; its null is the median cosine to the vector of another text.

Needs texts in the store and `--embeddings`.""",
    _embedder,
)


def _outliers(evidence: Evidence) -> Iterator[Finding]:
    share = evidence.measure("outliers.far")
    marked = evidence.portrait.marks["outliers.far"]
    if len(marked) and at_least(share, 1e-4):
        yield Finding(
            "IDX013",
            Severity.INFO,
            OUTLIERS.title,
            f"{percent(share.value)} of the documents are far from all others.",
            evidence.pick("outliers.far"),
            "Often a text that the model could not read: another language, a table, markup, base64.",
            Remedy("Read the texts listed; delete or convert what is no text."),
            evidence.notes(marked, ["far from its k-th neighbour"] * len(marked)),
        )


OUTLIERS = Rule(
    "IDX013",
    "documents far from all others",
    Severity.INFO,
    """The log distance to the k-th neighbour lies more than 5 robust standard deviations above the median.

(log r_k − median)/(1.4826·MAD); a normal law gives 3 in ten million. For information: read them.""",
    _outliers,
)

RULES = (EMPTY, BOILERPLATE, EMBEDDER, OUTLIERS)
