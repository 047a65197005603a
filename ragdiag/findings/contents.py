"""IDX: do the stored texts say something, and are the vectors theirs?"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from scipy import stats

from ragdiag.findings.evidence import Evidence
from ragdiag.findings.finding import Finding, Remedy
from ragdiag.findings.rule import COUNTED, WILSON, NotApplicable, Rule, page
from ragdiag.findings.words import at_least, limit
from ragdiag.geometry.outliers import FAR
from ragdiag.geometry.portrait import SAME_CHUNK
from ragdiag.geometry.texts import CHARACTERS, COMMON, HALF, WORDS
from ragdiag.numbers import counted, percent, spoken
from ragdiag.types import Float64, Measure, Severity

FURNISHED = 0.005  # of the texts
MISMATCHED = 0.01  # of the texts embedded again
ALIKE = 0.99  # median cosine: below it the text was prepared in another way
SOME = 1e-4  # of the documents


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
    page(
        measured="`texts.empty` = documents whose text is empty or white space / documents that have a text.",
        fires="there is one (counted over all documents). Always a warning.",
        wrong="""a document can be an image or a table whose content is kept elsewhere. It is silent about a document
        without any text field, and about texts of one mark, of “N/A” or of invisible characters; HUB001 lists those
        that take many places.""",
        do="""delete these documents, and skip empty chunks when ingesting. They usually share one vector, which is
        often a hub.""",
        source=COUNTED,
    ),
    _empty,
)


def _boilerplate(evidence: Evidence) -> Iterator[Finding]:
    share = evidence.measure("texts.boilerplate")
    marked = evidence.portrait.marks["texts.boilerplate"]
    if len(marked):
        yield Finding(
            "IDX005",
            Severity.WARNING if at_least(share, FURNISHED) else Severity.INFO,
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
    page(
        measured=f"""`texts.boilerplate` = sampled texts more than {limit(HALF)} of whose sequences of {WORDS} words
        stand in at least {COMMON} other, different texts / sampled documents. In scripts without spaces, such as
        Chinese, sequences of {CHARACTERS} characters.""",
        fires=f"""there is one (counted in the sample): for information, a warning when at least {limit(FURNISHED)}
        are such (lower end of the interval).""",
        wrong="""forms and data sheets repeat their frame by design. It is silent about a generic text that stands
        once (HUB001 lists it when it captures queries), and about furniture that changes in every fifth word, as
        dates do.""",
        do="strip headers, footers and notices before chunking; delete chunks that hold nothing else.",
        source="shingles: Broder 1997, doi:10.1109/SEQUEN.1997.666900.",
    ),
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
    if at_least(mismatch, MISMATCHED):
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
    elif (cosine.value or 0.0) < ALIKE:
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
    page(
        measured=f"""`embedder.mismatch` = texts whose vector by `--embeddings` has a cosine below {SAME_CHUNK} to
        the stored one / texts embedded again, a sample. `embedder.cosine` = the median of these cosines; its null is
        the median cosine to the vector of another text.""",
        fires=f"""the mismatch is at least {limit(MISMATCHED)} (lower end of the interval): an error. Else, for
        information, when the median cosine is below {ALIKE} (the value). Needs texts in the store and
        `--embeddings`.""",
        wrong=f"""a title or prefix put before a short text when ingesting can move it below {SAME_CHUNK} under the
        same model. It is silent about a foreign part that the sample hardly met.""",
        do="""embed the documents listed again with the model that embeds the queries; or give `--embeddings` the
        prompt that was used. A median just below 1: nothing, when a title, a prefix or a cut was meant.""",
        source=WILSON,
    ),
    _embedder,
)


def _outliers(evidence: Evidence) -> Iterator[Finding]:
    share = evidence.measure("outliers.far")
    marked = evidence.portrait.marks["outliers.far"]
    if len(marked) and at_least(share, SOME):
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
    page(
        measured=f"""`outliers.far` = sampled documents with (log r_k − median)/(1.4826·MAD) > {FAR:.0f} / sampled
        documents; r_k is the distance to the k-th nearest direction of all documents. A normal law gives 3 in ten
        million.""",
        fires=f"at least {limit(SOME)} of the documents are such (lower end of the interval). Always for information.",
        wrong="""a rare topic is far from all others and right to be. It is silent about a group of more than k odd
        documents, which are near each other, and about a single one in a large sample.""",
        do="read the texts listed. Delete or convert what is no text: markup, base64, a table, another language.",
        source="Ramaswamy, Rastogi & Shim 2000, doi:10.1145/342009.335437.",
    ),
    _outliers,
)

RULES = (EMPTY, BOILERPLATE, EMBEDDER, OUTLIERS)
