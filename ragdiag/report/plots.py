"""Figures of a report, one by one, for a notebook."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ragdiag.errors import ConfigError
from ragdiag.pictures.draw import Pictures
from ragdiag.pictures.listed import Occurrence
from ragdiag.pictures.map import tsne
from ragdiag.report import figures, figures_comparison

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

    from ragdiag.report.model import Report


class Plots:
    """What `Report.plot` gives; every method returns a plotly figure.

    Parameters
    ----------
    report : Report

    Raises
    ------
    MissingExtraError
        By each method, when plotly is not installed.
    ConfigError
        By each method, when the report has nothing to show there, with the reason.
    """

    def __init__(self, report: Report) -> None:
        self._report = report

    def cosines(self) -> Figure:
        """Cosines of random pairs and of nearest neighbours, beside directions without any order."""
        picture = self._pictures.cosines
        if picture is None:
            raise _nothing("cosines", "fewer than three documents, or one dimension")
        return figures.cosines_figure(picture)

    def spectrum(self) -> Figure:
        """Eigenvalues beside isotropic vectors, the Marchenko–Pastur edge and the floor by the mean cosine."""
        picture = self._pictures.spectrum
        if picture is None:
            raise _nothing("the spectrum", "all vectors are equal, or there are too few")
        return figures.spectrum_figure(picture)

    def occurrences(self, side: str | None = None) -> Figure:
        """How many documents stand in how many lists, beside Poisson counts; see `hubs` for `side`."""
        return figures.occurrence_figure(self._side(side))

    def hubs(self, side: str | None = None) -> Figure:
        """Return the documents that are listed most; hovering shows their texts.

        Parameters
        ----------
        side : {"query", "document"}, optional
            Whose lists: by default those of the queries that were given, else those of documents as queries.
        """
        return figures.hubs_figure(self._side(side))

    def norms(self) -> Figure:
        """Lengths of all vectors."""
        picture = self._pictures.norms
        if picture is None:
            raise _nothing("lengths", "all vectors have one length")
        return figures.norms_figure(picture)

    def gap(self) -> Figure:
        """Documents and queries along the line through their means."""
        picture = self._pictures.gap
        if picture is None:
            raise _nothing("the gap", "fewer than ten queries were given")
        return figures.gap_figure(picture)

    def map(self, layout: str = "pca") -> Figure:
        """Return documents and queries on a plane; the legend switches hubs, duplicates and the other layers.

        Parameters
        ----------
        layout : {"pca", "tsne"}
            Principal components at once; t-SNE of at most 1,000 points takes seconds.
        """
        if layout not in ("pca", "tsne"):
            raise ConfigError(f"there is no layout {layout!r}", hint='give "pca" or "tsne"')
        picture = self._pictures.map
        laid_out = tsne(picture, self._report.sampling.seed) if picture is not None and layout == "tsne" else None
        if picture is None or (layout == "tsne" and laid_out is None):
            raise _nothing("the map", "there are too few documents")
        return figures.map_figure(picture, laid_out)

    def comparison(self) -> Figure:
        """Mean paired differences to the store's own similarity, with their intervals."""
        comparison = self._report.comparison
        if comparison is None or not figures_comparison.candidates(comparison):
            raise _nothing("the comparison", "no judgements were given, or there is nothing to compare")
        return figures_comparison.differences_figure(comparison)

    @property
    def _pictures(self) -> Pictures:
        if self._report.pictures is None:
            raise _nothing("figures", "this report has no vectors behind it")
        return self._report.pictures

    def _side(self, side: str | None) -> Occurrence:
        found = {one.side: one for one in self._pictures.occurrences}
        wanted = side or next(iter(found), "document")
        if wanted not in found:
            raise _nothing(f"the lists of the side {wanted!r}", f"there are those of: {', '.join(found) or 'none'}")
        return found[wanted]


def _nothing(what: str, why: str) -> ConfigError:
    return ConfigError(f"there is nothing to draw for {what}", hint=why)
