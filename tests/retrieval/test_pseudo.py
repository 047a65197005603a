from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ragdiag import read_judgements
from ragdiag.engine import LocalEngine
from ragdiag.errors import ConfigError, StoreError
from ragdiag.retrieval import pseudo_folder
from ragdiag.retrieval.pseudo import KINDS, PseudoQuery, pseudo_queries
from ragdiag.retrieval.pseudo_folder import write_folder
from ragdiag.retrieval.sentences import sentences
from ragdiag.stores import ArrayStore

LEFT_OUT = "no document of array gives a query of kind"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("One. Two! Three? Four… Five", ["One.", "Two!", "Three?", "Four…", "Five"]),
        ('He said "no." She left.', ['He said "no."', "She left."]),
        (
            "Version 3.5 is\nout now. See https://x.y/z?a=b for it.",
            ["Version 3.5 is out now.", "See https://x.y/z?a=b for it."],
        ),
        ("# Heading\n\nA text\nof lines\n \t\nand more", ["# Heading", "A text of lines", "and more"]),
        ("黑豹队丢了 308分。为什么？！没人知道", ["黑豹队丢了 308分。", "为什么？！", "没人知道"]),
        ("「行く。」と言った。 終わり", ["「行く。」", "と言った。", "終わり"]),
        ("यह है। वह भी।", ["यह है।", "वह भी।"]),
        ("هل هذا؟ نعم.", ["هل هذا؟", "نعم."]),
        ("", []),
        (" \n\n \t", []),
    ],
)
def test_sentences(text: str, expected: list[str]) -> None:
    assert list(sentences(text)) == expected


def store(texts: Sequence[str | None], metadata: Sequence[Mapping[str, Any]] | None = None) -> ArrayStore:
    vectors = np.ones((len(texts), 2), dtype=np.float32)
    return ArrayStore(vectors, ids=[f"d{i}" for i in range(len(texts))], texts=texts, metadata=metadata)


def made(
    texts: Sequence[str | None], metadata: Sequence[Mapping[str, Any]] | None = None, **options: Any
) -> tuple[PseudoQuery, ...]:
    return pseudo_queries(store(texts, metadata), np.random.default_rng(0), **options)


def found(queries: Sequence[PseudoQuery]) -> dict[str, tuple[str, set[str]]]:
    assert len({query.id for query in queries}) == len(queries)
    return {query.text: (query.kind, set(query.relevant)) for query in queries}


FILLER = "Nothing else is told here and nobody asks for more of it today."


def test_the_first_sentence_finds_all_its_copies() -> None:
    queries = found(
        made(
            [
                f"The red fox jumps over walls. {FILLER} End.",
                f"Some other chunk begins here now. The RED fox,\njumps over walls! {FILLER}",  # not its first
                f"A blue whale sings all night long. {FILLER}",
                "A blue whale sings all night long. It never stops.",
                None,
                "",
                "Too short. " + FILLER * 2,
            ],
            kind="first-sentence",
        )
    )
    assert queries == {
        "The red fox jumps over walls.": ("first-sentence", {"d0", "d1"}),
        "Some other chunk begins here now.": ("first-sentence", {"d1"}),
        "A blue whale sings all night long.": ("first-sentence", {"d2", "d3"}),
    }


def test_inverse_cloze_takes_an_inner_sentence() -> None:
    inner = [f"Inner sentence number {i} of this text." for i in range(4)]
    text = f"The first one is not taken here. {' '.join(inner)} And the last one is not either."
    drawn = Counter(
        query.text
        for seed in range(400)
        for query in pseudo_queries(store([text]), np.random.default_rng(seed), kind="inverse-cloze")
    )
    assert set(drawn) == set(inner)
    # 100 each; 4 standard deviations are 35.
    assert all(65 <= number <= 135 for number in drawn.values())
    with pytest.raises(StoreError, match=f"{LEFT_OUT} inverse-cloze: texts may be too short, or all alike"):
        made([f"A text of two sentences has none. {FILLER}"], kind="inverse-cloze")


