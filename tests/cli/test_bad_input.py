"""Whatever is wrong with what was given: one line that says what and what to do, and nothing done."""

from __future__ import annotations

import json
import os
import pickle
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import faiss
import numpy as np
import pytest
from langchain_core.documents import Document

from ragdiag.cli import main
from ragdiag.stores import open_store
from ragdiag.testing.worlds import isotropic

N, DIM, M = 60, 8, 12
Capture = pytest.CaptureFixture[str]


@pytest.fixture(autouse=True)
def world(elsewhere: Path) -> None:
    """A good store with good queries, beside which the bad things are put."""
    X = isotropic(np.random.default_rng(0), N, DIM)
    np.save("good.npy", X)
    np.save("queries.npy", X[:M])
    Path("beir/qrels").mkdir(parents=True)
    write_queries([{"_id": f"q{i}", "text": f"question {i}"} for i in range(M)])
    write_qrels({f"q{i}": str(i) for i in range(M)})


def write_queries(rows: list[dict[str, str]]) -> None:
    Path("beir/queries.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")


def write_qrels(relevant: dict[str, str]) -> None:
    lines = "".join(f"{query}\t{document}\t1\n" for query, document in relevant.items())
    Path("beir/qrels/test.tsv").write_text("query-id\tcorpus-id\tscore\n" + lines, encoding="utf-8")


def listing() -> dict[str, bytes | None]:
    return {str(path): path.read_bytes() if path.is_file() else None for path in sorted(Path().rglob("*"))}


