from __future__ import annotations

from dataclasses import replace

import pytest

from ragdiag.report.terminal_comparison import comparison_to_text
from ragdiag.retrieval.comparison import Comparison
from ragdiag.retrieval.losses import Cause, CauseLoss, Losses
from tests.report.sample import COMPARISON, LOSSES, STORE, columns
from tests.report.test_terminal import EVIL, section


def shown(comparison: Comparison = COMPARISON, *, width: int = 80) -> list[str]:
    return section(comparison_to_text(STORE, comparison, width=width), "Where the loss comes from")


def steps(losses: Losses) -> list[str]:
    text = comparison_to_text(STORE, replace(COMPARISON, losses=losses, winner=None))
    return section(text, "What to do next")


def test_the_causes_stand_with_their_share_and_their_worst() -> None:
    assert shown() == [
        "  nDCG@10 is 0.612 where 1 is possible: 0.388 is lost. 41 of 180 relevant",
        "  documents are missing from the top 10 of the query; each is put down to the",
        "  first cause that holds.",
        "",
        "    lost   share    docs",
        "   0.100    26 %          in the top 10, but not on top",
        "   0.008   2.1 %       1  not in the store, or without a usable vector",
        "   0.150    39 %      20  outranked by hubs (by chance 1.2)",
        "   0.110    28 %      15  found under another similarity",
        "                          12 under cosine",
        "                          3 under dot, not proven better",
        "   0.020   5.2 %       5  hard: nothing here finds them",
        "",
        "  Not tested: what the store's own index misses (all was searched exactly);",
        "    BM25.",
        "",
        "  5 hubs, in the top 10 of far more queries than an even share, without",
        "  answering them:",
        "    faq-000: in 90 of 150 lists",
        '      "All rights reserved."',
        "    faq-001: in 89 of 150 lists",
        "    faq-002: in 88 of 150 lists",
        "    … and 2 more",
        "",
        "  Outranked by hubs, for example:",
        "",
        '    asked   "how do I reset it?" (q-1)',
        "    missed  reset-01: place 12",
        '            "Press the ring for ten seconds."',
        "    instead faq-000: a hub",
        '            "All rights reserved."',
        "",
        "  Found under another similarity, for example:",
        "",
        "    asked   q-2",
        "    missed  size-07: place 13; found under cosine",
        '            "Three rooms."',
        "    instead size-01",
    ]


def test_a_list_that_loses_nothing() -> None:
    perfect = replace(LOSSES, score=1.0, total=0.0, low_ranked=0.0, missing=0)
    assert shown(replace(COMPARISON, losses=perfect)) == ["  Nowhere: nDCG@10 is 1.000, and no ranking has more."]


def test_what_can_be_done_about_the_costliest_causes_is_said() -> None:
    assert steps(LOSSES) == [
        "  Nothing about the similarity.",
        "  Look at the hubs above: boilerplate can be deleted (ragdiag rule HUB001).",
    ]
    causes = tuple(CauseLoss(c, 9, 0.1 if c is Cause.ABSENT else 0.0, None, {}) for c in Cause)
    gone = replace(LOSSES, causes=causes, low_ranked=0.288)
    assert steps(gone) == [
        "  Nothing about the similarity.",
        "  Ingest the 9 relevant documents that are not in the store, or embed again",
        "  those without a usable vector.",
        "  74 % of the loss is the order within the top 10: consider a reranker.",
    ]


@pytest.mark.parametrize("width", [40, 60, 80, 100])
def test_nothing_foreign_reaches_the_terminal_and_no_line_is_too_wide(width: int) -> None:
    offenders = {
        cause: tuple(
            replace(
                o,
                query=EVIL,
                text=EVIL,
                document=EVIL,
                via=EVIL,
                instead=tuple(replace(x, document=EVIL) for x in o.instead),
            )
            for o in found
        )
        for cause, found in LOSSES.offenders.items()
    }
    hubs = tuple(replace(hub, document=EVIL) for hub in LOSSES.hubs)
    evil = replace(LOSSES, offenders=offenders, hubs=hubs, texts={EVIL: EVIL})
    lines = shown(replace(COMPARISON, losses=evil), width=width)
    assert not any(char in line for line in lines for char in "\x1b\x07\u202e")
    assert max(map(columns, lines)) <= width
