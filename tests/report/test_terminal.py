from __future__ import annotations

import re
from dataclasses import replace

import pytest

from ragdiag.findings.finding import DocumentNote
from ragdiag.report.model import Report
from ragdiag.report.terminal import to_text, verdict
from ragdiag.retrieval.comparison import SimilarityScores
from ragdiag.types import Measure, Metric, Severity
from tests.report.sample import CLEAN, COMPARISON, FULL, HUBS, MEASURES, NORMS, STORE, columns, paired

ESCAPE = re.compile(r"\x1b\[[0-9;]*m")
EVIL = "\x1b[31m[bold red]x[/]\x1b]0;t\x07\u202e漢字" * 9


def hostile() -> Report:
    document = DocumentNote(id=EVIL, text=EVIL, note=EVIL)
    finding = replace(HUBS, message=EVIL, documents=(document,), cost=EVIL)
    return replace(
        FULL,
        store=replace(STORE, name=EVIL, loss=EVIL, index=EVIL),
        findings=(finding,),
        notes=(EVIL,),
        skipped={"GAP001": EVIL},
        comparison=replace(COMPARISON, note=EVIL),
        measures={**MEASURES, "hubness." + "very_long_name_" * 8: Measure.counted(1, n=2)},
    )


def section(text: str, title: str) -> list[str]:
    """The lines under a heading, up to the next."""
    lines = text.splitlines()
    start = next(i for i, line in enumerate(lines) if line.startswith(f"{title} ─")) + 1
    end = next((i for i in range(start, len(lines)) if lines[i].endswith("──")), len(lines))
    while lines[end - 1] == "":
        end -= 1
    return lines[start:end]


def test_the_header_says_what_was_looked_at() -> None:
    assert to_text(FULL).splitlines()[:11] == [
        "faiss:./handbook",
        "",
        "  Store     langchain-faiss (IndexFlatL2): 12,000 vectors × 384, ranks by l2",
        "  Searched  all 12,000 documents for the 10 nearest of each query",
        "  Queries   2,000 of the documents; 150 queries given",
        "  Sampled   10,000 documents for statistics of rows and pairs; seed 0",
        "  Rules     6 looked, 3 could not",
        "  Note      Ties were broken at random.",
        "",
        "1 error, 1 warning, 1 info.",
        "",
    ]


def test_a_store_without_a_flaw_is_left_alone() -> None:
    assert (
        to_text(CLEAN)
        == """\
./vectors.npy

  Store     npy: 1,000 vectors × 8, does not say how it ranks, keeps no texts
  Searched  all 1,000 documents for the 10 nearest of each query
  Queries   each of the documents; no queries given
  Sampled   all documents for statistics of rows and pairs; seed 3
  Rules     2 looked

Nothing wrong was found. Not tested: whether retrieval suffers (no labelled
queries).

What to do next ────────────────────────────────────────────────────────────────
  --queries DIR (labelled queries, BEIR layout) shows how well the store
  retrieves.

ragdiag 0.1.0, 12.3 s"""
    )


def test_findings_say_what_they_cost_and_on_what_evidence() -> None:
    lines = section(to_text(FULL), "Findings")
    assert lines[:9] == [
        "",
        "error    DUP001 the index and the docstore disagree",
        "  The index holds 12,000 vectors and the docstore 11,998 documents: 2 vectors",
        "  have no text.",
        "  Cost      A query that hits one of them fails or returns nothing.",
        "  Evidence  integrity.missing 2 (exact), null 0, n=12,000",
        "  Remedy    Rebuild the index from the docstore. Nothing has to be embedded",
        "            again.",
        "",
    ]
    assert lines[9:24] == [
        "warning  HUB001 a few chunks are in most answers",
        "  7 chunks take 41 % of all top-10 places; by chance the first 7 would take",
        "  0.6 %.",
        "  Cost      Readers get the same boilerplate whatever they ask, and better",
        "            passages fall out of the context.",
        "  Evidence  hubness.query.skewness 4.31 [3.90, 4.80], null 0.316, n=2,000",
        "            hubness.query.top_share 0.410 [0.380, 0.440], null 0.0190, n=150",
        "  Remedy    Delete the boilerplate chunks, or rank by centred cosine.",
        "            Similarity: centred",
        "            Tested: on 150 held-out queries, +0.043 nDCG@10 [+0.020, +0.066]",
        "  Documents faq-000: in 99 of 150 top tens",
        '              "All rights reserved. Contact support, edition 0. All rights res…"',
        "            faq-001: in 98 of 150 top tens",
        '              "All rights reserved. Contact support, edition 1. All rights res…"',
        "            faq-002: in 97 of 150 top tens",
    ]
    assert "            … and 2 more" in lines


