"""What a figure draws is what was measured."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from scipy import stats

from ragdiag import Report, audit
from ragdiag.errors import ConfigError, MissingExtraError
from ragdiag.report import figures_comparison
from ragdiag.report.figures import graph_objects
from ragdiag.report.labels import label
from ragdiag.stores import ArrayStore
from ragdiag.testing.worlds import isotropic
from tests.report.sample import CLEAN, COMPARISON, FULL, LOSSES, paired


@pytest.fixture(scope="module")
def report() -> Report:
    rng = np.random.default_rng(0)
    X = isotropic(rng, 400, 20) * rng.uniform(0.5, 2, size=(400, 1)).astype(np.float32)
    X[3] = X[2]
    Q = isotropic(rng, 150, 20)
    Q[:, 0] += 0.6
    return audit(ArrayStore(X, texts=[f"<b>chunk</b> {i}" for i in range(400)], metric="cosine"), query_vectors=Q)


def _trace(figure: Any, name: str) -> Any:
    (found,) = (trace for trace in figure.data if trace.name == name)
    return found


def test_cosines(report: Report) -> None:
    figure = report.plot.cosines()
    assert [trace.name for trace in figure.data] == ["random pairs", "nearest neighbours", "no order (null)"]
    assert sum(_trace(figure, "random pairs").y) == pytest.approx(1)
    assert sum(_trace(figure, "nearest neighbours").y) == pytest.approx(1)
    null = _trace(figure, "no order (null)")
    width = null.x[1] - null.x[0]
    slow = np.diff(stats.beta.cdf((1 + np.array([null.x[20] - width / 2, null.x[20] + width / 2])) / 2, 9.5, 9.5))
    assert null.y[20] == pytest.approx(slow[0], rel=1e-6)
    assert figure.layout.xaxis.title.text == "cosine of two documents"


def test_spectrum(report: Report) -> None:
    figure = report.plot.spectrum()
    own = _trace(figure, "this store")
    assert sum(own.y) == pytest.approx(1)
    share = report.measures["spectrum.top_share"]
    assert own.y[0] == pytest.approx(share.value)
    edge = (1 + np.sqrt(20 / 400)) ** 2 / 20
    assert _trace(figure, "Marchenko–Pastur edge").y == pytest.approx((edge, edge))
    assert share.null == pytest.approx(edge)
    floor, first = _trace(figure, "floor by the mean cosine").y[0], _trace(figure, "first, not centred").y[0]
    assert floor == pytest.approx(1 / 400 + 399 / 400 * (report.measures["anisotropy.mean_cosine"].value or 0))
    assert first >= floor
    assert figure.layout.yaxis.type == "log"


def test_occurrences(report: Report) -> None:
    figure = report.plot.occurrences()
    own, null = figure.data
    assert sum(value for _, value in own.customdata) == 400
    mean = 150 * 10 / 400
    by_span = dict(null.customdata)
    for lists in (0, 3, 9):
        assert by_span[str(lists)] == pytest.approx(400 * stats.poisson.pmf(lists, mean))
    assert own.y == pytest.approx([np.sqrt(value) for _, value in own.customdata])
    assert figure.layout.yaxis.ticktext[1] == "1"
    assert report.plot.occurrences("document").data[0].customdata[0][0] == "0"


def test_hubs(report: Report) -> None:
    figure = report.plot.hubs()
    largest = report.measures["hubness.query.largest"].value
    assert largest is not None
    assert figure.data[0].x[-1] == round(150 * largest)
    assert list(figure.data[0].x) == sorted(figure.data[0].x)
    assert figure.data[1].x[0] == pytest.approx(150 * 10 / 400)
    assert len(figure.layout.yaxis.ticktext) == len(figure.data[0].x)
    assert all("<b>" not in text and "&lt;b&gt;chunk" in text for text in figure.data[0].customdata)


def test_norms_and_gap(report: Report) -> None:
    assert sum(report.plot.norms().data[0].y) == 400
    documents, queries = report.plot.gap().data
    assert (documents.name, queries.name) == ("documents", "queries")
    assert sum(documents.y) == pytest.approx(1)
    assert sum(queries.y) == pytest.approx(1)
    assert np.average(documents.x, weights=documents.y) < 0 < np.average(queries.x, weights=queries.y)


def test_map(report: Report) -> None:
    figure = report.plot.map()
    by_key = {trace.meta: trace for trace in figure.data}
    assert len(by_key["documents"].x) == 400
    assert len(by_key["queries"].x) == 150
    assert len(by_key["duplicates"].x) == 2
    assert by_key["documents"].visible is True
    assert by_key["duplicates"].visible == "legendonly"
    assert all(text.startswith("<b>\u2068") and "&lt;b&gt;" in text for text in by_key["documents"].text)
    assert set(zip(by_key["duplicates"].x, by_key["duplicates"].y, strict=True)) <= set(
        zip(by_key["documents"].x, by_key["documents"].y, strict=True)
    )
    embedded = report.plot.map("tsne")
    assert sum(len(trace.x) for trace in embedded.data if trace.meta in ("documents", "queries")) == 550


def test_differences() -> None:
    figure = FULL.plot.comparison()
    (trace,) = figure.data
    # The best on top: cosine, then the whitened one.
    assert list(trace.x) == [-0.212, 0.043]
    assert trace.error_x.array == pytest.approx((0.02, 0.02))
    assert trace.error_x.arrayminus == pytest.approx((0.02, 0.02))
    assert "cosine" in figure.layout.yaxis.ticktext[1]
    assert list(trace.marker.color) == ["#d1453b", "#2a9468"]
    assert "p=0.0012" in trace.customdata[1]


def test_queries_are_set_against_each_other() -> None:
    scores = {"l2": {"nDCG@10": np.array([0.0, 0.5, 1.0, 0.0])}, "cosine": {"nDCG@10": np.array([0.0, 1.0, 0.5, 0.0])}}
    comparison = replace(COMPARISON, per_query_scores=scores)
    assert figures_comparison.compared(comparison) == "cosine"
    points = figures_comparison.queries_figure(comparison).data[0]
    assert list(zip(points.x, points.y, points.customdata, strict=True)) == [
        (0.0, 0.0, 2),
        (0.5, 1.0, 1),
        (1.0, 0.5, 1),
    ]
    assert figures_comparison.compared(COMPARISON) is None


def test_the_losses_add_up() -> None:
    figure = figures_comparison.losses_figure(LOSSES)
    assert sum(figure.data[0].x) == pytest.approx(LOSSES.total)
    assert figure.data[0].x[-1] == 0.15
    assert "39 % of the loss" in figure.data[0].customdata[-1]


def test_size() -> None:
    small = replace(COMPARISON.runs[1], similarity="int8", bytes_per_vector=384.0)
    full = replace(COMPARISON.runs[0], scores={"nDCG@10": paired(0.612, 0.0, None)}, bytes_per_vector=1536.0)
    figure = figures_comparison.size_figure(replace(COMPARISON, runs=(full,), smaller=(small,)))
    assert [(trace.name, trace.x[0], trace.y[0]) for trace in figure.data] == [
        ("full vectors", 1536.0, 0.612),
        ("smaller vectors", 384.0, 0.655),
    ]


@pytest.mark.parametrize("name", ["cosines", "spectrum", "hubs", "norms", "gap", "map", "comparison"])
def test_what_cannot_be_drawn_says_why(name: str) -> None:
    with pytest.raises(ConfigError, match=r"there is nothing to draw for .+: .+"):
        getattr(CLEAN.plot, name)()


def test_a_layout_that_there_is_not(report: Report) -> None:
    with pytest.raises(ConfigError, match="umap"):
        report.plot.map("umap")


def test_without_plotly_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "plotly.graph_objects", None)
    with pytest.raises(MissingExtraError, match=r"ragdiag\[html\]"):
        graph_objects()


def test_labels_are_cut_by_columns_and_folded() -> None:
    assert label("検索" * 50, cells=10) == "\u2068検索検索…\u2069"
    assert label("one two three", width=8) == "\u2068one two\u2069<br>\u2068three\u2069"
    assert label("x" * 1_000_000, cells=6) == "\u2068xxxxx…\u2069"
    assert label("\u202ea\x1b[31m") == "\u2068\\u202ea\\x1b[31m\u2069"
