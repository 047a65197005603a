"""How a result shows itself in a notebook: it asks here, and whoever can draw it has said so here."""

from __future__ import annotations

from functools import singledispatch


@singledispatch
def in_notebook(result: object) -> str | None:
    """Return HTML for a result; None where nothing that draws it has been registered, so that its text is shown."""
    return None


class Displayed:
    """A result that a notebook may show richly; it does not know how.

    Examples
    --------
    >>> print(Displayed()._repr_html_())
    None
    """

    def _repr_html_(self) -> str | None:
        return in_notebook(self)
