"""A report without the words of others: what can be passed on where the texts must not be."""

from __future__ import annotations

from dataclasses import replace

from ragdiag.findings.finding import Finding
from ragdiag.pictures.draw import Pictures
from ragdiag.pictures.groups import LENGTH
from ragdiag.pictures.listed import Chunk, Occurrence
from ragdiag.report.model import Report
from ragdiag.retrieval.comparison import Comparison
from ragdiag.retrieval.losses import Losses


def without_texts(report: Report) -> Report:
    """Return the report without texts of chunks and of queries and without metadata; ids and numbers stay."""
    return replace(
        report,
        findings=tuple(_finding(finding) for finding in report.findings),
        comparison=None if report.comparison is None else _comparison(report.comparison),
        pictures=None if report.pictures is None else _pictures(report.pictures),
    )


def _finding(finding: Finding) -> Finding:
    return replace(finding, documents=tuple(replace(document, text=None) for document in finding.documents))


def _comparison(comparison: Comparison) -> Comparison:
    return replace(comparison, losses=None if comparison.losses is None else _losses(comparison.losses), retrieved={})


def _losses(losses: Losses) -> Losses:
    offenders = {
        cause: tuple(replace(offender, text="") for offender in named) for cause, named in losses.offenders.items()
    }
    return replace(losses, texts={}, offenders=offenders)


def _chunk(chunk: Chunk) -> Chunk:
    return Chunk(chunk.id, None)


def _occurrence(listed: Occurrence) -> Occurrence:
    return replace(
        listed,
        hubs=tuple(
            replace(hub, chunk=_chunk(hub.chunk), captured=tuple(map(_chunk, hub.captured))) for hub in listed.hubs
        ),
        orphan_examples=tuple(map(_chunk, listed.orphan_examples)),
    )


def _pictures(pictures: Pictures) -> Pictures:
    return replace(
        pictures,
        occurrences=tuple(map(_occurrence, pictures.occurrences)),
        clusters=tuple(replace(cluster, text=None) for cluster in pictures.clusters),
        map=None if pictures.map is None else replace(pictures.map, chunks=tuple(map(_chunk, pictures.map.chunks))),
        groups=tuple(group for group in pictures.groups if group.key == LENGTH and not group.asked),
        groups_note="",
    )
