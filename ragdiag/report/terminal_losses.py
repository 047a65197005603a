"""Where the loss of a labelled comparison comes from, as a terminal shows it."""

from __future__ import annotations

from collections.abc import Collection

from ragdiag.numbers import count, counted, percent
from ragdiag.report.page import Page, Part
from ragdiag.retrieval.losses import Cause, CauseLoss, Losses, Offender

_HUBS = 3
_OFFENDERS = 2  # of each of the causes that cost most
_CAUSES = 3
_NOTABLE = 0.1  # share of the loss from which something is advised
_LOST, _SHARE, _PAIRS = 6, 6, 6
# Ids are foreign and may be pages long; the JSON has them whole.
_ID, _QUESTION = 40, 200

_SAID = {
    Cause.ABSENT: "not in the store, or without a usable vector",
    Cause.FULL: "no place left: relevant ones hold them all",
    Cause.APPROXIMATE: "missed by the store's own search, not by an exact one",
    Cause.HUBS: "outranked by hubs",
    Cause.DUPLICATES: "crowded out by near-duplicates",
    Cause.SIMILARITY: "found under another similarity",
    Cause.LEXICAL: "found by BM25 only",
    Cause.HARD: "hard: nothing here finds them",
}
_UNTESTED = {
    Cause.APPROXIMATE: "what the store's own index misses (all was searched exactly)",
    Cause.DUPLICATES: "near-duplicates",
    Cause.SIMILARITY: "other similarities",
    Cause.LEXICAL: "BM25",
}


# What can be done about a cause, in a line.
_ADVICE = {
    Cause.ABSENT: "Ingest the {pairs} that are not in the store, or embed again those without a usable vector.",
    Cause.HUBS: "Look at the hubs above: boilerplate can be deleted (ragdiag rule HUB001).",
    Cause.DUPLICATES: "Delete repeated documents: ragdiag audit STORE names them (IDX006, IDX007).",
    Cause.LEXICAL: "Hybrid search may pay; try it: BM25 finds {pairs} that no ranking by vectors here finds.",
}


def losses_section(page: Page, losses: Losses, *, winner: str | None = None) -> None:
    """Add what the store's own ranking loses, cause by cause, and the worst offenders."""
    page.heading("Where the loss comes from")
    if losses.total <= 0:
        page.line(f"Nowhere: {losses.metric} is {losses.score:.3f}, and no ranking has more.", indent=2)
        return
    best = "1" if losses.attainable > 0.9995 else f"{losses.attainable:.3f}"
    documents = f"{count(losses.missing)} of {counted(losses.pairs, 'relevant document')}"
    page.line(
        f"{losses.metric} is {losses.score:.3f} where {best} is possible: {losses.total:.3f} is lost. {documents}"
        f" {'is' if losses.missing == 1 else 'are'} missing from the top {losses.k} of the query"
        f"{'; each is put down to the first cause that holds' if losses.missing else ''}.",
        indent=2,
    )
    page.gap()
    _row(page, "lost", "share", "docs", ("", ""), "dim")
    low = f"in the top {losses.k}, but not on top"
    _row(page, f"{losses.low_ranked:.3f}", percent(losses.share(losses.low_ranked)), "", (low, ""))
    for cause in losses.causes:
        if cause.pairs:
            lost, share = f"{cause.loss:.3f}", percent(losses.share(cause.loss))
            _row(page, lost, share, count(cause.pairs), (_SAID[cause.cause] + _beside(cause), ""))
            _via(page, cause, winner)
    if losses.untested:
        page.gap()
        page.line("Not tested: " + "; ".join(_UNTESTED[cause] for cause in losses.untested) + ".", indent=2, hang=4)
    _hubs(page, losses)
    worst = sorted(losses.causes, key=lambda cause: -cause.loss)[:_CAUSES]
    for cause in worst:
        if losses.offenders[cause.cause] and cause.loss > 0:
            _offenders(page, losses, cause)


