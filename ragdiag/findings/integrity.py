"""IDX: is the index whole, and does it hold what it should?"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from ragdiag.findings.evidence import Evidence
from ragdiag.findings.finding import Finding, Remedy
from ragdiag.findings.rule import NotApplicable, Rule
from ragdiag.findings.words import at_least, count, number, percent
from ragdiag.geometry.duplicates import groups
from ragdiag.geometry.populations import NULL_SEPARATION
from ragdiag.types import Measure, Severity

SEPARATE = 10.0  # Ashman's D; 2.65 for one normal law, 8 for two languages under one model
UNIT = 1e-3  # how far from 1 a length may be and still count as normalised


def _unusable(evidence: Evidence) -> Iterator[Finding]:
    usable = evidence.census.usable
    bad = np.flatnonzero(~usable)
    if len(bad):
        yield Finding(
            "IDX001",
            Severity.ERROR,
            NON_FINITE.title,
            f"{count(len(bad), 'vector')} of {len(usable):,} hold NaN or infinity, or are longer than 1e18.",
            {"vectors.unusable": Measure.counted(len(bad) / len(usable), n=len(usable), null=0.0)},
            "These documents are never found, and some engines return them for every query.",
            Remedy("Embed these documents again and replace them; look for overflow in half precision."),
            evidence.notes(bad, ["not finite"] * len(bad)),
        )


NON_FINITE = Rule(
    "IDX001",
    "vectors that are not finite",
    Severity.ERROR,
    """A vector with NaN or an infinite value, or longer than 1e18, whose square is beyond float32.

Fires on the first one. Counted over all vectors; they are left out of every other measure.

Do: embed the documents again. The usual causes are half precision that overflowed and a failed
request that was stored as NaN.""",
    _unusable,
)


def _zeros(evidence: Evidence) -> Iterator[Finding]:
    census = evidence.census
    zero = np.flatnonzero(census.usable & (census.norms == 0))
    if len(zero):
        yield Finding(
            "IDX002",
            Severity.ERROR,
            ZERO.title,
            f"{count(len(zero), 'vector')} of {census.n:,} are zero.",
            {"vectors.zero": Measure.counted(len(zero) / census.n, n=census.n, null=0.0)},
            "A zero vector has no direction: cosine is undefined and the document is found by accident or never.",
            Remedy("Embed these documents again and replace them."),
            evidence.notes(zero, ["zero"] * len(zero)),
        )


ZERO = Rule(
    "IDX002",
    "zero vectors",
    Severity.ERROR,
    """A vector of length 0. Fires on the first one; counted over all vectors.

Do: embed the documents again. The usual cause is a placeholder that was stored when embedding failed.""",
    _zeros,
)


def _counts(evidence: Evidence) -> Iterator[Finding]:
    counts = dict(evidence.seen.info.counts)
    counts["vectors read"] = evidence.census.n
    wrong = len(set(counts.values())) > 1
    if wrong:
        listed = ", ".join(f"{name} {value:,}" for name, value in counts.items())
        yield Finding(
            "IDX003",
            Severity.ERROR,
            COUNTS.title,
            f"The store disagrees with itself: {listed}.",
            {
                "store.count": Measure.counted(float(evidence.census.n), n=evidence.census.n),
            },
            "Hits point at texts that are missing or belong to other vectors.",
            Remedy("Build the index again from the documents; write index and documents in one step."),
        )


COUNTS = Rule(
    "IDX003",
    "counts that disagree",
    Severity.ERROR,
    """The number of vectors in the index, of ids, of documents beside it and of vectors read must be equal.

For a LangChain FAISS folder these are `index.ntotal`, the id map, and the docstore. Fires on any
difference. Vectors read differ from the count when somebody wrote to the store during the audit.

Do: build the index again; save index and docstore together.""",
    _counts,
)


def _empty(evidence: Evidence) -> Iterator[Finding]:
    share = evidence.measure("texts.empty")
    empty = np.flatnonzero(evidence.census.text_lengths == 0)
    if len(empty):
        yield Finding(
            "IDX004",
            Severity.WARNING,
            EMPTY.title,
            f"{count(len(empty), 'document')} of {share.n:,} have no text or white space only.",
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
    """A text more than half of whose five-word sequences stand in at least five other, different texts.

Looked for in the sampled documents; share with its Wilson interval. A warning when at least 0.5 % of
the texts are such (lower end), else for information. A generic text that stands only once is not seen
here; where it captures queries, HUB001 lists it.

