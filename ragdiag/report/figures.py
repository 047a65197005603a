"""The figures of a store's portrait, drawn with plotly.

Every function takes a picture and returns a figure; foreign texts pass through `label`.
"""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

import numpy as np

from ragdiag.errors import MissingExtraError
from ragdiag.numbers import count, number
from ragdiag.pictures.eigenvalues import SpectrumPicture
from ragdiag.pictures.histogram import Cosines, GapPicture, Histogram
from ragdiag.pictures.listed import Occurrence
from ragdiag.pictures.map import MapPicture
from ragdiag.report.labels import label
from ragdiag.types import Float32, IntArray

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

# Seen on white and on near black: at least 3 to 1 against both.
BLUE, ORANGE, RED, PURPLE, GREEN, GREY = "#3b82c4", "#c9701c", "#d1453b", "#8a63d2", "#2a9468", "#7d8590"

LAYERS = {
    "orphans": ("In no list", PURPLE, "x-thin-open", 7),
    "duplicates": ("Duplicates", ORANGE, "square-open", 8),
    "outliers": ("Outliers", GREEN, "diamond-open", 9),
    "hubs": ("Hubs", RED, "star", 12),
    "queries": ("Queries", "#b0578d", "triangle-up-open", 6),
}
# Which points, and where.
Places = tuple[IntArray, Float32]

SHOWN_AT_FIRST = ("hubs", "outliers", "queries")


def graph_objects() -> Any:
    """Import plotly's figures, or say which extra they need."""
    try:
        import plotly.graph_objects as go
    except ImportError as error:
        raise MissingExtraError("figures need plotly", hint="pip install 'ragdiag[html]'") from error
    return go


def blank(x: str, y: str, *, height: int = 320) -> Figure:
    """Return a figure without traces, in the look of all: named axes, a legend above, no ground of its own."""
    axis = {"automargin": True, "zeroline": False, "gridcolor": "rgba(128,128,128,.25)", "linecolor": GREY}
    figure: Figure = graph_objects().Figure(
        layout={
            "template": "none",
            "height": height,
            "margin": {"l": 56, "r": 16, "t": 24, "b": 48},
            "paper_bgcolor": "rgba(0,0,0,0)",
            "plot_bgcolor": "rgba(0,0,0,0)",
            "font": {"family": "system-ui, sans-serif", "size": 13, "color": GREY},
            "legend": {"orientation": "h", "x": 0, "y": 1.02, "yanchor": "bottom"},
            "xaxis": {**axis, "title": {"text": x}},
            "yaxis": {**axis, "title": {"text": y}},
            "hoverlabel": {"align": "left"},
            "dragmode": False,
            "bargap": 0,
        }
    )
    return figure


def _bars(figure: Figure, histogram: Histogram, name: str, color: str, *, share: bool = False, each: str) -> None:
    total = histogram.n if share else 1
    figure.add_bar(
        x=histogram.middles,
        y=histogram.counts / total,
        width=np.diff(histogram.edges),
        name=name,
        marker={"color": color, "opacity": 0.65},
        hovertemplate=f"{each} %{{x:.3f}}<br>{name}: %{{y:{'.2%' if share else ',d'}}}<extra></extra>",
    )


def cosines_figure(picture: Cosines) -> Figure:
    """Cosines of random pairs and of nearest neighbours, as shares of each, beside uniform directions."""
    figure = blank("cosine of two documents", "share")
    _bars(figure, picture.pairs, "random pairs", BLUE, share=True, each="cosine")
    _bars(figure, picture.nearest, "nearest neighbours", ORANGE, share=True, each="cosine")
    assert picture.pairs.expected is not None
    figure.add_scatter(
        x=picture.pairs.middles,
        y=picture.pairs.expected / picture.pairs.n,
        name="no order (null)",
        mode="lines",
        line={"color": GREY, "dash": "dash", "width": 2},
        hovertemplate="cosine %{x:.3f}<br>uniform directions: %{y:.2%}<extra></extra>",
    )
    figure.update_layout(barmode="overlay")
    return figure


