"""The result of an audit; it does not know how it looks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import import_module
from typing import TYPE_CHECKING, Any

from ragdiag.display import Displayed
from ragdiag.errors import MissingExtraError
from ragdiag.findings.finding import Finding
from ragdiag.pictures.draw import Pictures
from ragdiag.retrieval.ann import AnnCheck
from ragdiag.retrieval.comparison import Comparison
from ragdiag.statistics.sketch import Sketch
from ragdiag.types import Measure, Severity, StoreInfo

if TYPE_CHECKING:
    from ragdiag.report.plots import Plots


@dataclass(frozen=True)
class Sampling:
    """What was read and what was drawn.

    Attributes
    ----------
    documents : int
        Documents searched: always all of them.
    document_queries : int
        Documents drawn as queries for document→document statistics.
    moment_documents : int
        Documents drawn for statistics of rows and pairs.
    queries : int
        Queries given (0: none).
    k : int
        Neighbours per query.
    seed : int
        Of every draw.
    """

    documents: int
    document_queries: int
    moment_documents: int
    queries: int
    k: int
    seed: int


@dataclass(frozen=True)
class RunInfo:
    """The one part of a report that differs between two runs of the same audit."""

    started: str
    seconds: float
    host: str
    versions: Mapping[str, str]


@dataclass(frozen=True)
class Report(Displayed):
    """What `ragdiag.audit` returns.

    Attributes
    ----------
    store : StoreInfo
    measures : mapping of str to Measure
        Keyed ``family.name``, with ``.document.`` or ``.query.`` where both exist.
    findings : tuple of Finding
        Worst first.
    passed : tuple of str
        Codes of the rules that looked and found nothing.
    skipped : mapping of str to str
        Code to the reason why that rule could not look (``"no queries were given"``).
    comparison : Comparison or None
        Labelled retrieval, when there were judgements.
    sampling : Sampling
    notes : tuple of str
        What a reader has to know about how this was measured.
    run : RunInfo
    ann : AnnCheck or None
        How the store's own search did, and the settings that were tried.
    sketch : Sketch or None
        By which a later audit can tell whether the vectors drifted; None where the store was not audited.
    model : str
        The embedding model as it was named, ``provider:model``; "" where none was.
    pictures : Pictures or None
        What the figures show; None where no vectors were read.
    """

    store: StoreInfo
    measures: Mapping[str, Measure]
    findings: tuple[Finding, ...]
    passed: tuple[str, ...]
    skipped: Mapping[str, str]
    comparison: Comparison | None
    sampling: Sampling
    run: RunInfo
    notes: tuple[str, ...] = field(default=())
    ann: AnnCheck | None = None
    sketch: Sketch | None = field(default=None, repr=False)
    model: str = ""
    pictures: Pictures | None = field(default=None, repr=False, compare=False)

    def worst(self) -> Severity | None:
        """Return the severity of the worst finding, None when there is none."""
        return max((finding.severity for finding in self.findings), default=None)

    @property
    def plot(self) -> Plots:
        """Figures of this report: ``report.plot.map()``; see `ragdiag.report.plots.Plots`."""
        from ragdiag.report.plots import Plots

        return Plots(self)

    def to_pandas(self) -> Any:
        """Return the measures as a DataFrame: value, low, high, null, n, undefined; needs pandas."""
        try:
            pandas = import_module("pandas")
        except ImportError as error:
            raise MissingExtraError("pandas is not installed", hint="pip install 'ragdiag[pandas]'") from error
        return pandas.DataFrame(
            [
                {
                    "measure": name,
                    **{key: getattr(m, key) for key in ("value", "low", "high", "null", "n", "undefined")},
                }
                for name, m in self.measures.items()
            ]
        )

    def to_html(self, *, texts: bool = True) -> str:
        """Return the report as one HTML page that needs nothing else; see `ragdiag.report.html.to_html`."""
        from ragdiag.report.html import to_html

        return to_html(self, texts=texts)

    def __str__(self) -> str:
        from ragdiag.report.terminal import to_text

        return to_text(self)

    __repr__ = __str__