Do: strip page furniture before chunking.""",
    _boilerplate,
)


def _exact(evidence: Evidence) -> Iterator[Finding]:
    census = evidence.census
    vectors = evidence.measure("duplicates.vectors")
    texts = evidence.portrait.measures["duplicates.texts"]
    share = max(vectors.value or 0.0, texts.value or 0.0)
    if share == 0:
        return
    found = groups(census.vector_hashes, census.live) or groups(census.text_hashes, census.text_lengths > 0)
    yield Finding(
        "IDX006",
        Severity.WARNING if share >= 0.01 else Severity.INFO,
        EXACT.title,
        f"{percent(vectors.value)} of the vectors and {percent(texts.value)} of the texts repeat an earlier one.",
        evidence.pick("duplicates.vectors", "duplicates.texts"),
        "Copies of one chunk fill the result list, and the answer sees one passage instead of several.",
        Remedy("Keep one of each; make the id a hash of the text, so that ingesting twice changes nothing."),
        evidence.notes([int(g[0]) for g in found], [f"there {len(g):,} times" for g in found]),
    )


EXACT = Rule(
    "IDX006",
    "exact duplicates",
    Severity.WARNING,
    """Vectors that are equal to the last bit, and texts that are equal but for case and white space.

Share of documents that repeat an earlier one, (members − groups)/n, counted over all documents. A
warning from 1 %, else for information.

Do: remove them; use a hash of the text as id.""",
    _exact,
)


def _near(evidence: Evidence) -> Iterator[Finding]:
    share = evidence.measure("duplicates.near")
    queries, cosines = evidence.seen.documents.queries, evidence.seen.documents.cosines
    if not at_least(share, 0.005):
        return
    order = np.argsort(-cosines.scores[:, 0], kind="stable")
    distinct = [i for i in order if cosines.scores[i, 0] < 0.99999] or list(order)
    ids = evidence.census.ids
    yield Finding(
        "IDX007",
        Severity.WARNING if at_least(share, 0.02) else Severity.INFO,
        NEAR.title,
        f"{percent(share.value)} of the documents have another one nearly in the same place.",
        evidence.pick("duplicates.near"),
        "Revisions and copies of one passage crowd other passages out of the result list.",
        Remedy("Keep the newest revision; or search with maximal marginal relevance (MMR)."),
        evidence.notes(
            queries.positions[distinct],
            [f"cosine {cosines.scores[i, 0]:.3f} to {ids[cosines.positions[i, 0]]}" for i in distinct],
        ),
    )


NEAR = Rule(
    "IDX007",
    "near duplicates",
    Severity.WARNING,
    """A document whose nearest other document is within 2 % of the way to an unrelated one.

Formula: (cos − ρ̄)/(1 − ρ̄) > 0.98 for the nearest neighbour, ρ̄ the mean cosine of the store: cosine
above 0.98 where unrelated documents have cosine 0. Every document is searched for each sampled one.
A warning when at least 2 % of the documents have one (lower end), for information from 0.5 %. Exact
duplicates count too; IDX006 names those.

Do: keep one revision, or diversify the result list.""",
    _near,
)


def _lossy(evidence: Evidence) -> Iterator[Finding]:
    loss = evidence.seen.info.loss
    if loss:
        n = evidence.census.n
        yield Finding(
            "IDX008",
            Severity.INFO,
            LOSSY.title,
            f"The vectors read back are not the ones that were added: {loss}.",
            {"store.count": Measure.counted(float(n), n=n)},
            "Every measure here is of the codes; some of what it shows may be the compression's doing.",
            Remedy("Audit the vectors before compression too, when they are kept."),
        )


LOSSY = Rule(
    "IDX008",
    "vectors stored with loss",
    Severity.INFO,
    """The index keeps codes (PQ, scalar quantisation, LSH) and the vectors are rebuilt from them.

For information: the geometry is that of the codes.""",
    _lossy,
)


def _lengths(evidence: Evidence) -> Iterator[Finding]:
    census = evidence.census
    norms, live = census.norms, census.live
    is_unit = np.abs(norms - 1) < UNIT
    share = float(np.mean(is_unit[live]))
    if not 0.01 <= share <= 0.99:
        return
    odd = np.flatnonzero(live & ~is_unit) if share > 0.5 else np.flatnonzero(is_unit)
    measure = Measure.counted(1 - share, n=int(live.sum()), null=0.0)
    low, high = np.quantile(norms[live & ~is_unit], [0.05, 0.95])
    yield Finding(
        "IDX009",
        Severity.WARNING,
        LENGTHS.title,
        f"{percent(share)} of the vectors have length 1, the others from {number(low)} to {number(high)}.",
        {"norms.not_normalised": measure, **evidence.pick("norms.variation")},
        "Under dot product and L2 the two parts do not compete on equal terms: one is found too often, or never.",
        Remedy("Scale all vectors to length 1, or rank by cosine.", similarity="cosine"),
        evidence.notes(odd, [f"length {norms[i]:.3g}" for i in odd[:10]]),
    )


LENGTHS = Rule(
    "IDX009",
    "a part is not normalised",
    Severity.WARNING,
    """Between 1 % and 99 % of the vectors have length 1 (to 0.001): two ingestion jobs, of which one normalised.

Counted over all vectors. Under cosine rankings are not touched, but scores of other tools may be.