def spectrum_figure(picture: SpectrumPicture) -> Figure:
    """Eigenvalues as shares, largest first, beside isotropic vectors, the Marchenko–Pastur edge and the floor."""
    figure = blank("rank of the eigenvalue", "share of the variance")
    live = np.maximum(picture.shares, 1e-9)
    hover = "eigenvalue %{x}<br>%{y:.3%}"
    figure.add_scatter(
        x=picture.ranks,
        y=live,
        name="this store",
        mode="lines+markers",
        line={"color": BLUE, "width": 2},
        marker={"size": 4},
        hovertemplate=f"{hover} of the variance<extra></extra>",
    )
    figure.add_scatter(
        x=picture.ranks,
        y=np.maximum(picture.isotropic, 1e-9),
        name="no order (null)",
        mode="lines",
        line={"color": GREY, "dash": "dash", "width": 2},
        hovertemplate=f"{hover} where there is no order<extra></extra>",
    )
    ends = [int(picture.ranks[0]), int(picture.ranks[-1])]
    for height, name, color, dash in (
        (picture.edge, "Marchenko–Pastur edge", PURPLE, "dot"),
        (picture.floor, "floor by the mean cosine", ORANGE, "dashdot"),
    ):
        figure.add_scatter(
            x=ends,
            y=[height, height],
            name=name,
            mode="lines",
            line={"color": color, "dash": dash, "width": 1.5},
            hovertemplate=f"{name}: %{{y:.3%}}<extra></extra>",
        )
    figure.add_scatter(
        x=[1],
        y=[picture.uncentred],
        name="first, not centred",
        mode="markers",
        marker={"color": ORANGE, "size": 10, "symbol": "diamond"},
        hovertemplate="largest eigenvalue, mean not taken off<br>%{y:.3%} of all squares<extra></extra>",
    )
    figure.update_xaxes(type="log", dtick=1)
    # Below a thousandth of the edge nothing is left to read.
    top = max(picture.uncentred, picture.floor, float(picture.shares[0]), picture.edge)
    reach = [np.log10(max(float(picture.shares.min()), picture.edge / 1000)) - 0.1, np.log10(top) + 0.2]
    figure.update_yaxes(type="log", dtick=1, tickformat="~%", range=reach)
    return figure