def test_titles_come_from_the_metadata_and_else_the_first_sentence() -> None:
    metadata: list[dict[str, Any]] = [
        {"title": " Boiler\n manual ", "heading": "not this one"},
        {"heading": "Boiler Manual"},
        {"title": "", "heading": "The second heading"},
        {"title": 7},
        {"title": "Boiler"},  # one word
        {},
    ]
    texts = [f"Chunk {i} begins with these words. {FILLER}" for i in range(6)]
    queries = found(made(texts, metadata))
    titles = {text: relevant for text, (kind, relevant) in queries.items() if kind == "title"}
    assert {text.casefold(): relevant for text, relevant in titles.items()} == {
        "boiler manual": {"d0", "d1"},
        "the second heading": {"d2"},
    }
    firsts = {text for text, (kind, _) in queries.items() if kind == "first-sentence"}
    # One of the two chunks of the manual has given the title, and the other its first sentence.
    shared = {"Chunk 0 begins with these words.", "Chunk 1 begins with these words."}
    assert firsts - shared == {f"Chunk {i} begins with these words." for i in (3, 4, 5)}
    assert len(firsts & shared) == 1
    assert set(found(made(texts, metadata, kind="title"))) == set(titles)
    assert found(made(texts, [{"name": "Own field"}] + [{}] * 5, kind="title", title_fields=["name"])) == {
        "Own field": ("title", {"d0"})
    }


def test_page_furniture_asks_nothing() -> None:
    def texts(copies: int) -> list[str]:
        cookies = f"We use cookies on all our pages. {FILLER}"
        return [cookies] * copies + [f"Page {i} is about something else. {FILLER}" for i in range(100)]

    assert found(made(texts(5), kind="first-sentence"))["We use cookies on all our pages."][1] == {
        f"d{i}" for i in range(5)
    }
    assert "We use cookies on all our pages." not in found(made(texts(6), kind="first-sentence"))

    def titles(copies: int) -> dict[str, tuple[str, set[str]]]:
        return found(made(texts(100), [{"title": "Our company"}] * copies + [{}] * (200 - copies), kind="title"))

    assert len(titles(10)["Our company"][1]) == 10  # 5 % of 200
    with pytest.raises(StoreError, match=f"{LEFT_OUT} title: the titles are looked for in title, heading"):
        titles(11)


@pytest.mark.parametrize(
    "first",
    [
        "Only four words here.",
        "Half of this chunk is in its own first sentence, which would be too easy to find again.",
        "A word of " + "x" * 400 + " letters is no query.",
        "An escape \x1b[31m is not what people type.",
        "Text from right \u202e to left is hidden.",
        "Half a pair \ud800 cannot be written down.",
        "短い文。",
    ],
)
def test_what_is_left_out(first: str) -> None:
    with pytest.raises(StoreError, match=LEFT_OUT):
        made([f"{first} {FILLER}"], kind="first-sentence")


def test_an_id_that_no_qrels_file_can_hold_is_no_target() -> None:
    text = f"The red fox jumps over walls. {FILLER}"
    vectors = np.ones((4, 2), dtype=np.float32)
    odd = ArrayStore(vectors, ids=["a\tb", "c\nd", "\ud800", "fine"], texts=[text] * 4)
    (query,) = pseudo_queries(odd, np.random.default_rng(0))
    assert query.relevant == ("fine",)


def test_scripts_without_spaces() -> None:
    text = "一个数字是素数与否的属性称为素性。验证一个给定数字素性的方法很简单但很慢。没有人知道。"
    assert found(made([text]))["一个数字是素数与否的属性称为素性。"] == ("first-sentence", {"d0"})
    assert found(made([text], kind="inverse-cloze")) == {
        "验证一个给定数字素性的方法很简单但很慢。": ("inverse-cloze", {"d0"})
    }


def test_count_and_seed() -> None:
    texts = [f"Chunk {i} begins with these words. {FILLER}" for i in range(700)]

    def draw(seed: int, count: int) -> tuple[PseudoQuery, ...]:
        return pseudo_queries(store(texts), np.random.default_rng(seed), count=count)

    assert len(draw(0, 20)) == 20
    assert draw(0, 20) == draw(0, 20) != draw(1, 20)
    whole = {query.text: query.id for query in draw(0, 10_000)}
    assert len(whole) == 700
    # The id of a query belongs to its words, not to the draw.
    assert all(whole[query.text] == query.id for query in draw(5, 50))
    assert pseudo_queries(store(texts), np.random.default_rng(0), count=20, engine=LocalEngine(batch_size=33)) == draw(
        0, 20
    )


