"""``ragdiag stores``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import click

from ragdiag.cli.output import emit, stdout_color, stdout_encoding, stdout_width

if TYPE_CHECKING:
    from ragdiag.plugins import Openers
    from ragdiag.stores.base import Opener


@click.command()
def stores() -> None:
    """List what can be opened here and what can be written, what is not installed, and adapters that are broken."""
    from ragdiag.plugins import load_openers, missing_extras

    emit(_listing(load_openers(), missing_extras()))


def _listing(found: Openers, missing: Mapping[str, str]) -> str:
    from ragdiag.report.page import Page

    page = Page(stdout_width(), encoding=stdout_encoding())
    page.heading("Can be opened here")
    column = max((len(name) for name, _ in found.openers), default=0) + 4
    for name, opener in found.openers:
        done = "read and written" if opener.target is not None else "read"
        page.field(name, (_recognised(opener), "bold"), f"; {done}", hang=column, style="")
        page.field("", opener.description, hang=column)
        if name in missing:
            page.field("", (f"not installed: {missing[name]}", "yellow"), hang=column)
    if found.broken:
        page.heading("Cannot be loaded")
    for plugin in found.broken:
        origin = f" (from {plugin.distribution})" if plugin.distribution else ""
        page.line((plugin.name, "bold red"), f"{origin}: {plugin.error}", indent=2, hang=4)
    return page.render(color=stdout_color())


def _recognised(opener: Opener) -> str:
    ways = [f"{scheme}:" for scheme in opener.schemes] + list(opener.suffixes)
    if opener.accepts is not None:
        ways.append("live objects" if ways else "live objects, from Python")
    return "  ".join(ways)