def occurrence_figure(picture: Occurrence) -> Figure:
    """How many documents stand in how many lists, beside the Poisson law of the same mean.

    Hubs are few and far out. So every bin is as wide as any other on the axis, however many counts it holds, and
    heights are square roots, which show a few without hiding the many, and have a zero.
    """
    figure = blank("lists that hold a document", "documents")
    edges = picture.counts.edges
    spans = [
        f"{int(low)}" if high - low == 1 else f"{int(low)} to {int(high) - 1}"
        for low, high in itertools.pairwise(edges)
    ]
    assert picture.counts.expected is not None
    rows = list(range(len(spans)))
    for name, values, form in (
        ("this store", picture.counts.counts.astype(np.float64), ",d"),
        ("by chance (Poisson)", picture.counts.expected, ",.1f"),
    ):
        shown = {
            "x": rows,
            "y": np.sqrt(values),
            "name": name,
            "customdata": [[span, float(value)] for span, value in zip(spans, values, strict=True)],
            "hovertemplate": f"in %{{customdata[0]}} lists<br>{name}: %{{customdata[1]:{form}}}<extra></extra>",
        }
        if form == ",d":
            figure.add_bar(**shown, width=1, marker={"color": BLUE, "opacity": 0.65})
        else:
            line = {"color": GREY, "dash": "dash", "width": 2, "shape": "hvh"}
            figure.add_scatter(**shown, mode="lines", line=line)
    most = 1.2 * max(int(picture.counts.counts.max()), float(picture.counts.expected.max()))
    ticks = [0]
    for tick in (1, 5, 20, 100, 500, 2000, 10_000, 50_000, 200_000, 1_000_000):
        if np.sqrt(tick) - np.sqrt(ticks[-1]) > 0.07 * np.sqrt(most) and tick <= most:
            ticks.append(tick)
    figure.update_yaxes(tickvals=np.sqrt(ticks), ticktext=[count(t) for t in ticks])
    named = rows[:: max(len(rows) // 8, 1)]
    figure.update_xaxes(tickvals=named, ticktext=[count(int(edges[row])) for row in named])
    return figure


def hubs_figure(picture: Occurrence) -> Figure:
    """The documents that are listed most, by how many lists hold them, beside an even share."""
    figure = blank(f"lists that hold it, of {count(picture.m)}", "", height=max(160, 90 + 32 * len(picture.hubs)))
    hubs = picture.hubs[::-1]
    names = [label(hub.chunk.id, cells=24) for hub in hubs]
    figure.add_bar(
        x=[hub.lists for hub in hubs],
        y=list(range(len(hubs))),
        orientation="h",
        name="hubs",
        marker={"color": RED, "opacity": 0.75},
        customdata=[label(hub.chunk.text or "(no text)", cells=160) for hub in hubs],
        hovertemplate="in %{x:,d} lists<br>%{customdata}<extra></extra>",
    )
    figure.add_scatter(
        x=[picture.mean, picture.mean],
        y=[-0.5, len(hubs) - 0.5],
        name=f"even share, {number(picture.mean)}",
        mode="lines",
        line={"color": GREY, "dash": "dash", "width": 2},
        hoverinfo="skip",
    )
    figure.update_yaxes(tickvals=list(range(len(hubs))), ticktext=names)
    figure.update_layout(bargap=0.25)
    return figure


def norms_figure(picture: Histogram) -> Figure:
    """Lengths of all vectors."""
    figure = blank("length of the vector", "documents")
    _bars(figure, picture, "documents", BLUE, each="length")
    return figure


def gap_figure(picture: GapPicture) -> Figure:
    """Documents and queries along the line through their means, as shares of each."""
    figure = blank("from the mean document to the mean query", "share")
    _bars(figure, picture.documents, "documents", BLUE, share=True, each="at")
    _bars(figure, picture.queries, "queries", ORANGE, share=True, each="at")
    figure.update_layout(barmode="overlay")
    return figure


def map_figure(picture: MapPicture, laid_out: Places | None = None, *, cells: int = 80) -> Figure:
    """Documents and queries on a plane, each layer a trace that can be switched.

    Parameters
    ----------
    picture : MapPicture
    laid_out : (rows, coordinates), optional
        Of `ragdiag.pictures.map.tsne`; the principal components otherwise.
    cells : int
        Columns of a text that are shown on hovering; 0 shows the id alone.
    """
    rows, coordinates = laid_out if laid_out is not None else (np.arange(len(picture.chunks)), picture.coordinates)
    if laid_out is None:
        x, y = (f"principal component {i + 1} ({100 * share:.0f} %)" for i, share in enumerate(picture.explained))
    else:
        x, y = "t-SNE", "t-SNE"
    figure = blank(x, y, height=520)
    texts = [_point(picture.chunks[row].id, picture.chunks[row].text, cells) for row in rows.tolist()]
    documents = ~picture.layers["queries"][rows]
    layers = {"documents": ("Documents", BLUE, "circle", 5), **LAYERS}
    for key, (name, color, symbol, size) in layers.items():
        own = np.flatnonzero(documents if key == "documents" else picture.layers[key][rows])
        if not len(own):
            continue
        thin = {"width": 1.5, "color": color} if "thin" in symbol else {}
        figure.add_scatter(
            x=np.round(coordinates[own, 0].astype(np.float64), 4).tolist(),
            y=np.round(coordinates[own, 1].astype(np.float64), 4).tolist(),
            name=name,
            meta=key,
            mode="markers",
            visible=True if key in ("documents", *SHOWN_AT_FIRST) else "legendonly",
            marker={"color": color, "symbol": symbol, "size": size, "line": thin, "opacity": 0.9},
            text=[texts[i] for i in own.tolist()],
            hovertemplate="%{text}<extra>" + name + "</extra>",
        )
    if figure.data:
        figure.data[0].marker.opacity = 0.5
    figure.update_layout(dragmode="zoom")
    figure.update_xaxes(showgrid=False)
    figure.update_yaxes(showgrid=False)
    return figure


def _point(id_: str, text: str | None, cells: int) -> str:
    return f"<b>{label(id_, cells=30)}</b>" + ("" if text is None or not cells else f"<br>{label(text, cells=cells)}")
