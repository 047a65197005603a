"""``ragdiag explain``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from ragdiag.cli.options import EMBEDDINGS, OUTPUT, SEED, WIDTH, Whole, formats
from ragdiag.cli.output import check_writable, deliver, refuse_inputs, stdout_kept_clean


@click.command()
@click.argument("store")
@click.argument("query")
@EMBEDDINGS
@click.option("--query-vector", metavar="FILE", help="Instead: the vector of the query, a .npy file of one row.")
@click.option(
    "-s",
    "--similarity",
    "similarities",
    multiple=True,
    metavar="NAME",
    help='Also give the ranks under this one, such as "abtt(d=2)". Can be repeated.',
)
@click.option("-k", metavar="N", type=Whole(min=1), default=10, show_default=True, help="Hits to explain.")
@formats("JSON follows the schema ragdiag.explain/1.")
@OUTPUT
@SEED
@WIDTH
def explain(
    store: str,
    query: str,
    embeddings: str | None,
    query_vector: str | None,
    similarities: tuple[str, ...],
    k: int,
    format_: str,
    output: Path | None,
    seed: int,
    width: int | None,
) -> int:
    """Say why QUERY brings back what it does from STORE.

    For each hit: its score, its rank under other similarities and by BM25, whether it is a hub or repeats
    another hit. For the question: whether it lies where the documents lie. Nothing is written to the store.

    \b
    Examples
      ragdiag explain faiss:./index "how to reset it?" --embeddings PROVIDER:MODEL
      ragdiag explain ./vectors.npy "how to reset it?" --query-vector ./q.npy
    """  # noqa: D301  click's \b is the character
    if output is not None:
        check_writable(output)
        refuse_inputs(output, (store, query_vector))
    from ragdiag.cli.progress import StderrProgress
    from ragdiag.explaining import explain as run_explain

    with stdout_kept_clean(), StderrProgress() as progress:
        explanation = run_explain(
            store,
            query,
            embeddings=embeddings,
            query_vector=query_vector,
            similarities=similarities,
            k=k,
            seed=seed,
            progress=progress,
        )
    from ragdiag.report.json_explanation import to_json
    from ragdiag.report.terminal_explanation import to_text

    def render(**looks: Any) -> str:
        return to_json(explanation) if format_ == "json" else to_text(explanation, **looks)

    deliver(render, output, width=width)
    return 0