def test_a_finding_without_documents_cost_or_remedy_has_no_empty_fields() -> None:
    assert section(to_text(replace(FULL, findings=(NORMS,))), "Findings") == [
        "",
        "info     NRM002 vectors do not have unit length",
        "  Norms lie between 0.8 and 1.3.",
        "  Evidence  norms.cv 0.0512 [0.0498, 0.0527], n=12,000",
        "  Remedy    Normalise them if the model's card says so.",
    ]


def test_a_remedy_that_was_not_tested_says_so() -> None:
    finding = replace(HUBS, remedy=replace(HUBS.remedy, tested=""))
    assert "            Not tested on this store." in to_text(replace(FULL, findings=(finding,))).splitlines()


def test_an_empty_chunk_is_told_from_a_store_without_texts() -> None:
    notes = (DocumentNote("a", "", "empty"), DocumentNote("b", None, ""))
    lines = to_text(replace(FULL, findings=(replace(HUBS, documents=notes),))).splitlines()
    at = lines.index("  Documents a: empty")
    assert lines[at + 1 : at + 4] == ["              (empty text)", "            b", ""]


def test_the_comparison_puts_each_similarity_beside_the_baseline() -> None:
    assert section(to_text(FULL), "Labelled retrieval") == [
        "150 labelled queries in 140 groups that share relevant documents. Differences to",
        "l2 in pairs; intervals and p from 9,999 resamples of the groups, p",
        "Holm-corrected.",
        "Note: 7 queries have no relevant document in the store and were left out.",
        "",
        "  nDCG@10 [95 %]        difference [95 %]             p  similarity",
        "  0.612 [0.572, 0.652]  baseline                         l2",
        "  0.655 [0.615, 0.695]  +0.043 [+0.023, +0.063]  0.0012  cosine",
        "  0.400 [0.360, 0.440]  -0.212 [-0.232, -0.192]  0.0003  whitened(k=128,",
        "                                                         gamma=0.5)",
        "  0.008                                                  (chance)",
        "",
        "  R@10 [95 %]           difference [95 %]             p  similarity",
        "  0.700 [0.660, 0.740]  baseline                         l2",
        "  0.710 [0.670, 0.750]  +0.010 [-0.010, +0.030]     0.2  cosine",
        "  0.500 [0.460, 0.540]  -0.200 [-0.220, -0.180]  0.0003  whitened(k=128,",
        "                                                         gamma=0.5)",
        "  0.008                                                  (chance)",
        "",
        "Rank by cosine: choosing so gains +0.041 [+0.020, +0.062] nDCG@10 over l2 on",
        "queries that had no part in the choice, p=0.0012.",
    ]


def test_without_a_winner_the_ranking_is_left_alone() -> None:
    text = to_text(replace(FULL, comparison=replace(COMPARISON, winner=None)))
    assert section(text, "Labelled retrieval")[-2:] == [
        "",
        "Leave it alone: nothing is proven better than l2 by 0.01 nDCG@10 or more.",
    ]


def test_words_that_beat_the_vectors_are_said_beside_the_verdict() -> None:
    words = SimilarityScores("bm25", {"nDCG@10": paired(0.9, 0.288, 0.0003), "R@10": paired(0.95, 0.25, 0.0003)})
    lines = section(to_text(replace(FULL, comparison=replace(COMPARISON, lexical=words))), "Labelled retrieval")
    assert "  0.900 [0.860, 0.940]  +0.288 [+0.268, +0.308]  0.0003  BM25 (words)" in lines
    assert lines[-3] == "BM25 on the stored texts is better than the vectors are: 0.900 [0.860, 0.940]"
    worse = replace(words, scores={**words.scores, "nDCG@10": paired(0.64, 0.028, 0.0003)})
    text = to_text(replace(FULL, comparison=replace(COMPARISON, lexical=worse)))
    assert "BM25 on the stored texts is better" not in text  # cosine, which wins, is better still


