"""``ragdiag explain``."""

from __future__ import annotations

from pathlib import Path

import click

from ragdiag.cli.options import EMBEDDINGS, SEED, WIDTH, Whole
from ragdiag.cli.output import (
    LOG_WIDTH,
    check_writable,
    complain,
    emit,
    refuse_inputs,
    stdout_color,
    stdout_encoding,
    stdout_kept_clean,
    stdout_width,
    write_atomically,
)
from ragdiag.config import FORMATS


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
@click.option(
    "--format",
    "format_",
    type=click.Choice(FORMATS),
    default="terminal",
    show_default=True,
    help="JSON follows the schema ragdiag.explain/1.",
)
@click.option("--output", metavar="FILE", type=click.Path(path_type=Path), help="Write there, not to stdout.")
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
    if format_ == "json":
        from ragdiag.report.json_explanation import to_json

        text = to_json(explanation)
    else:
        from ragdiag.report.terminal_explanation import to_text

        if output is None:
            columns = width or stdout_width()
            text = to_text(explanation, width=columns, color=stdout_color(), encoding=stdout_encoding())
        else:
            text = to_text(explanation, width=width or LOG_WIDTH)
    if output is None:
        emit(text)
    else:
        write_atomically(output, text + "\n")
        complain(f"{output} written.", kind="ragdiag")
    return 0
