"""The figures of a labelled comparison, drawn with plotly."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ragdiag.numbers import number, percent, probability, score
from ragdiag.report.figures import BLUE, GREEN, GREY, ORANGE, PURPLE, RED, blank
from ragdiag.report.labels import label
from ragdiag.retrieval.comparison import WORDS, Comparison, SimilarityScores
from ragdiag.retrieval.losses import Losses
from ragdiag.retrieval.significance import SIGNIFICANT
from ragdiag.types import Measure

if TYPE_CHECKING:
    from plotly.graph_objects import Figure


def candidates(comparison: Comparison) -> list[tuple[str, SimilarityScores]]:
    """Return what stands beside the baseline, best first; BM25 under a name of its own."""
    rest = [(run.similarity, run) for run in comparison.runs[1:]]
    if comparison.lexical is not None:
        rest.append((WORDS, comparison.lexical))
    return sorted(rest, key=lambda pair: -(pair[1].scores[comparison.metric].mean.value or 0.0))


def differences_figure(comparison: Comparison) -> Figure:
    """Mean paired difference of each similarity to the baseline, with its interval; the best on top."""
    metric = comparison.metric
    shown = [(name, run.scores[metric]) for name, run in candidates(comparison)][::-1]
    figure = blank(f"difference of {metric}", "", height=max(200, 120 + 34 * len(shown)))
    rows = list(range(len(shown)))
    deltas = [paired.delta for _, paired in shown]
    values = [delta.value or 0.0 for delta in deltas]
    proven = [p.p is not None and p.p < SIGNIFICANT for _, p in shown]
    colors = [(GREEN if v > 0 else RED) if sure else GREY for v, sure in zip(values, proven, strict=True)]
    figure.add_scatter(
        x=values,
        y=rows,
        mode="markers",
        name="difference, 95 % interval",
        marker={"color": colors, "size": 10},
        error_x=_error_bars(deltas, values, thickness=2),
        customdata=[
            f"{label(name)}<br>{score(p.delta, sign=True)}" + (f", p={probability(p.p)}" if p.p is not None else "")
            for name, p in shown
        ],
        hovertemplate="%{customdata}<extra></extra>",
    )
    figure.add_vline(x=0, line={"color": GREY, "width": 1.5})
    figure.add_vline(x=comparison.min_effect, line={"color": GREEN, "width": 1, "dash": "dot"})
    figure.update_yaxes(
        tickvals=rows,
        ticktext=[label(name, cells=60, width=26) for name, _ in shown],
        range=[-0.6, len(shown) - 0.4],
    )
    figure.update_layout(showlegend=False)
    return figure


def compared(comparison: Comparison) -> str | None:
    """Return the similarity whose queries are set against the baseline's: the winner, or the best; None alone."""
    names = [run.similarity for _, run in candidates(comparison) if run is not comparison.lexical]
    name = comparison.winner or (names[0] if names else None)
    known = comparison.per_query_scores
    return name if name in known and comparison.baseline in known else None


def queries_figure(comparison: Comparison) -> Figure:
    """Score of each query under the baseline and under the winner, or the best candidate."""
    other, metric = compared(comparison), comparison.metric
    figure = blank(f"{metric} under {comparison.baseline}", f"{metric} under {other}", height=420)
    if other is None:
        return figure
    x = comparison.per_query_scores[comparison.baseline][metric]
    y = comparison.per_query_scores[other][metric]
    # Queries that fall on one point are one mark, as large as they are many.
    points, tally = np.unique(np.round(np.stack([x, y], axis=1), 6), axis=0, return_counts=True)
    sign = np.sign(points[:, 1] - points[:, 0])
    figure.add_scatter(
        x=points[:, 0],
        y=points[:, 1],
        mode="markers",
        name="queries",
        marker={
            "color": [GREEN if s > 0 else RED if s < 0 else GREY for s in sign],
            "size": 5 + 3 * np.sqrt(tally),
            "opacity": 0.7,
        },
        customdata=tally,
        hovertemplate="%{x:.3f} → %{y:.3f}<br>queries: %{customdata}<extra></extra>",
    )
    figure.add_scatter(
        x=[0, 1], y=[0, 1], mode="lines", line={"color": GREY, "dash": "dash", "width": 1.5}, hoverinfo="skip"
    )
    figure.update_layout(showlegend=False)
    figure.update_xaxes(range=[-0.04, 1.04])
    figure.update_yaxes(range=[-0.04, 1.04])
    return figure


def losses_figure(losses: Losses) -> Figure:
    """What each cause costs, largest on top; the bars add up to the loss."""
    parts = [("ranked low though found", losses.low_ranked, -1)]
    parts += [(cause.cause.value, cause.loss, cause.pairs) for cause in losses.causes if cause.pairs]
    parts = sorted(parts, key=lambda part: part[1])
    figure = blank(f"loss of {losses.metric}", "", height=max(200, 110 + 34 * len(parts)))
    figure.add_bar(
        x=[loss for _, loss, _ in parts],
        y=list(range(len(parts))),
        orientation="h",
        marker={"color": ORANGE, "opacity": 0.75},
        customdata=[
            f"{loss:.3f}, {percent(losses.share(loss))} of the loss" + (f"<br>missing: {pairs:,}" if pairs >= 0 else "")
            for _, loss, pairs in parts
        ],
        hovertemplate="%{customdata}<extra></extra>",
    )
    figure.update_yaxes(tickvals=list(range(len(parts))), ticktext=[label(name, width=24) for name, _, _ in parts])
    figure.update_layout(bargap=0.3, showlegend=False)
    return figure


def size_figure(comparison: Comparison) -> Figure:
    """Quality against bytes per vector, of the full vectors and of the smaller ones."""
    metric = comparison.metric
    figure = blank("bytes per vector", metric, height=360)
    for name, runs, color in (("full vectors", comparison.runs, BLUE), ("smaller vectors", comparison.smaller, PURPLE)):
        sized = [run for run in runs if run.bytes_per_vector is not None]
        if not sized:
            continue
        means = [run.scores[metric].mean for run in sized]
        values = [mean.value or 0.0 for mean in means]
        figure.add_scatter(
            x=[run.bytes_per_vector for run in sized],
            y=values,
            mode="markers",
            name=name,
            marker={"color": color, "size": 9},
            error_y=_error_bars(means, values, thickness=1),
            customdata=[
                f"{label(run.similarity)}<br>{number(run.bytes_per_vector or 0.0)} bytes, {score(mean)}"
                for run, mean in zip(sized, means, strict=True)
            ],
            hovertemplate="%{customdata}<extra></extra>",
        )
    figure.update_xaxes(type="log", dtick="D1")
    return figure


def _error_bars(measures: Sequence[Measure], values: Sequence[float], *, thickness: int) -> dict[str, Any]:
    """Return the intervals as plotly wants them: lengths to either side, 0 where there is none."""
    return {
        "type": "data",
        "symmetric": False,
        "array": [(m.high if m.high is not None else v) - v for m, v in zip(measures, values, strict=True)],
        "arrayminus": [v - (m.low if m.low is not None else v) for m, v in zip(measures, values, strict=True)],
        "color": GREY,
        "thickness": thickness,
    }
