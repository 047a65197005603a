from __future__ import annotations

import json
import re
from pathlib import Path

import click
import numpy as np
import pytest

from ragdiag.cli import main
from ragdiag.cli.queries import queries as command
from ragdiag.retrieval.pseudo import KINDS
from ragdiag.testing.worlds import isotropic

Capture = pytest.CaptureFixture[str]

N, DIM = 40, 8


@pytest.fixture(autouse=True)
def world(elsewhere: Path) -> None:
    """A store with texts, and one without."""
    texts = [
        f"Part {i} is described on this page. Its price is {i} euros in total. It has no other name." for i in range(N)
    ]
    vectors = isotropic(np.random.default_rng(0), N, DIM)
    np.savez("store.npz", vectors=vectors, ids=np.array([f"d{i}" for i in range(N)]), texts=np.array(texts))
    np.save("bare.npy", vectors)


def listing() -> dict[str, bytes | None]:
    return {str(path): path.read_bytes() if path.is_file() else None for path in sorted(Path().rglob("*"))}


def test_queries_are_made_and_used(capsys: Capture) -> None:
    assert main(["queries", "store.npz", "--out", "my made", "--count", "12", "--kind", "inverse-cloze"]) == 0
    out, err = capsys.readouterr()
    assert out.splitlines() == [
        "12 pseudo-labelled queries (12 inverse-cloze) written to my made.",
        "Next: ragdiag audit store.npz --queries 'my made' --embeddings PROVIDER:MODEL",
    ]
    assert err == ""
    rows = [json.loads(line) for line in Path("my made/queries.jsonl").read_text().splitlines()]
    qrels = [line.split("\t") for line in Path("my made/qrels/test.tsv").read_text().splitlines()]
    assert qrels[0] == ["query-id", "corpus-id", "score"]
    assert [row["_id"] for row in rows] == [line[0] for line in qrels[1:]]
    for row, (_, document, grade) in zip(rows, qrels[1:], strict=True):
        part = re.fullmatch(r"Its price is (\d+) euros in total\.", row["text"])
        assert part is not None
        assert (document, grade) == (f"d{part.group(1)}", "1")

    vectors = np.load("store.npz")["vectors"]
    np.save("queries.npy", vectors[[int(line[1][1:]) for line in qrels[1:]]])
    note = "pseudo-labelled queries (inverse-cloze), not what users ask"
    audit = ["audit", "store.npz", "--queries", "my made", "--query-vectors", "queries.npy", "--fail-on", "never"]
    assert main([*audit, "--format", "json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert note in report["notes"]
    assert report["comparison"]["runs"][0]["mean"] == 1.0
    assert main(audit) == 0
    assert note in " ".join(capsys.readouterr().out.split())


def test_the_next_command_holds_no_password(capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    from ragdiag import stores

    opened = stores.opened_store
    monkeypatch.setattr(stores, "opened_store", lambda uri: opened("store.npz"))
    assert main(["queries", "db:http://me:s3cr3t@h:1?token=t0k3n&collection=a b", "--out", "made"]) == 0
    out, err = capsys.readouterr()
    assert "Next: ragdiag audit 'db:http://h:1?token=***&collection=a b' --queries made" in out
    written = out + err + "".join(path.read_text() for path in Path("made").rglob("*") if path.is_file())
    assert not [secret for secret in ("s3cr3t", "t0k3n") if secret in written]


def test_the_same_seed_writes_the_same_bytes(capsys: Capture) -> None:
    def made(*options: str) -> dict[str, bytes | None]:
        assert main(["queries", "store.npz", "--out", "made", "--count", "10", "--overwrite", *options]) == 0
        return {name: held for name, held in listing().items() if name.startswith("made")}

    assert made() == made() != made("--seed", "1")
    capsys.readouterr()
    made("--count", "500")
    assert capsys.readouterr().out.startswith("40 pseudo-labelled queries of the 500 wanted (40 first-sentence) ")


def test_help_names_every_kind() -> None:
    (kind,) = (parameter for parameter in command.params if parameter.name == "kind")
    assert isinstance(kind.type, click.Choice)
    assert tuple(kind.type.choices) == KINDS


@pytest.mark.parametrize(
    ("args", "line"),
    [
        (["no.npy", "--out", "made"], "there is no 'no.npy': check the path"),
        (
            ["bare.npy", "--out", "made"],
            "bare.npy keeps no texts, and queries are made of them: open the store with its texts, "
            "or ask people for queries",
        ),
        (
            ["store.npz", "--out", "made", "--kind", "title"],
            "store.npz keeps no metadata, so no titles: try --kind inverse-cloze",
        ),
        (["store.npz", "--out", "full"], "full is not empty: give another folder, or --overwrite"),
        (
            ["store.npz", "--out", "full", "--overwrite"],
            "full holds 'mine.txt', which is not of queries: give another folder",
        ),
        (["store.npz", "--out", "bare.npy"], "cannot write bare.npy: it is a file; give the path of a folder"),
        (
            ["store.npz", "--out", "store.npz", "--overwrite"],
            "cannot write store.npz: it belongs to store.npz, which is read; write elsewhere",
        ),
        (["store.npz", "--out", "no/made"], "cannot write no/made: there is no folder "),
        (["store.npz"], "missing option '--out' (see 'ragdiag queries --help')"),
        (["store.npz", "--out", "made", "--count", "0"], "invalid value for '--count': 0 is not in the range x>=1"),
        (["store.npz", "--out", "made", "--seed", "-1"], "invalid value for '--seed': -1 is not in the range x>=0"),
        (["store.npz", "--out", "made", "--kind", "titel"], "invalid value for '--kind': 'titel' is not one of "),
    ],
)
def test_bad_input_is_one_line_and_writes_nothing(args: list[str], line: str, capsys: Capture) -> None:
    Path("full").mkdir()
    Path("full/mine.txt").write_text("mine")
    before = listing()
    assert main(["queries", *args]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert len(err.splitlines()) == 1
    assert err.startswith(f"error: {line}")
    assert listing() == before