def _row(page: Page, lost: str, share: str, pairs: str, said: Part, style: str = "") -> None:
    room = page.width - 2 - _LOST - _SHARE - _PAIRS - 3 * 2
    page.row([((lost, style), -_LOST), ((share, style), -_SHARE), ((pairs, style), -_PAIRS), (said, room)])


def _beside(cause: CauseLoss) -> str:
    return f" (by chance {cause.expected:.1f})" if cause.expected is not None else ""


def _via(page: Page, cause: CauseLoss, winner: str | None) -> None:
    indent = 2 + _LOST + _SHARE + _PAIRS + 3 * 2
    for name, pairs in cause.via.items():
        proven = "" if name == winner else ", not proven better"
        page.line((f"{count(pairs)} under {name}{proven}", "dim"), indent=indent, hang=indent + 2)


def _hubs(page: Page, losses: Losses) -> None:
    if not losses.hubs:
        return
    page.gap()
    page.line(
        (counted(len(losses.hubs), "hub"), "bold"),
        f", in the top {losses.k} of far more queries than an even share, without answering them:",
        indent=2,
    )
    for hub in losses.hubs[:_HUBS]:
        page.line(
            (page.cut(hub.document, _ID), "bold"),
            f": in {count(hub.lists)} of {count(losses.queries)} lists",
            indent=4,
        )
        if hub.document in losses.texts:
            page.quote(losses.texts[hub.document], indent=6)
    if len(losses.hubs) > _HUBS:
        page.line(f"… and {len(losses.hubs) - _HUBS} more", indent=4)


def _offenders(page: Page, losses: Losses, cause: CauseLoss) -> None:
    page.gap()
    page.line((_SAID[cause.cause][:1].upper() + _SAID[cause.cause][1:] + ", for example:", "bold"), indent=2)
    for offender in losses.offenders[cause.cause][:_OFFENDERS]:
        page.gap()
        _offender(page, losses, offender)


def _offender(page: Page, losses: Losses, offender: Offender) -> None:
    asked = page.cut(offender.text, _QUESTION) if offender.text else ""
    id_ = page.cut(offender.query, _ID)
    page.field("asked", f'"{asked}" ' if asked else "", (f"({id_})" if asked else id_, "dim"), indent=4, hang=12)
    place = "farther down than was looked" if offender.rank is None else f"place {count(offender.rank)}"
    _document(
        page, "missed", losses, offender.document, place + (f"; found under {offender.via}" if offender.via else "")
    )
    hubs = {hub.document for hub in losses.hubs}
    for listed in offender.instead[:1]:
        _document(page, "instead", losses, listed.document, "a hub" if listed.document in hubs else "")


def _document(page: Page, label: str, losses: Losses, document: str, note: str) -> None:
    page.field(label, (page.cut(document, _ID), "bold"), f": {note}" if note else "", indent=4, hang=12)
    if document in losses.texts:
        page.quote(losses.texts[document], indent=12)


def advice(losses: Losses, *, told: Collection[Cause] = ()) -> list[str]:
    """Return what can be done about the causes that cost most, but for those `told`, under any similarity.

    Examples
    --------
    >>> advice(Losses("R@10", 10, 1, 2, 1, 1.0, 0.5, 0.5, 0.0, (), (), (), {}))
    []
    """
    said = [
        _ADVICE[cause.cause].format(pairs=counted(cause.pairs, "relevant document"))
        for cause in sorted(losses.causes, key=lambda cause: -cause.loss)
        if cause.cause in _ADVICE and cause.cause not in told and losses.share(cause.loss) >= _NOTABLE
    ]
    if losses.share(losses.low_ranked) >= 0.5:
        said.append(
            f"{percent(losses.share(losses.low_ranked))} of the loss is the order within the top {losses.k}: consider a"
            " reranker."
        )
    return said
