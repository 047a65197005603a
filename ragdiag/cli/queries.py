"""``ragdiag queries``."""

from __future__ import annotations

import shlex
from pathlib import Path

import click

from ragdiag.cli.output import emit, refuse_inputs, stdout_encoding, stdout_kept_clean

# As in ragdiag.retrieval.pseudo, which help does not load.
_KINDS = ("auto", "title", "first-sentence", "inverse-cloze")


@click.command()
@click.argument("store")
@click.option(
    "--out", metavar="DIR", type=click.Path(path_type=Path), required=True, help="The folder to make (BEIR layout)."
)
@click.option(
    "--kind",
    type=click.Choice(_KINDS),
    default="auto",
    show_default=True,
    help="What becomes a query; auto: the title, else the first sentence.",
)
@click.option(
    "--count", metavar="N", type=click.IntRange(min=1), default=200, show_default=True, help="Queries wanted."
)
@click.option(
    "--title-field",
    metavar="NAME",
    multiple=True,
    help="Field of the metadata that holds the title. By default title, then heading.",
)
@click.option(
    "--seed",
    metavar="N",
    type=click.IntRange(min=0),
    default=0,
    show_default=True,
    help="The same seed, the same queries.",
)
@click.option("--overwrite", is_flag=True, help="Replace pseudo-labelled queries that are in DIR.")
def queries(
    store: str, out: Path, kind: str, count: int, title_field: tuple[str, ...], seed: int, overwrite: bool
) -> None:
    """Make queries of the texts in STORE, when you have none.

    A title, or a sentence, is a query, and the chunks it stands in are relevant to it. They are not what users ask:
    scores read high, and every result that uses them says so.

    \b
    Examples
      ragdiag queries faiss:./my_index --out ./made
      ragdiag queries "v.parquet?vector=embedding&id=id&text=text" \\
        --out ./made --kind inverse-cloze --count 500
    """  # noqa: D301  click's \b is the character
    from ragdiag.cli.progress import StderrProgress
    from ragdiag.plan import Plan
    from ragdiag.report.escape import clean
    from ragdiag.retrieval.pseudo import TITLE_FIELDS, pseudo_queries
    from ragdiag.retrieval.pseudo_folder import check_folder, kinds_of, write_folder
    from ragdiag.stores import opened_store, without_credentials

    refuse_inputs(out, (store,))
    check_folder(out, overwrite=overwrite)
    with stdout_kept_clean(), StderrProgress() as progress, opened_store(store) as opened:
        made = pseudo_queries(
            opened,
            Plan(seed=seed).rng("pseudo-labelled queries"),
            kind=kind,
            count=count,
            title_fields=title_field or TITLE_FIELDS,
            progress=progress,
        )
    name = opened.info.name
    write_folder(out, made, store=name, kind=kind, count=count, seed=seed, overwrite=overwrite)
    fewer = f" of the {count:,} wanted" if len(made) < count else ""
    number = f"{len(made):,} pseudo-labelled {'query' if len(made) == 1 else 'queries'}"
    shown = shlex.quote(without_credentials(store))
    command = f"ragdiag audit {shown} --queries {shlex.quote(str(out))} --embeddings PROVIDER:MODEL"
    lines = [f"{number}{fewer} ({kinds_of(made)}) written to {out}.", f"Next: {command}"]
    emit("\n".join(clean(line, encoding=stdout_encoding()) for line in lines))
