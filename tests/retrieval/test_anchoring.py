from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import pytest

import ragdiag
from ragdiag.errors import JudgementsError
from ragdiag.retrieval.anchoring import Anchoring, anchor
from ragdiag.retrieval.judgements import Judgements
from ragdiag.stores import ArrayStore

SKY = "The sky appears blue because air scatters short wavelengths of sunlight more than long ones."
GRASS = "Grass is green since chlorophyll absorbs red and blue light, and reflects what lies between them."
ZH = "天空之所以呈现蓝色，是因为空气分子对短波长光线的散射作用远远强于长波长光线。"


def store(texts: Sequence[str | None]) -> ArrayStore:
    return ArrayStore(np.eye(len(texts)), ids=[f"d{i}" for i in range(len(texts))], texts=texts, name="store")


def labels(*contexts: Iterable[str]) -> Judgements:
    names = tuple(f"q{i}" for i in range(len(contexts)))
    return Judgements("labels", names, names, tuple({} for _ in names), tuple(tuple(one) for one in contexts))


def ids(context: str, *texts: str | None) -> list[str]:
    """Return what a context is anchored to; SKY's own place among the texts keeps the store from being refused."""
    found, how = anchor(labels([context], ["always here"]), store([*texts, "always here"]))
    assert how.total == 2
    return [] if how.lost else sorted(found.relevant[0])


def test_the_ways_in_their_order() -> None:
    texts = [SKY, f"  {GRASS}\n", f"Title\n{GRASS} More.", ZH, None, ""]
    found, how = anchor(
        labels(
            [SKY],
            [GRASS.upper().replace(" ", "\n ")],
            [ZH[5:30]],
            [GRASS.replace("green since", "green because")],
            ["Something else altogether, which nobody stored anywhere."],
        ),
        store(texts),
    )
    assert found.relevant == (
        {"d0": 1},
        {"d1": 1},  # not d2, which only contains it
        {"d3": 1},
        {"d1": 1},  # d2 has more words of its own
        {"lost context 5": 1},
    )
    assert how == Anchoring(exact=1, normalised=1, contained=1, similar=1, lost=1)
    assert (how.total, how.unanchored) == (5, 0.2)
    assert found.contexts == ()
    assert found.note == (
        "4 of 5 reference contexts were found among the stored texts"
        " (1 as they are, 1 but for case and blanks, 1 as a part, 1 in similar words)"
    )


def test_equal_texts_all_count() -> None:
    assert ids(SKY.upper(), SKY, "x", SKY.lower(), f"{SKY} ") == ["d0", "d2", "d3"]
    assert ids(SKY, SKY.lower(), SKY, f"{SKY} ") == ["d1", "d2"]  # as it is comes first
    assert ids("Ｓtraße", "strasse", "Strase") == ["d0"]  # NFKC and case folding


def test_parts_either_way() -> None:
    pieces = [SKY[:48], SKY[48:]]
    assert ids(SKY, *pieces, GRASS) == ["d0", "d1"]  # between them they hold it
    assert ids(SKY[4:60], SKY, f"On colours. {SKY}", GRASS) == ["d0", "d1"]
    assert ids(ZH, ZH[:20], ZH[20:], GRASS) == ["d0"]  # the rest is under 20 characters
    assert ids("the sky", SKY) == []  # short texts are in many by chance
    long = " ".join(f"word{i}" for i in range(100)) + " Installation and upgrade"
    assert ids(long, "Installation and upgrade") == []  # a heading is no answer


def test_similar_words() -> None:
    words = [f"w{letter}" for letter in "abcdefghijklmnopqrst"]
    context = " ".join(words)
    nine = " ".join([*words[1:], "other"])  # 19 of 21
    eight = " ".join([*words[2:], "other", "another"])  # 18 of 22
    seven = " ".join([*words[3:], "other", "another", "third"])  # 17 of 23: under .8
    assert ids(context, eight, nine, seven) == ["d1"]
    assert ids(context, eight, eight + "!", seven) == ["d0", "d1"]  # the best ones, when there are several
    assert ids(context, seven) == []
    four_fifths = " ".join([*words[:16]])  # 16 of 20, in another order so that it is no part
    assert ids(context, " ".join(reversed(four_fifths.split()))) == ["d0"]


