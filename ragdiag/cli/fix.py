"""``ragdiag fix``."""

from __future__ import annotations

import click

from ragdiag.cli.options import EMBEDDINGS, FIT_DOCUMENTS, MIN_EFFECT, QUERY_VECTORS, SEED, WIDTH
from ragdiag.cli.output import deliver, stdout_kept_clean


@click.command()
@click.argument("store")
@click.option(
    "--remedy",
    required=True,
    metavar="NAME|best",
    help="A similarity by name, or the one that labelled queries prove better.",
)
@click.option("--to", required=True, metavar="URI", help="The new store: faiss:FOLDER, NAME.faiss, .npy, .parquet …")
@click.option("--queries", metavar="PATH", help="Labelled queries, such as a BEIR folder; 'best' needs them.")
@QUERY_VECTORS
@EMBEDDINGS
@click.option(
    "--artefact",
    metavar="DIR",
    help="Where the maps for queries and new documents go. By default beside the new store, as NAME.ragdiag.",
)
@click.option(
    "--overwrite", is_flag=True, help="Replace a store and an artefact that exist, when the new one is whole."
)
@click.option("--lossy", is_flag=True, help="Drop ids, texts and metadata that the new store cannot keep.")
@FIT_DOCUMENTS
@SEED
@MIN_EFFECT
@WIDTH
def fix(
    store: str,
    remedy: str,
    to: str,
    queries: str | None,
    query_vectors: str | None,
    embeddings: str | None,
    artefact: str | None,
    overwrite: bool,
    lossy: bool,
    sample_documents: int,
    seed: int,
    min_effect: float,
    width: int | None,
) -> int:
    """Write a store that ranks by a remedy, from the vectors that are in STORE.

    STORE is never touched, and no document is embedded again. The new store appears whole or not at all, is read
    back, and is held to what was promised. Beside it lies a folder with the maps for queries.

    \b
    Examples
      ragdiag fix faiss:./index --remedy best --to faiss:./fixed \\
          --queries ./beir --query-vectors ./q.npy
      ragdiag fix ./v.npy --remedy "abtt(d=2)" --to ./fixed.npy

    Exits with 0 when the new store is there and ranks as promised, 2 when nothing was written: nothing is proven
    better, the new store would rank otherwise, or something given cannot be used.
    """  # noqa: D301  click's \b is the character
    from ragdiag.cli.progress import StderrProgress
    from ragdiag.fixing import fix as run_fix
    from ragdiag.plan import Plan
    from ragdiag.report.terminal_fix import fix_to_text

    plan = Plan(sample_documents=sample_documents, seed=seed, min_effect=min_effect)
    with stdout_kept_clean(), StderrProgress() as progress:
        fixed = run_fix(
            store,
            remedy,
            to=to,
            artefact=artefact,
            judgements=queries,
            query_vectors=query_vectors,
            embeddings=embeddings,
            overwrite=overwrite,
            lossy=lossy,
            plan=plan,
            progress=progress,
        )
    deliver(lambda **looks: fix_to_text(fixed, to=to, **looks), None, width=width)
    return 0
