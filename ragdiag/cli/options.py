"""Options that several commands share."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import click

from ragdiag.config import FORMATS


class Whole(click.IntRange):
    """A whole number, called so in messages."""

    name = "whole number"


def share(ctx: click.Context, param: click.Parameter, value: float | None) -> float | None:
    """Refuse NaN, which passes every range."""
    if value is not None and not math.isfinite(value):
        raise click.BadParameter(f"{value} is not a number from 0 to 1.", ctx, param)
    return value


def codes(ctx: click.Context, param: click.Parameter, values: tuple[str, ...]) -> tuple[str, ...]:
    """Return rule codes or their beginnings, in upper case, each once."""
    parts = (part.strip().upper() for value in values for part in value.split(","))
    return tuple(dict.fromkeys(part for part in parts if part))


QUERY_VECTORS = click.option("--query-vectors", metavar="FILE", help="Their vectors: a .npy file, one row per query.")
EMBEDDINGS = click.option("--embeddings", metavar="PROVIDER:MODEL", help="The embedding model that filled the store.")
HTML = click.option(
    "--html",
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="Write a page with figures there too, one file that works offline (extra html).",
)
NO_TEXTS = click.option("--no-texts", is_flag=True, help="Leave texts, queries and metadata out; ids and numbers stay.")
SAMPLE_DOCUMENTS = click.option(
    "--sample-documents",
    metavar="N",
    type=Whole(min=1),
    default=10_000,
    show_default=True,
    help="Documents drawn for statistics of rows and pairs.",
)
FIT_DOCUMENTS = click.option(
    "--sample-documents",
    metavar="N",
    type=Whole(min=1),
    default=10_000,
    show_default=True,
    help="Documents drawn to fit similarities on. All are searched.",
)
SEED = click.option(
    "--seed", metavar="N", type=Whole(min=0), default=0, show_default=True, help="The same seed, the same report."
)
MIN_EFFECT = click.option(
    "--min-effect",
    metavar="X",
    type=click.FloatRange(0, 1),
    default=0.01,
    show_default=True,
    callback=share,
    help="Smallest gain in nDCG@10 that counts.",
)
WIDTH = click.option(
    "--width",
    metavar="N",
    type=Whole(min=40),
    help="Columns of the report. By default those of the terminal, up to 100, and 80 in a log.",
)
DEVICE = click.option(
    "--device",
    metavar="NAME",
    help="Where torch searches: cpu, cuda, mps or auto. By default numpy does. The result is the same.",
)
OUTPUT = click.option("--output", metavar="FILE", type=click.Path(path_type=Path), help="Write there, not to stdout.")


def formats(help_: str, choices: Sequence[str] = FORMATS) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Return the option ``--format``; `help_` says which schema the JSON follows."""
    return click.option(
        "--format", "format_", type=click.Choice(choices), default="terminal", show_default=True, help=help_
    )