Do: normalise all of them.""",
    _lengths,
)


def _populations(evidence: Evidence) -> Iterator[Finding]:
    separation = evidence.measure("population.separation")
    remaining = evidence.portrait.remaining_separation
    if not at_least(separation, SEPARATE) or remaining > 0.5 * (separation.value or 0.0):
        return
    share = evidence.measure("population.minor_share")
    marked = evidence.portrait.marks["population.minor"]
    yield Finding(
        "IDX010",
        Severity.WARNING,
        POPULATIONS.title,
        f"{percent(share.value)} of the vectors lie in a region of their own, {number(separation.value)} spreads"
        " away from the rest, with nothing between.",
        evidence.pick("population.minor_share", "population.separation"),
        "A query is near one of the two regions: the documents of the other are not found, whatever they say.",
        Remedy("Embed that part again with the model that embeds the queries."),
        evidence.notes(marked, ["in the smaller population"] * len(marked)),
    )


POPULATIONS = Rule(
    "IDX010",
    "two populations that do not mix",
    Severity.WARNING,
    f"""The sampled directions split into two groups that are far apart, and neither splits again nearly as well.

Formula: Ashman's D = √2·|mean₁ − mean₂|/√(var₁ + var₂) along the line through both means, for the best
split found; {NULL_SEPARATION} for one normal law cut in two, about 4 to 7 on corpora embedded by one
model, 8 for two languages under one model. Fires when D ≥ {SEPARATE:.0f} (lower end) and the best split within
either part is at most half as good.

It sees a part embedded by another model when that model has a cone of its own, as most have. It cannot
see one whose vectors are as isotropic as the others; `--embeddings` sees that (IDX012). A genre of
documents that is altogether unlike the rest can look the same: read the texts listed.

Source: Ashman, Bird & Zepf 1994, doi:10.1086/117248.""",
    _populations,
)


def _constant(evidence: Evidence) -> Iterator[Finding]:
    share = evidence.measure("spectrum.constant_coordinates")
    if not share.value:
        return
    dim = evidence.seen.info.dim
    yield Finding(
        "IDX011",
        Severity.WARNING if share.value > 0.05 else Severity.INFO,
        CONSTANT.title,
        f"{count(round(share.value * dim), 'coordinate')} of {dim:,} are the same in all vectors.",
        evidence.pick("spectrum.constant_coordinates"),
        "They cost memory and say nothing; whitening must leave them out.",
        Remedy("Nothing to do for a few. Many mean vectors that were padded or cut: check the ingestion."),
    )


CONSTANT = Rule(
    "IDX011",
    "constant coordinates",
    Severity.WARNING,
    """A coordinate whose range over all vectors is below 1e-5 of the median range.

Some models have a few (all-MiniLM-L6-v2 has three). A warning above 5 % of the dimensions, else for
information.""",
    _constant,
)


def _embedder(evidence: Evidence) -> Iterator[Finding]:
    seen = evidence.seen
    mismatch = evidence.measure("embedder.mismatch")
    if seen.reembedded is None or seen.reembedded_other is None:
        raise NotApplicable("no embedding model was given")
    cosine = Measure(float(np.median(seen.reembedded)), *_quartiles(seen.reembedded), null=None, n=mismatch.n)
    other = float(np.median(seen.reembedded_other))
    evidence_ = {
        "embedder.mismatch": mismatch,
        "embedder.cosine": Measure(cosine.value, cosine.low, cosine.high, other, cosine.n),
    }
    if at_least(mismatch, 0.01):
        order = np.argsort(seen.reembedded, kind="stable")
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
            f"Texts embedded again have a median cosine of {number(cosine.value)} to their stored vectors.",
            evidence_,
            "The model is the same, the text was not: a title, a prefix or a cut was added when ingesting.",
            Remedy("Nothing, when that was meant."),
        )


def _quartiles(values: np.ndarray[tuple[int], np.dtype[np.float64]]) -> tuple[float, float]:
    low, high = np.quantile(values, [0.25, 0.75])
    return float(low), float(high)


EMBEDDER = Rule(
    "IDX012",
    "stored vectors are not this model's",
    Severity.ERROR,
    """A sample of the stored texts is embedded again with `--embeddings` and compared with the stored vectors.

A stored vector whose cosine to the new one is below 0.9 was not made by this model from this text.
An error when at least 1 % of the sample are such (lower end of the Wilson interval). A median between
0.9 and 0.99 is for information: the same model, another preparation of the text. `embedder.cosine` is
the median with its quartiles; its null is the median cosine to the vector of another text.

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

RULES = (
    NON_FINITE,
    ZERO,
    COUNTS,
    EMPTY,
    BOILERPLATE,
    EXACT,
    NEAR,
    LOSSY,
    LENGTHS,
    POPULATIONS,
    CONSTANT,
    EMBEDDER,
    OUTLIERS,
)