def test_a_similarity_alone_is_scored_and_not_compared() -> None:
    alone = replace(COMPARISON, runs=COMPARISON.runs[:1], winner=None, note="Ties were broken at random.")
    assert section(to_text(replace(FULL, comparison=alone)), "Labelled retrieval") == [
        "150 labelled queries in 140 groups that share relevant documents. Intervals from",
        "9,999 resamples of the groups.",
        "",
        "  nDCG@10 [95 %]                                         similarity",
        "  0.612 [0.572, 0.652]  baseline                         l2",
        "  0.008                                                  (chance)",
        "",
        "  R@10 [95 %]                                            similarity",
        "  0.700 [0.660, 0.740]  baseline                         l2",
        "  0.008                                                  (chance)",
    ]


def test_measures_stand_beside_their_nulls() -> None:
    assert section(to_text(FULL), "Measures") == [
        "null: what it reads when there is nothing to find; exact: counted, not estimated",
        "                          value  95 % interval        null       n",
        "  anisotropy",
        "    mean_cosine           0.412  [0.401, 0.423]          0  12,000",
        "    rogue_share          0.0123  [0.0119, 0.0128]  0.00260  12,000",
        "  hubness",
        "    document.skewness      1.20  [1.10, 1.35]        0.316   2,000",
        "    query.skewness         4.31  [3.90, 4.80]        0.316   2,000",
        "  spectrum",
        "    participation_ratio  undefined: n is below 2d",
        "  duplicates",
        "    exact                    31  exact                   0  12,000",
    ]


def test_a_family_stands_in_one_place() -> None:
    one = Measure.counted(1, n=2)
    lines = section(to_text(replace(FULL, measures={"a.x": one, "b.y": one, "a.z": one, "alone": one})), "Measures")
    assert [line.split()[0] for line in lines[2:]] == ["a", "x", "z", "b", "y", "alone", "alone"]


def test_the_end_says_what_to_do() -> None:
    text = to_text(FULL)
    assert section(text, "Rules that could not look") == [
        "  no query vectors were given: GAP001, GAP002",
        "  no embedding model was named: EMB001",
    ]
    assert section(text, "What to do next") == [
        "  1. DUP001: Rebuild the index from the docstore.",
        "  2. HUB001: Delete the boilerplate chunks, or rank by centred cosine.",
        "  ragdiag rule DUP001 says what it means and when it is wrong.",
        "  Rank by cosine, which is proven better.",
        "",
        "ragdiag 0.1.0, 12.3 s",
    ]


@pytest.mark.parametrize(
    ("report", "step"),
    [
        (replace(FULL, findings=(NORMS,)), "  ragdiag rule NRM002 says whether it matters to you."),
        (replace(FULL, findings=()), "  Rank by cosine, which is proven better."),
        (replace(FULL, findings=(), comparison=replace(COMPARISON, winner=None)), "  Nothing."),
    ],
)
def test_there_may_be_little_to_do(report: Report, step: str) -> None:
    assert step in section(to_text(report), "What to do next")


def test_without_labels_it_says_how_to_learn_the_cost() -> None:
    lines = section(to_text(replace(FULL, comparison=None)), "What to do next")
    assert lines[3:5] == [
        "  --queries DIR (labelled queries, BEIR layout) shows what this costs in",
        "  retrieval.",
    ]


@pytest.mark.parametrize("width", [40, 57, 80, 100])
@pytest.mark.parametrize("report", [FULL, CLEAN, hostile()], ids=["full", "clean", "hostile"])
def test_no_line_is_wider_than_the_page(report: Report, width: int) -> None:
    text = to_text(report, width=width)
    assert max(map(columns, text.splitlines())) <= width
    assert all(line == line.rstrip() for line in text.splitlines())