VALVE = "{} open the valve of the second circuit before the pump of the heating system in the cellar is switched on"
LAST = "Please contact the support desk if this does not help."
CHUNK = (
    "Fill the circuit until the gauge shows {} bar, close the tap, let the air out of every radiator from the lowest"
    f" floor to the top, look at the gauge once more and fill up what is missing, then start the pump again. {LAST}"
)


def test_the_closing_line_does_not_stand_for_the_whole() -> None:
    assert ids(CHUNK.format("two"), LAST, CHUNK.format("2"), GRASS) == ["d1"]
    assert ids(CHUNK.format("two"), LAST, GRASS) == []  # better none than this one
    assert ids(CHUNK.format("two"), LAST, CHUNK.format("two")[:-20], GRASS) == ["d1"]
    half = CHUNK.format("two").split(" radiator ")[0]
    assert ids(CHUNK.format("two"), half, GRASS) == []  # under a half of it
    assert ids(CHUNK.format("two"), half, LAST, GRASS) == ["d0", "d1"]  # together more
    assert ids(CHUNK.format("two"), LAST, LAST, LAST, LAST, GRASS) == []  # of what comes twice, once counts


@pytest.mark.parametrize(
    ("context", "stored"),
    [
        ("Set the pressure of the circuit to 1", "Set the pressure of the circuit to 15 bar by hand"),
        ("Set the pressure of the circuit to 1", "Set the pressure of the circuit to 1.5 bar by hand"),
        ("5 degrees are what the cellar must have", "At -5 degrees are what the cellar must have"),
        ("safe to open the valve in the cellar", "It is unsafe to open the valve in the cellar, as we have seen"),
    ],
)
def test_a_part_ends_where_a_word_ends(context: str, stored: str) -> None:
    assert ids(context, stored) == []
    assert ids(context, f"Note: {context}, as ever") == ["d0"]


def test_as_it_is_comes_first() -> None:
    rooms = ["A room of 10² metres.", "A room of 102 metres."]
    for at in (0, 1):
        found, how = anchor(labels([rooms[at]]), store(rooms))
        assert (found.relevant, how.exact) == (({f"d{at}": 1},), 1)
    assert ids("US", "us", "US") == ["d1"]
    assert ids("US", "us", "Us") == ["d0", "d1"]
    assert ids(rooms[0], rooms[1]) == []
    assert ids("A room of 10^2 metres.", *rooms) == ["d0"]
    both, how = anchor(labels(rooms[:1], rooms[1:]), store(rooms))
    assert (both.relevant, how.exact) == (({"d0": 1}, {"d1": 1}), 2)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (VALVE.format("You must"), VALVE.format("You must not")),
        (VALVE.format("You do"), VALVE.format("You don't")),
        (VALVE.format("Man soll"), VALVE.format("Man soll nicht")),
        (VALVE.format("With the X300"), VALVE.format("With the X200")),
        (VALVE.format("After 5 minutes"), VALVE.format("After 50 minutes")),
        (VALVE.format("After 1.5 minutes"), VALVE.format("After 5.1 minutes")),
        (VALVE.format("After two minutes"), VALVE.format("After 3 minutes")),
        (ZH.replace("远远强于", "远不强于"), ZH),
        (ZH.replace("短波长", "三波长"), ZH.replace("短波长", "二波长")),
    ],
)
def test_similar_words_that_say_something_else(one: str, other: str) -> None:
    assert ids(one, other, GRASS) == ids(other, one, GRASS) == []
    assert ids(one, other, one.replace("the second", "our second").replace("之所以", "所以"), GRASS) == ["d1"]


