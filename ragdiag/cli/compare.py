"""``ragdiag compare``."""

from __future__ import annotations

import time
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ragdiag.cli.options import (
    DEVICE,
    EMBEDDINGS,
    FIT_DOCUMENTS,
    HTML,
    MIN_EFFECT,
    NO_TEXTS,
    OUTPUT,
    QUERY_VECTORS,
    SEED,
    WIDTH,
    formats,
)
from ragdiag.cli.output import check_page, check_writable, deliver, deliver_page, refuse_inputs, stdout_kept_clean

if TYPE_CHECKING:
    from ragdiag.report.model import Report


@click.command()
@click.argument("store")
@click.option("--queries", metavar="PATH", required=True, help="Labelled queries, such as a BEIR folder.")
@QUERY_VECTORS
@EMBEDDINGS
@click.option(
    "-s",
    "--similarity",
    "similarities",
    multiple=True,
    metavar="NAME",
    help="A similarity to compare, several times if you like. By default the remedies that real stores profit from.",
)
@click.option(
    "-m",
    "--metric",
    "metrics",
    multiple=True,
    metavar="NAME",
    default=("nDCG@10", "R@10", "RR@10"),
    show_default=True,
    help="By ir-measures names; the first one decides.",
)
@click.option("--no-bm25", is_flag=True, help="Without BM25 on the stored texts beside the vectors.")
@click.option("--frontier", is_flag=True, help="Score truncated and quantised vectors too.")
@formats("JSON follows the schema ragdiag.audit/1, under `comparison`.")
@OUTPUT
@HTML
@NO_TEXTS
@FIT_DOCUMENTS
@SEED
@MIN_EFFECT
@DEVICE
@WIDTH
def compare(
    store: str,
    queries: str,
    query_vectors: str | None,
    embeddings: str | None,
    similarities: tuple[str, ...],
    metrics: tuple[str, ...],
    no_bm25: bool,
    frontier: bool,
    format_: str,
    output: Path | None,
    html: Path | None,
    no_texts: bool,
    sample_documents: int,
    seed: int,
    min_effect: float,
    device: str | None,
    width: int | None,
) -> int:
    """Say which similarity STORE should rank by, on the vectors that are in it.

    Each similarity is scored on labelled queries that it was not fitted on; the differences to the store's own are
    tested in pairs. "Leave it alone" is an answer. Nothing is written to the store.

    \b
    Examples
      ragdiag compare faiss:./index --queries ./beir --query-vectors ./q.npy
      ragdiag compare ./v.npy --queries ./beir --embeddings PROVIDER:MODEL
      ragdiag compare ./v.npy --queries ./beir --query-vectors ./q.npy \\
          -s cosine -s "query-centred | whitened(gamma=0.5)" -m R@100

    Exits with 0 whatever won, 2 when something given cannot be used.
    """  # noqa: D301  click's \b is the character
    if output is not None:
        check_writable(output)
        refuse_inputs(output, (store, queries, query_vectors))
    check_page(html, output, (store, queries, query_vectors))
    from ragdiag.cli.progress import StderrProgress
    from ragdiag.comparing import compare as run_comparison
    from ragdiag.engine.device import engine_for
    from ragdiag.plan import Plan
    from ragdiag.report.model import Report, Sampling
    from ragdiag.report.run import run_info
    from ragdiag.stores import opened_store

    started, clock = datetime.now(timezone.utc), time.perf_counter()
    plan = Plan(sample_documents=sample_documents, seed=seed, min_effect=min_effect)
    with stdout_kept_clean(), StderrProgress() as progress, opened_store(store) as opened:
        comparison = run_comparison(
            opened,
            queries,
            similarities=similarities or None,
            metrics=metrics,
            query_vectors=query_vectors,
            embeddings=embeddings,
            lexical=not no_bm25,
            frontier=frontier,
            plan=plan,
            engine=engine_for(device),
            progress=progress,
        )
    n = opened.info.count
    report = Report(
        store=opened.info,
        measures={},
        findings=(),
        passed=(),
        skipped={},
        comparison=comparison,
        sampling=Sampling(n, 0, min(sample_documents, n), comparison.queries, plan.k, seed),
        run=run_info(started, time.perf_counter() - clock),
    )
    if no_texts:
        from ragdiag.report.without_texts import without_texts

        report = without_texts(report)
    deliver_page(report, html, texts=not no_texts)
    _show(report, format_, output, width)
    return 0


def _show(report: Report, format_: str, output: Path | None, width: int | None) -> None:
    from ragdiag.report.json import to_json
    from ragdiag.report.terminal_comparison import comparison_to_text, comparison_verdict

    comparison = report.comparison
    assert comparison is not None

    def render(**looks: Any) -> str:
        return to_json(report) if format_ == "json" else comparison_to_text(report.store, comparison, **looks)

    deliver(render, output, width=width, said=comparison_verdict(comparison)[0])