def test_nothing_foreign_reaches_the_terminal() -> None:
    text = to_text(hostile())
    assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]", text)
    assert "[bold red]x[/]" in text


def test_an_id_of_pages_is_cut() -> None:
    documents = (DocumentNote("x" * 5000, "text", "cosine 0.990 to " + "y" * 5000),)
    lines = section(to_text(replace(FULL, findings=(replace(HUBS, documents=documents),))), "Findings")
    assert sum(line.count("x") for line in lines) < 70
    assert sum(line.count("y") for line in lines) < 130


def test_color_adds_escapes_and_nothing_else() -> None:
    colored = to_text(FULL, color=True)
    assert "\x1b[1;31merror\x1b[0m" in colored
    assert ESCAPE.sub("", colored) == to_text(FULL)
    assert "\x1b" not in to_text(FULL)


def test_hostile_text_adds_no_escape_of_its_own() -> None:
    assert "\x1b" not in ESCAPE.sub("", to_text(hostile(), color=True))


def test_an_ascii_log_gets_ascii() -> None:
    to_text(FULL, encoding="ascii").encode("ascii")
    text = to_text(hostile(), encoding="ascii")
    text.encode("ascii")
    assert max(map(len, text.splitlines())) <= 80


def test_concise_is_a_line_for_each_finding() -> None:
    assert to_text(FULL, concise=True).splitlines()[-4:] == [
        "",
        "error    DUP001 the index and the docstore disagree",
        "warning  HUB001 a few chunks are in most answers",
        "info     NRM002 vectors do not have unit length",
    ]


@pytest.mark.parametrize(
    ("severities", "sentence"),
    [
        ([], "Nothing wrong was found. Leave it alone."),
        ([Severity.INFO], "Nothing wrong was found; 1 info to know."),
        ([Severity.INFO, Severity.INFO], "Nothing wrong was found; 2 info to know."),
        ([Severity.WARNING] * 3 + [Severity.INFO], "3 warnings, 1 info."),
        ([Severity.ERROR] * 2 + [Severity.WARNING], "2 errors, 1 warning."),
    ],
)
def test_the_verdict_is_one_sentence(severities: list[Severity], sentence: str) -> None:
    findings = tuple(replace(HUBS, severity=severity) for severity in severities)
    assert verdict(replace(CLEAN, findings=findings, comparison=COMPARISON)) == sentence


def test_a_clean_verdict_says_what_was_not_tested() -> None:
    nothing = "Nothing wrong was found. Not tested: whether retrieval suffers (no labelled queries)"
    skipped = {"GAP001": "no queries were given", "SIM002": "no judgements were given"}
    assert verdict(replace(CLEAN, skipped=skipped)) == nothing + "."
    more = {**skipped, "IDX012": "no embedding model was given", "ANI002": "b", "ANI003": "b"}
    assert verdict(replace(CLEAN, skipped=more)) == (
        nothing + ", and what 3 other rules could not look at (no embedding model was given; b)."
    )
    labelled = replace(CLEAN, comparison=COMPARISON, skipped={c: c for c in "abcd"}, findings=(NORMS,))
    assert verdict(labelled) == (
        "Nothing wrong was found; 1 info to know. Not tested: what 4 rules could not look at (a; b; c; …)."
    )


def test_no_step_is_left_out_in_silence() -> None:
    findings = tuple(replace(HUBS, code=f"HUB{i:03d}") for i in range(1, 6))
    lines = section(to_text(replace(FULL, findings=findings)), "What to do next")
    assert lines[2].startswith("  3. HUB003:")
    assert lines[3] == "  … and 2 more: HUB004, HUB005"


def test_a_store_that_no_rule_could_look_at_is_not_called_clean() -> None:
    assert verdict(replace(CLEAN, passed=())) == "No rule could look at this store."


def test_the_report_prints_itself() -> None:
    assert str(FULL) == repr(FULL) == to_text(FULL)


def test_a_lossy_store_says_why() -> None:
    lossy = replace(CLEAN, store=replace(STORE, loss="8-bit codes", metric=Metric.COSINE))
    assert "  Lossy     8-bit codes" in to_text(lossy).splitlines()
