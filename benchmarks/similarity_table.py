"""Every similarity on every public set: writes docs/similarities.md.

python benchmarks/similarity_table.py [FILE]
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
from real_sets import RealSet, real_sets

from ragdiag import compare
from ragdiag.engine import LocalEngine
from ragdiag.retrieval.comparison import Comparison, PairedScore
from ragdiag.retrieval.metrics import per_query
from ragdiag.similarities import Cosine, Pipeline, Training, parse
from ragdiag.similarities.affine import Affine
from ragdiag.similarities.registry import kinds
from ragdiag.similarities.whitened import Whitened
from ragdiag.statistics.neighbors import NeighborSearch
from ragdiag.types import Measure

TARGET = Path(__file__).resolve().parents[1] / "docs" / "similarities.md"
METRIC = "nDCG@10"
PLAIN = "cosine | "  # where lengths vary, remedies start from directions; the table says so once
WHOLE = "whitened"
# Not tried by default.
OTHERS = (
    "centred",
    "mean-direction",
    "z-score",
    "abtt(d=1)",
    "abtt(d=3)",
    "layer-norm",
    "pca(k=128)",
    "whitened(gamma=0.25)",
    "whitened(shrinkage=ledoit-wolf)",
    "query-centred | abtt(d=2)",
    "csls",
    "nnn",
    "inverted-softmax",
    "local-scaling",
    "dis-sim-local",
)
FRONTIER = {"truncated", "pca", "int8", "binary"}
TITLES = {
    "scifact": "SciFact",
    "xquad-en": "XQuAD en",
    "xquad-de": "XQuAD de",
    "xquad-zh": "XQuAD zh",
    "minilm": "MiniLM",
    "wordavg": "word average",
}

HEAD = """# Which similarity wins where

What `ragdiag compare` measures on four public sets of queries under two embeddings. Made by
`python benchmarks/similarity_table.py`; a second run writes the same file.

**Queries and documents.** SciFact (Wadden et al. 2020, in the form of BEIR, Thakur et al. 2021; train split):
scientific claims, and the abstracts that speak to them; claims CC BY 4.0, abstracts (S2ORC, Lo et al. 2020) ODC-By 1.0.
XQuAD (Artetxe, Ruder & Yogatama 2020, from SQuAD 1.1, Rajpurkar et al. 2016) in English, German and Chinese:
questions, and the 240 paragraphs that they were asked of; CC BY-SA 4.0; questions of the same text are merged.

**Embeddings**, 384 dimensions each. *MiniLM* is all-MiniLM-L6-v2 (Apache 2.0), of unit length: a sentence model for
English. *Word average* is the plain average of the word vectors at the input of the same model, as if nobody had
trained it to compare texts.