def test_grades_that_are_known_stay() -> None:
    given = Judgements("labels", ("a", "b"), ("a", "b"), ({"d0": 3}, {"x": 2}), ((SKY, GRASS), ()))
    found, how = anchor(given, store([SKY, GRASS]))
    assert found.relevant == ({"d0": 3, "d1": 1}, {"x": 2})
    assert how.exact == 2


def test_it_is_read_in_small_batches() -> None:
    """What is found does not depend on where batches end."""
    texts = [f"{SKY} {i}" for i in range(1500)]
    texts[700] = GRASS.lower()
    found, _ = anchor(labels([GRASS], [f"{SKY} 1234 of"], [f"Indeed: {SKY} 3"]), store(texts))
    assert found.relevant[0] == {"d700": 1}
    assert found.relevant[1] == {"d1234": 1}  # not "… 1", which ends within the number
    assert found.relevant[2] == {"d3": 1}


def test_what_cannot_be_anchored() -> None:
    with pytest.raises(JudgementsError) as raised:
        anchor(labels([SKY], [GRASS]), store(["x", None]))
    assert str(raised.value) == (
        "none of the 2 reference contexts of labels is among the texts of store:"
        " they belong to another store, or the documents were cut anew"
    )
    with pytest.raises(
        JudgementsError, match="labels names relevant texts, store keeps none: give reference_context_ids"
    ):
        anchor(labels([SKY]), ArrayStore(np.eye(2), name="store"))


def test_a_hostile_text_is_no_trouble() -> None:
    pile = "a" + "\u0301\u0316" * 50_000
    assert ids(SKY, pile, SKY) == ["d1"]


def test_every_layout_gives_the_same_audit(tmp_path: Path) -> None:
    rng = np.random.default_rng(4)
    vectors = rng.standard_normal((200, 16)).astype(np.float32)
    texts = [f"The {i}th text speaks of {' '.join(rng.permutation(list('abcdefghij')))}." for i in range(200)]
    held = ArrayStore(vectors, ids=[f"d{i}" for i in range(200)], texts=texts, metric="cosine")
    asked = vectors[:30] + rng.standard_normal((30, 16)).astype(np.float32)
    relevant = [[i, i + 50] for i in range(30)]

    def jsonl(name: str, rows: list[dict[str, object]]) -> Path:
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
        return path

    qrels = [f"{i} 0 d{j} 1" for i, judged in enumerate(relevant, 1) for j in judged]
    jsonl("beir/queries.jsonl", [{"_id": str(i), "text": f"q{i}"} for i in range(1, 31)])
    (tmp_path / "beir/qrels").mkdir()
    (tmp_path / "beir/qrels/test.tsv").write_text("\n".join(qrels).replace(" ", "\t"))
    (tmp_path / "trec").mkdir()
    (tmp_path / "trec/topics.tsv").write_text("".join(f"{i}\tq{i}\n" for i in range(1, 31)))
    (tmp_path / "trec/qrels.txt").write_text("\n".join(qrels))
    rows = list(enumerate(relevant, 1))
    layouts = [
        tmp_path / "beir",
        tmp_path / "trec",
        jsonl("ours.jsonl", [{"query": f"q{i}", "relevant": [f"d{j}" for j in judged]} for i, judged in rows]),
        jsonl("ids.jsonl", [{"user_input": f"q{i}", "reference_context_ids": [f"d{j}" for j in js]} for i, js in rows]),
        jsonl("texts.jsonl", [{"user_input": f"q{i}", "reference_contexts": [texts[j] for j in js]} for i, js in rows]),
    ]
    reports = [ragdiag.audit(held, judgements=path, query_vectors=asked) for path in layouts]
    assert reports[0].comparison is not None
    assert all(report.comparison == reports[0].comparison for report in reports)
    assert all(report.measures == reports[0].measures for report in reports)
    said = "60 of 60 reference contexts were found among the stored texts (60 as they are)"
    assert [said in report.notes for report in reports] == [False] * 4 + [True]