def test_what_a_store_has_to_keep() -> None:
    bare = ArrayStore(np.eye(3), name="bare")
    with pytest.raises(StoreError, match="bare keeps no texts, and queries are made of them"):
        pseudo_queries(bare, np.random.default_rng(0))
    with pytest.raises(StoreError, match="array keeps no metadata, so no titles: try --kind inverse-cloze"):
        made([FILLER], kind="title")
    with pytest.raises(ConfigError, match="there are no queries of kind 'titel': the kinds are auto, title"):
        made([FILLER], kind="titel")
    with pytest.raises(StoreError, match=f"{LEFT_OUT} auto"):
        made([None, "", "..."])


QUERIES = (
    PseudoQuery("sentence-1", "first-sentence", "Wo ist \u201edas\u201c \u2028 Buch?", ("d1", 'd "2"')),
    PseudoQuery("title-2", "title", "东京 塔", ("d3",)),
)
ABOUT: dict[str, Any] = {"store": "./x\x1b\n# y", "kind": "auto", "count": 200, "seed": 3}


def test_a_folder_is_read_back(tmp_path: Path) -> None:
    folder = tmp_path / "made"
    write_folder(folder, QUERIES, **ABOUT)
    read = read_judgements(folder)
    assert read.query_ids == ("sentence-1", "title-2")
    assert read.texts == tuple(query.text for query in QUERIES)
    assert read.relevant == ({"d1": 1, 'd "2"': 1}, {"d3": 1})
    assert read.pseudo == "first-sentence, title"
    rows = [json.loads(line) for line in (folder / "queries.jsonl").read_text("utf-8").split("\n") if line]
    assert [row["metadata"] for row in rows] == [{"pseudo": "first-sentence"}, {"pseudo": "title"}]
    readme = (folder / "README.md").read_text("utf-8")
    assert readme.startswith("# Pseudo-labelled queries, not what users ask\n")
    assert "these 2 queries of the texts of a store: 1 first-sentence, 1 title." in readme
    assert '- store: "./x\\u001b\\n# y"\n' in readme
    assert "--kind auto --count 200 --seed 3\n" in readme
    assert [path.name for path in tmp_path.iterdir()] == ["made"]


def test_overwriting_replaces_the_whole_folder_or_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "made"
    folder.mkdir()  # an empty one is no obstacle
    write_folder(folder, QUERIES, **ABOUT)
    before = (folder / "queries.jsonl").read_bytes()
    with pytest.raises(ConfigError, match="made is not empty: give another folder, or --overwrite"):
        write_folder(folder, QUERIES[:1], **ABOUT)

    class Gone(BaseException):
        pass

    renamed = Path.rename

    def interrupted(self: Path, target: Path) -> Path:
        if self.name.endswith(".part"):
            raise Gone
        return renamed(self, target)

    with monkeypatch.context() as patched:
        patched.setattr(Path, "rename", interrupted)
        with pytest.raises(Gone):
            write_folder(folder, QUERIES[:1], overwrite=True, **ABOUT)
    assert (folder / "queries.jsonl").read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == ["made"]

    write_folder(folder, QUERIES[:1], overwrite=True, **ABOUT)
    assert read_judgements(folder).query_ids == ("sentence-1",)
    assert [path.name for path in tmp_path.iterdir()] == ["made"]


def test_only_pseudo_labelled_queries_are_overwritten(tmp_path: Path) -> None:
    def refused(folder: Path) -> str:
        with pytest.raises(ConfigError) as raised:
            pseudo_folder.check_folder(folder, overwrite=True)
        return str(raised.value).replace(str(tmp_path), "")

    folder = tmp_path / "made"
    write_folder(folder, QUERIES, **ABOUT)
    (folder / "notes.txt").write_text("mine")
    assert refused(folder) == "/made holds 'notes.txt', which is not of queries: give another folder"
    (folder / "notes.txt").unlink()
    real = '{"_id": "sentence-1", "text": "asked by a person"}\n'
    (folder / "queries.jsonl").write_text(real)
    assert refused(folder) == "/made holds queries that were not made of texts: give another folder"
    (folder / "queries.jsonl").write_text("no JSON")
    assert refused(folder) == "/made holds no queries that can be read: give another folder"
    assert refused(folder / "README.md") == ("cannot write /made/README.md: it is a file; give the path of a folder")
    assert refused(tmp_path / "no" / "made") == "cannot write /no/made: there is no folder /no"


def test_all_kinds_have_a_name() -> None:
    assert KINDS == ("auto", "title", "first-sentence", "inverse-cloze")