def refused(args: list[str], capsys: Capture) -> str:
    """Run ``ragdiag audit`` and return its one line of complaint."""
    before = listing()
    assert main(["audit", *args]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert listing() == before
    lines = err.splitlines()
    assert len(lines) == 1, err
    assert lines[0].startswith("error: ")
    return lines[0].removeprefix("error: ")


LABELLED = ["good.npy", "--queries", "beir", "--query-vectors", "queries.npy"]


@pytest.mark.parametrize(("closed", "code"), [(">&-", 0), (">&- 2>&-", 0), ("2>&-", 0)])
def test_a_closed_stream_is_no_fault(closed: str, code: int) -> None:
    command = f'"{sys.executable}" -m ragdiag audit good.npy {closed}'
    done = subprocess.run(["sh", "-c", command], capture_output=True, text=True, check=False, timeout=120)
    assert (done.returncode, done.stderr) == (code, "")


def test_a_dash_is_stdout(capsys: Capture) -> None:
    assert main(["audit", "good.npy", "--format", "json", "--output", "-"]) == 0
    assert json.loads(capsys.readouterr().out)["store"]["name"] == "good.npy"
    assert not Path("-").exists()


def test_the_good_input_is_good(capsys: Capture) -> None:
    assert main(["audit", *LABELLED, "--format", "json"]) == 0
    out, err = capsys.readouterr()
    assert json.loads(out)["comparison"]["runs"][0]["mean"] == 1.0
    assert err == ""


def nothing() -> None:
    pass


def saved(name: str, array: object) -> Callable[[], None]:
    return lambda: np.save(name, np.asarray(array))


def text_file() -> None:
    Path("bad.npy").write_text("0.1 0.2 0.3\n" * 50, encoding="utf-8")


def a_pipe() -> None:
    os.mkfifo("bad.npy")


def huge_grade() -> None:
    Path("beir/qrels/test.tsv").write_text("q0\t0\t1000000000\n", encoding="utf-8")


def truncated_npy() -> None:
    Path("bad.npy").write_bytes(Path("good.npy").read_bytes()[:-100])


def an_index(kind: str, size: int) -> Callable[[], None]:
    def make() -> None:
        index = faiss.index_factory(DIM, kind)
        index.add(np.load("good.npy"))
        faiss.write_index(index, "bad.faiss")
        whole = Path("bad.faiss").read_bytes()
        Path("bad.faiss").write_bytes(whole[: size if size > 0 else len(whole) + size])

    return make


def repeated_ids() -> None:
    np.savez("bad.npz", vectors=np.load("good.npy"), ids=np.array([f"d{i % 50}" for i in range(N)]))


def not_utf8() -> None:
    Path("beir/queries.jsonl").write_bytes(b'{"_id": "q0", "text": "caf\xe9"}\n')


UNREADABLE = "could not be read as a faiss index (truncated or corrupt): write it again"

CASES: dict[str, tuple[Callable[[], None], list[str], str]] = {
    "missing path": (nothing, ["no.npy"], "there is no 'no.npy': check the path, "),
    "missing folder": (nothing, ["faiss:./no"], "there is no './no': check the path, "),
    "no path": (nothing, ["faiss:"], "the store has no path: write it after the colon, as in npy:./vectors.npy"),
    "pipe": (a_pipe, ["bad.npy"], "'bad.npy' is no regular file: a pipe or device cannot be read twice; "),
    "pipe of queries": (a_pipe, ["good.npy", "--query-vectors", "bad.npy"], "'bad.npy' is no regular file: "),
    "huge grade": (
        huge_grade,
        [*LABELLED],
        "beir/qrels/test.tsv, line 1 has the grade 1000000000: give grades up to 1,000, such as 1, 2, 3",
    ),
    "empty store": (
        saved("bad.npy", np.empty((0, DIM))),
        ["bad.npy"],
        "bad.npy holds no vectors, its shape is (0, 8): write at least two vectors",
    ),
    "one vector": (
        saved("bad.npy", np.ones((1, DIM))),
        ["bad.npy"],
        "bad.npy holds one vector: an audit compares vectors; store at least two",
    ),
    "all NaN": (
        saved("bad.npy", np.full((N, DIM), np.nan)),
        ["bad.npy"],
        "bad.npy holds no vector that is finite and not zero: embed the documents again",
    ),
    "one usable vector": (
        saved("bad.npy", np.eye(1, DIM) * np.eye(N, 1)),
        ["bad.npy"],
        "bad.npy holds one vector alone that is finite and not zero: embed the documents again",
    ),
    "text file": (text_file, ["bad.npy"], "bad.npy is not a numpy array file: write it with numpy.save"),
    "truncated array": (truncated_npy, ["bad.npy"], "bad.npy is truncated: 100 bytes are missing: write it again"),
    "strings": (saved("bad.npy", [["a"] * DIM] * N), ["bad.npy"], "bad.npy holds <U1 values, not numbers: "),
    "truncated flat index": (an_index("Flat", -100), ["faiss:bad.faiss"], f"bad.faiss {UNREADABLE}"),
    "index of ten bytes": (an_index("Flat", 10), ["faiss:bad.faiss"], f"bad.faiss {UNREADABLE}"),
    "truncated HNSW index": (
        an_index("HNSW8,Flat", -100),
        ["faiss:bad.faiss"],
        "bad.faiss could not be read as a faiss index (truncated or corrupt), says faiss: ",
    ),
    "duplicate ids": (repeated_ids, ["bad.npz"], "bad.npz: 10 rows repeat an id that another row has, such as 'd0': "),
    "unknown scheme": (nothing, ["nosuch:thing"], "no adapter opens nosuch:thing: can be opened here: "),
    "known engine without adapter": (nothing, ["pinecone:http://x"], "no adapter for pinecone is installed here: "),
    "unknown option": (nothing, ["good.npy?metric=best"], "there is no metric 'best': one of cosine, dot, l2"),
    "query vectors of another dimension": (
        saved("bad.npy", np.ones((M, 5))),
        [*LABELLED[:4], "bad.npy"],
        "bad.npy has dimension 5 where the store has 8: use the embedding model that filled the store",
    ),
    "query vectors with NaN": (
        saved("bad.npy", np.full((M, DIM), np.nan)),
        [*LABELLED[:4], "bad.npy"],
        "bad.npy holds NaN or infinite values: embed those queries again",
    ),
    "too few query vectors": (
        saved("bad.npy", np.ones((M - 1, DIM))),
        [*LABELLED[:4], "bad.npy"],
        "bad.npy has 11 rows for 12 queries of beir: give one row per query, in their order",
    ),
    "missing query vectors": (nothing, [*LABELLED[:4], "no.npy"], "there is no 'no.npy': check the path, "),
    "queries without vectors": (
        nothing,
        LABELLED[:3],
        "queries need vectors: add --query-vectors FILE.npy or --embeddings provider:model",
    ),
    "missing queries": (nothing, ["good.npy", "--queries", "no"], "no does not exist: a BEIR folder holds "),
    "empty queries": (
        lambda: write_queries([]),
        LABELLED,
        'beir/queries.jsonl is empty: write one {"_id": "q1", "text": "…"} per line',
    ),
    "a query with an empty text": (
        lambda: write_queries([{"_id": "q0", "text": "why?"}, {"_id": "q1", "text": "  "}]),
        LABELLED,
        "beir/queries.jsonl, line 2: query q1 has no text: remove or fill it",
    ),
    "queries that are not UTF-8": (
        not_utf8,
        LABELLED,
        "beir/queries.jsonl, line 1 is not UTF-8: save it as UTF-8",
    ),
    "judgements of another store": (
        lambda: write_qrels({f"q{i}": f"x{i}" for i in range(M)}),
        LABELLED,
        "none of the 12 judged ids, such as 'x0', is in good.npy: the judgements belong to another store, ",
    ),
    "judgements of other queries": (
        lambda: write_qrels({"y1": "1"}),
        LABELLED,
        "beir/qrels judges no query of queries.jsonl: check the query ids",
    ),
    "a seed that is no number": (nothing, ["good.npy", "--seed", "x"], "invalid value for '--seed': 'x' is not a "),
    "a model without a provider": (
        nothing,
        ["good.npy", "--embeddings", "minilm"],
        "'minilm' does not name an embedding model: write provider:model, ",
    ),
    "output into no folder": (nothing, ["good.npy", "--output", "no/x.json"], "cannot write no/x.json: there is no "),
    "output onto a folder": (nothing, ["good.npy", "--output", "beir"], "cannot write beir: it is a folder; "),
}


@pytest.mark.parametrize("case", CASES)
def test_one_line_says_what_is_wrong(case: str, capsys: Capture) -> None:
    plant, args, message = CASES[case]
    plant()
    line = refused(args, capsys)
    assert line.replace(f"{Path.cwd()}/", "").startswith(message)


def test_a_large_seed_is_a_number(capsys: Capture) -> None:
    assert main(["audit", "good.npy", "--seed", str(2**70), "--format", "json"]) == 0
    assert json.loads(capsys.readouterr().out)["sampling"]["seed"] == 2**70


def test_some_unknown_ids_are_reported_with_their_share(capsys: Capture) -> None:
    write_qrels({f"q{i}": f"x{i}" if i < 3 else str(i) for i in range(M)})
    assert main(["audit", *LABELLED, "--format", "json", "--select", "RET"]) == 0
    report = json.loads(capsys.readouterr().out)
    finding = report["findings"][0]
    assert (finding["code"], finding["severity"]) == ("RET001", "warning")
    assert finding["evidence"]["judgements.unknown"]["value"] == 0.25
    assert report["comparison"]["runs"][0]["mean"] == 0.75  # they count as missed


class Gadget:
    """What a hostile pickle holds: a call that its reader makes."""

    def __reduce__(self) -> tuple[Callable[[str], int], tuple[str]]:
        return os.system, (f"{sys.executable} -c \"open('pwned', 'w').close()\"",)


def test_a_pickle_with_a_gadget_does_not_run(capsys: Capture) -> None:
    Path("bad").mkdir()
    index = faiss.IndexFlatL2(DIM)
    index.add(np.load("good.npy"))
    faiss.write_index(index, "bad/index.faiss")
    Path("bad/index.pkl").write_bytes(pickle.dumps((Gadget(), {0: "a"})))
    line = refused(["faiss:bad"], capsys)
    assert "bad/index.pkl" in line
    assert "system" in line
    assert not Path("pwned").exists()
    # It is a working gadget, and the rest of the store is in order.
    pickle.loads(Path("bad/index.pkl").read_bytes())
    assert Path("pwned").exists()
    Path("bad/index.pkl").unlink()
    assert open_store("faiss:bad").info.count == N


def test_a_gadget_inside_a_document_does_not_run(capsys: Capture) -> None:
    Path("bad").mkdir()
    index = faiss.IndexFlatL2(DIM)
    index.add(np.load("good.npy"))
    faiss.write_index(index, "bad/index.faiss")
    document = Document(id="a", page_content="x", metadata={"source": Gadget()})
    Path("bad/index.pkl").write_bytes(pickle.dumps(({"a": document}, {0: "a"})))
    assert "bad/index.pkl" in refused(["faiss:bad"], capsys)
    assert not Path("pwned").exists()


@pytest.mark.parametrize("args", [["no.npy"], ["bad.npy"], ["good.npy", "--seed", "x"], ["faiss:bad.faiss"]])
def test_the_program_itself_leaves_with_two(args: list[str]) -> None:
    text_file()
    an_index("HNSW8,Flat", -100)()
    before = listing()
    done = subprocess.run(
        [sys.executable, "-m", "ragdiag", "audit", *args], capture_output=True, text=True, check=False, timeout=120
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert len(done.stderr.splitlines()) == 1
    assert done.stderr.startswith("error: ")
    assert listing() == before


@pytest.mark.parametrize("store", ["v.npy", "npy:v.npy", "npy:./v.npy?metric=cosine"])
def test_the_report_never_replaces_what_is_read(store: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    np.save("v.npy", np.random.default_rng(0).standard_normal((50, 4), dtype=np.float32))
    before = Path("v.npy").read_bytes()
    assert main(["audit", store, "--output", "v.npy"]) == 2
    assert Path("v.npy").read_bytes() == before
