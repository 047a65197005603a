from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pytest

from ragdiag.pictures.draw import Pictures
from ragdiag.report.sparks import axis, spark
from ragdiag.report.terminal import to_text
from tests.report.sample import FULL, columns
from tests.report.sample_pictures import COSINES, LISTED, PICTURED, TALLY
from tests.report.write_snapshots import LOOKS, SNAPSHOTS, look

ESCAPE = re.compile(r"\x1b\[[0-9;]*m")
BLOCKS = " ▁▂▃▄▅▆▇█"
START = 15  # column of the first bin


def portrait(text: str) -> list[str]:
    lines = text.splitlines()
    first = next(i for i, line in enumerate(lines) if line.startswith("Portrait "))
    last = next(i for i, line in enumerate(lines) if line.startswith("Labelled retrieval "))
    return lines[first + 1 : last]


def row(lines: list[str], label: str, at: int = 0) -> str:
    return [line for line in lines if line.startswith(f"    {label} ")][at][START:]


@pytest.mark.parametrize("name", LOOKS)
def test_it_looks_as_it_looked(name: str) -> None:
    """Where the change is meant: python -m tests.report.write_snapshots, look at the files, commit them."""
    assert look(name) == (SNAPSHOTS / name).read_text(encoding="utf-8")


def test_no_snapshot_is_left_over() -> None:
    assert {path.name for path in SNAPSHOTS.iterdir()} == set(LOOKS)


@pytest.mark.parametrize("width", [40, 60, 80, 100, 120])
@pytest.mark.parametrize("encoding", ["utf-8", "latin-1", "ascii"])
def test_no_line_is_wider_than_the_page(width: int, encoding: str) -> None:
    text = to_text(PICTURED, width=width, encoding=encoding)
    text.encode(encoding)
    assert max(map(columns, text.splitlines())) <= width
    assert all(line == line.rstrip() for line in text.splitlines())


def test_each_block_is_the_share_of_the_peak_in_eighths() -> None:
    lines = portrait(to_text(PICTURED, width=80))
    for label, counts in (("pairs", COSINES.pairs.counts), ("nearest", COSINES.nearest.counts)):
        line = row(lines, label).ljust(len(counts))
        eighths = 8 * counts / counts.max()
        drawn = np.array([BLOCKS.index(block) for block in line])
        assert (np.abs(drawn - eighths) <= np.where((counts > 0) & (eighths < 0.5), 1, 0.5)).all()
        assert ((drawn > 0) == (counts > 0)).all()


def test_a_single_hub_among_thousands_is_seen_where_it_stands() -> None:
    line = row(portrait(to_text(PICTURED, width=80)), "documents")
    assert len(line) == len(TALLY) - 1
    assert line[-3:] == "▁ ▁"
    assert line[-5:-3] == "  "


def test_chance_stands_below_and_the_words_say_the_rest() -> None:
    lines = portrait(to_text(PICTURED, width=80))
    assert "    from 12" in lines
    assert "  Cosines of documents: random pairs, mean 0.41" in lines
    assert "  In how many lists a document stands: the top 10 of 1,500 queries" in lines
    assert "    mean 1.25; most 99; in none 6,876 documents, by chance 3,438; wider bins" in lines
    assert LISTED.counts.expected is not None
    chance = row(lines, "by chance", 1).ljust(len(TALLY) - 1)
    assert [block != " " for block in chance] == (LISTED.counts.expected >= 0.5).tolist()


def test_joined_bins_add_up() -> None:
    counts = np.arange(1, 61)
    for width in (60, 31, 30, 20, 7, 1):
        line = spark(counts, width, blocks=True)
        size = -(-60 // width)
        assert len(line) == -(-60 // size) <= width
    assert spark(np.array([1, 1, 4, 4]), 2, blocks=True) == "▂█"
    assert spark(np.zeros(3), 3, blocks=True) == ""


def test_labels_stand_at_the_lower_edge_of_their_bins() -> None:
    labels = [str(100 * i) for i in range(24)]
    line = axis(labels, 40, blocks=False)
    found = {hit.start(): hit[1] for hit in re.finditer(r"\|(\d+)", line)}
    assert found == {0: "0", 10: "1000", 20: "2000"}  # the last, 23, has no room beside 20
    assert axis(labels, 24, blocks=False) == "|0        |1000"


def test_a_stream_that_has_no_blocks_gets_ascii() -> None:
    lines = portrait(to_text(PICTURED, width=80, encoding="latin-1"))
    assert set(row(lines, "pairs")) <= set(" .:-=+*#@")
    assert "@" in row(lines, "pairs")


def test_color_adds_escapes_and_nothing_else() -> None:
    assert ESCAPE.sub("", to_text(PICTURED, color=True)) == to_text(PICTURED)


@pytest.mark.parametrize("pictures", [None, Pictures()])
def test_without_anything_to_show_there_is_no_heading(pictures: Pictures | None) -> None:
    assert to_text(replace(FULL, pictures=pictures)) == to_text(FULL)
    assert "Portrait" not in to_text(FULL)


def test_concise_draws_nothing() -> None:
    assert to_text(PICTURED, concise=True) == to_text(FULL, concise=True)


def test_documents_as_queries_are_told_from_queries() -> None:
    one = replace(LISTED, side="document", m=1, hubs=())
    lines = portrait(to_text(replace(FULL, pictures=Pictures(occurrences=(one,)))))
    assert "  In how many lists a document stands: the top 10 of 1 document" in lines
    assert "    mean 1.25; in none 6,876 documents, by chance 3,438; wider bins from 12" in lines