**Reading it.** Mean nDCG@10 over the queries and, in brackets, the paired difference to cosine. What learns from
queries is scored on queries that it did not learn from (five folds; queries with a relevant document in common stay
together). Nothing learns from labels, and the documents are all known to every fit. **Bold** is what `ragdiag compare`
recommends: proven better than cosine by at least .01 after correction for all candidates, where choosing also gains on
queries that did not choose. Under *word average*, whose vectors differ in length, every remedy starts from unit
vectors.
"""


def _case_titles(cases: Sequence[RealSet]) -> list[str]:
    return [f"{TITLES[case.name]}, {TITLES[case.embedding]}" for case in cases]


def _short(name: str) -> str:
    return name.removeprefix(PLAIN)


def _row(cells: Iterable[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    return [_row(head), "|" + "---|" * len(head), *(_row(row) for row in rows)]


def _number(value: float, *, signed: bool = False) -> str:
    shown = f"{abs(value):.3f}".removeprefix("0")
    if not signed or shown == ".000":
        return shown
    return ("−" if value < 0 else "+") + shown


def _cell(score: PairedScore) -> str:
    assert score.mean.value is not None
    assert score.delta.value is not None
    if score.p is None:
        return _number(score.mean.value)
    return f"{_number(score.mean.value)} ({_number(score.delta.value, signed=True)})"


def _range(measure: Measure) -> str:
    assert measure.value is not None
    if measure.low is None or measure.high is None:
        return _number(measure.value, signed=True)
    low, high = (_number(end, signed=True) for end in (measure.low, measure.high))
    return f"{_number(measure.value, signed=True)} ({low} … {high})"


def _cells(found: Comparison) -> dict[str, str]:
    runs = {_short(run.similarity): run for run in (*found.runs, *([found.lexical] if found.lexical else []))}
    cells = {name: _cell(run.scores[METRIC]) for name, run in runs.items()}
    if found.winner is not None:
        won = _short(found.winner)
        cells[won] = f"**{cells[won]}**"
    return cells


class _Unchecked(Whitened):
    """Whole whitening that does not refuse."""

    def fit(self, training: Training) -> Affine:
        return self.unchecked(training)


def _unchecked(case: RealSet, base: float) -> str:
    """Score whole whitening where it refuses to be fitted; it learns nothing from queries."""
    fitted = Pipeline((Cosine(), _Unchecked())).fit(Training(case.documents))
    search = NeighborSearch(fitted, case.queries, 10)
    LocalEngine().run(case.store(texts=False), [search])
    mean = float(per_query(search.result().positions, case.relevant, [METRIC])[METRIC].mean())
    return f"{_number(mean)} ({_number(mean - base, signed=True)}) †"


def _candidates(cases: Sequence[RealSet], found: Sequence[Comparison]) -> list[str]:
    columns = [_cells(comparison) for comparison in found]
    for case, comparison, cells in zip(cases, found, columns, strict=True):
        if WHOLE not in cells:
            cells[WHOLE] = _unchecked(case, float(np.mean(comparison.per_query_scores["cosine"][METRIC])))
    # In the order in which they are tried; BM25 last.
    names = list(dict.fromkeys(name for cells in reversed(columns) for name in cells if name != "bm25"))
    whole = [*(name for name in names if name != WHOLE), WHOLE]
    rows = [[name, *(cells.get(name, "as cosine") for cells in columns)] for name in whole]
    rows.append(["BM25", *(cells["bm25"] for cells in columns)])
    return [
        "## The candidates",
        "",
        *_table(["similarity", *_case_titles(cases)], rows),
        "",
        "† Refused by `ragdiag`, and fitted all the same to show what it costs: whole whitening of 384 dimensions on",
        "240 documents. BM25 ranks the stored texts by their words (Chinese: by pairs of characters); no candidate.",
    ]


def _verdicts(cases: Sequence[RealSet], found: Sequence[Comparison]) -> list[str]:
    rows = []
    for title, comparison in zip(_case_titles(cases), found, strict=True):
        won = next((run for run in comparison.runs if run.similarity == comparison.winner), None)
        assert comparison.chosen is not None
        rows.append(
            [
                title,
                f"{comparison.queries:,} in {comparison.clusters} groups",
                f"`{won.similarity}`" if won else "leave it alone",
                _range(won.scores[METRIC].delta) if won else "–",
                f"{won.scores[METRIC].p:.4f}" if won else "–",
                _range(comparison.chosen),
            ]
        )
    head = ["case", "queries", "recommended", "difference (95 %)", "p, corrected", "gain of choosing (95 %)"]
    return [
        "## What is recommended",
        "",
        "Intervals by bootstrap over groups of queries with a relevant document in common, p by paired randomisation,",
        f"both with {found[0].resamples:,} samples, seed {found[0].seed}. The gain of choosing is what each fold gains"
        " under the candidate",
        "that is best on the other folds: a winner's own difference flatters it, this does not.",
        "",
        *_table(head, rows),
    ]


def _others(cases: Sequence[RealSet]) -> list[str]:
    known = [name for name in OTHERS if {part.split("(")[0].strip() for part in name.split("|")} <= set(kinds())]
    columns = []
    for case in cases:
        prefix = PLAIN if case.embedding == "wordavg" else ""
        tried = compare(
            case.store(texts=False),
            case.labels,
            query_vectors=case.queries,
            metrics=[METRIC],
            similarities=[prefix + name for name in known],
        )
        columns.append({_short(run.similarity): _cell(run.scores[METRIC]) for run in tried.runs[1:]})
    rows = [[name, *(cells.get(parse(name).name, "refused") for cells in columns)] for name in known]
    left = [name for name in OTHERS if name not in known]
    return [
        "## Others, by name",
        "",
        "Not tried unless asked for with `--similarity`.",
        "",
        *_table(["similarity", *_case_titles(cases)], rows),
        *(["", f"Not in the version that this was made with: {', '.join(left)}."] if left else []),
    ]


def _frontier(cases: Sequence[RealSet], found: Sequence[Comparison]) -> list[str]:
    head = ["## Quality against size", ""]
    missing = sorted(FRONTIER - set(kinds()))
    if missing:
        return [*head, f"Left out: {', '.join(missing)} are not in the version that this was made with."]

    def line(name: str) -> list[str]:
        runs = [runs.get(name) for runs in by_name]
        cells = [_cell(run.scores[METRIC]) if run else "refused" for run in runs]
        return [name, f"{sizes[name]:g}", *cells]

    by_name = [{run.similarity: run for run in comparison.smaller} for comparison in found]
    sizes = {name: run.bytes_per_vector or 0.0 for runs in by_name for name, run in runs.items()}
    rows = [line(name) for name in sorted(sizes, key=lambda name: (-sizes[name], name))]
    dim = cases[0].documents.shape[1]
    plain = ["cosine", str(4 * dim), *(_cell(comparison.runs[0].scores[METRIC]) for comparison in found)]
    return [
        *head,
        f"`ragdiag compare --frontier`: fewer bytes for one vector than the {4 * dim} of {dim} coordinates."
        " MiniLM was not trained",
        "to be cut; `pca` refuses more dimensions than documents can span.",
        "",
        *_table(["vectors", "bytes", *_case_titles(cases)], [plain, *rows]),
    ]


def main(target: str = str(TARGET)) -> None:
    """Write the page."""
    cases = real_sets()
    frontier = set(kinds()) >= FRONTIER
    found = [
        compare(case.store(texts=True), case.labels, query_vectors=case.queries, metrics=[METRIC], frontier=frontier)
        for case in cases
    ]
    parts = [_candidates(cases, found), _verdicts(cases, found), _others(cases), _frontier(cases, found)]
    Path(target).write_text("\n".join([HEAD, *("\n".join([*part, ""]) for part in parts)]), encoding="utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])
