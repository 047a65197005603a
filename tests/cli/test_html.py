"""``--html``, ``--no-texts`` and ``--group-by``: the words, the codes and the files."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pytest

from ragdiag.cli import main
from ragdiag.report.html import to_html
from ragdiag.report.json import to_json
from ragdiag.report.terminal import to_text
from ragdiag.stores import ArrayStore, write_store
from tests.cli.conftest import FakeAudit
from tests.report.page_parser import Page, assert_self_contained
from tests.report.sample import CLEAN, FULL

Capture = pytest.CaptureFixture[str]


def test_the_page_is_written_beside_what_is_shown(fake: FakeAudit, capsys: Capture, tmp_path: Path) -> None:
    assert main(["audit", "./x.npy", "--html", "page.html"]) == 1
    out, err = capsys.readouterr()
    assert out == to_text(FULL) + "\n"
    assert err == "ragdiag: page.html written.\n"
    assert (tmp_path / "page.html").read_text("utf-8") == to_html(FULL) + "\n"
    assert list(tmp_path.iterdir()) == [tmp_path / "page.html"]


def test_it_goes_with_json(fake: FakeAudit, capsys: Capture, tmp_path: Path) -> None:
    fake.report = CLEAN
    assert main(["audit", "./x.npy", "--html", "page.html", "--format", "json"]) == 0
    assert json.loads(capsys.readouterr().out)["findings"] == []
    assert_self_contained(Page((tmp_path / "page.html").read_text("utf-8")))


def test_without_texts_no_format_has_one(fake: FakeAudit, capsys: Capture, tmp_path: Path) -> None:
    main(["audit", "./x.npy", "--html", "page.html", "--format", "json", "--no-texts"])
    said = capsys.readouterr().out + (tmp_path / "page.html").read_text("utf-8")
    for text in ("Contact support, edition", "Press the ring", "how do I reset it?", "Three rooms"):
        assert text in to_json(FULL)
        assert text not in said
    assert "faq-000" in said


@pytest.mark.parametrize(
    ("path", "why"),
    [
        ("nowhere/page.html", "there is no folder"),
        (".", "it is a folder"),
        ("-", "--html writes a file, and - is none"),
        ("out.json", "--html and --output are both"),
    ],
)
def test_a_page_that_cannot_be_written_is_told_before_the_work(
    fake: FakeAudit, capsys: Capture, path: str, why: str
) -> None:
    assert main(["audit", "./x.npy", "--html", path, "--output", "out.json"]) == 2
    out, err = capsys.readouterr()
    assert (out, fake.calls) == ("", [])
    assert why in err


def test_a_page_does_not_replace_what_is_read(fake: FakeAudit, capsys: Capture, tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", np.eye(3))
    before = (tmp_path / "x.npy").read_bytes()
    assert main(["audit", "./x.npy", "--html", "x.npy"]) == 2
    assert "it belongs to" in capsys.readouterr().err
    assert (tmp_path / "x.npy").read_bytes() == before


def test_a_missing_extra_is_told_before_the_work(
    fake: FakeAudit, capsys: Capture, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "plotly.graph_objects", None)
    assert main(["audit", "./x.npy", "--html", "page.html"]) == 2
    assert "pip install 'ragdiag[html]'" in capsys.readouterr().err
    assert fake.calls == []
    assert list(tmp_path.iterdir()) == []


def test_the_key_of_the_groups_reaches_the_page(capsys: Capture, tmp_path: Path) -> None:
    X = np.random.default_rng(0).standard_normal((120, 8)).astype(np.float32)
    store = ArrayStore(X, metadata=[{"colour": "red" if i % 3 else "blue"} for i in range(120)])
    write_store(str(tmp_path / "v.parquet"), store.scan(), dim=8, metric=None)
    options = ["--select", "IDX001", "--html", "page.html", "--group-by"]
    assert main(["audit", "v.parquet", *options, "colour"]) == 0
    assert "By colour" in Page((tmp_path / "page.html").read_text("utf-8")).text
    assert main(["audit", "v.parquet", *options, "size"]) == 0
    words = Page((tmp_path / "page.html").read_text("utf-8")).text
    assert "No sampled document has the metadata key 'size'; keys that there are: 'colour'." in words


def test_a_comparison_has_a_page_too(capsys: Capture, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    X = rng.standard_normal((80, 8)).astype(np.float32)
    np.save(tmp_path / "v.npy", X)
    np.save(tmp_path / "q.npy", X[:40] + 0.3 * rng.standard_normal((40, 8)).astype(np.float32))
    lines = [json.dumps({"query": f"which is {i}?", "relevant": [str(i)]}) for i in range(40)]
    (tmp_path / "labels.jsonl").write_text("\n".join(lines))
    given = ["--queries", "labels.jsonl", "--query-vectors", "q.npy", "-s", "cosine", "-s", "centred"]
    assert main(["compare", "v.npy", *given, "--html", "page.html"]) == 0
    page = Page((tmp_path / "page.html").read_text("utf-8"))
    assert_self_contained(page)
    assert {"differences", "queries"} <= set(page.figures)
    assert "Labelled retrieval" in page.text
    assert [section["id"] for section in page.find("section")] == ["comparison", "method"]
    assert page.text.count("Leave it alone") + page.text.count("Rank by") == 1
    assert "No rule" not in page.text
