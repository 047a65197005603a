"""DRF: did the vectors move since an earlier audit?"""

from __future__ import annotations

from collections.abc import Iterator

from ragdiag.findings.evidence import Evidence
from ragdiag.findings.finding import Finding, Remedy
from ragdiag.findings.rule import NotApplicable, Rule, page
from ragdiag.findings.words import at_least, limit
from ragdiag.geometry.drift import SAME_CHUNK, Drift
from ragdiag.numbers import percent, probability
from ragdiag.types import Measure, Severity

NO_BASELINE = "no earlier audit was given (--baseline)"
PROVEN = 0.002  # p: drift and labelled scores are tested side by side with all rules, at 2 % together
MATERIAL = 0.0005  # of the spread: a fifth of the vectors rotated reads .0006 to .02 on real models
MOVED = 0.01  # of the documents with the same text


def drift_findings(drift: Drift) -> Iterator[Finding]:
    """Return what the DRF rules say of the drift between two audits; nothing where no sketch was taken."""
    if drift.measures:
        yield from _drifted(drift)
        yield from _moved(drift)


def _drifted(drift: Drift) -> Iterator[Finding]:
    mmd = drift.measures["drift.mmd"]
    if drift.p is None or drift.p >= PROVEN or (mmd.value or 0.0) < MATERIAL:
        return
    yield Finding(
        "DRF001",
        Severity.WARNING,
        DRIFT_RULE.title,
        f"The vectors are not drawn as before: p = {probability(drift.p)} by permutation. {_churn(drift)}",
        {name: drift.measures[name] for name in ("drift.mmd", "drift.mean_shift", *_SHARES)},
        "Rankings, score thresholds and fitted remedies of the earlier store need not hold for this one.",
        Remedy(
            "If new documents explain it, take this audit as the new baseline. If not, look for another model, prompt"
            " or version of it in the last ingestion, and embed those documents again."
        ),
    )


def _moved(drift: Drift) -> Iterator[Finding]:
    moved = drift.measures["drift.replaced"]
    if moved.value is None or not at_least(moved, MOVED):
        return
    yield Finding(
        "DRF002",
        Severity.WARNING,
        MOVED_RULE.title,
        f"Of the documents that are as before, {percent(moved.value)} have a vector that has nothing to do with the old"
        " one.",
        {name: drift.measures[name] for name in ("drift.replaced", "drift.vectors_changed")},
        "Vectors of two models have nothing to do with each other: a query reaches one part of the store alone.",
        Remedy("Embed the whole store and the queries with one model, and take its audit as the new baseline."),
    )


_SHARES = ("drift.ids_vanished", "drift.ids_new", "drift.vectors_changed")


def _churn(drift: Drift) -> str:
    def share(name: str) -> str | None:
        measure: Measure = drift.measures[name]
        return None if measure.value is None else percent(measure.value)

    vanished, new, changed = (share(name) for name in _SHARES)
    if vanished is None or new is None:
        return "The ids say nothing of which documents are new."
    kept = f"; of those in both, {changed} have another vector" if changed is not None else ""
    return f"{vanished} of the old documents are gone and {new} of the present ones are new{kept}."


def _needs_baseline(evidence: Evidence) -> Iterator[Finding]:
    raise NotApplicable(NO_BASELINE)


DRIFT_RULE = Rule(
    "DRF001",
    "the vectors drifted since the earlier audit",
    Severity.WARNING,
    page(
        measured="""`drift.mmd` = MMD²/(tr S_old + tr S_new), the squared distance between the mean embeddings of old
        and new directions under a Gaussian kernel, over their spread, from the sketches of up to 384 documents that
        both audits keep; `drift.mean_shift` = the same of the plain means.""",
        fires=f"""`drift.mmd` is at least {MATERIAL} and a permutation test of it has p < {PROVEN} (the value, not the
        lower end of its interval, since p is the proof). Always a warning; only with an earlier audit (`ragdiag
        diff`, `--baseline`).""",
        wrong="""documents of another kind move the vectors too: the shares of new and vanished ids beside it say
        whether that can be the reason. It is silent about a model that is a rotation of the old one around a mean of
        0, where no law changes, and about shifts that hide in a sketch.""",
        do="""if the corpus was meant to change, take the new audit as the baseline. Else look for what the last
        ingestion did differently: model, version, prompt, normalisation, language.""",
        source="Gretton et al. 2012, Journal of Machine Learning Research 13:723.",
    ),
    _needs_baseline,
)

MOVED_RULE = Rule(
    "DRF002",
    "the same documents have other vectors",
    Severity.WARNING,
    page(
        measured=f"""`drift.replaced` = documents whose cosine between the old and the new vector is below {SAME_CHUNK}
        / documents with the same id and the same text in both audits. In a store without texts: changed vectors that
        resemble the old ones no more than 95 % of the pairs of different documents do / ids in both.""",
        fires=f"""it is at least {limit(MOVED)} (lower end of the interval). Always a warning; only with an earlier
        audit (`ragdiag diff`, `--baseline`).""",
        wrong="""the model was changed on purpose and the whole store was embedded again: then the new audit is the
        new baseline. Without texts, an id that was given to another document counts too. It is silent where ids
        are new with every ingestion, or row numbers without texts, and about models that are close.""",
        do="embed the whole store with one model, the one that embeds the queries.",
        source="Achlioptas 2003, doi:10.1016/S0022-0000(03)00025-4, for the projection.",
    ),
    _needs_baseline,
)

RULES = (DRIFT_RULE, MOVED_RULE)
