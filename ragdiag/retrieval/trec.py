"""A TREC folder: topics in one file, judgements in another."""

from __future__ import annotations

import re
from pathlib import Path

from ragdiag.errors import JudgementsError
from ragdiag.retrieval.judgements import Judgements, check_query, lines, read_qrels

_NO_TEXT = {".jsonl", ".json", ".npy", ".npz", ".parquet", ".gz", ".zip"}
# The tags of the classic format need not be closed.
_TOPIC = re.compile(r"<top>(.*?)(?:</top>|(?=<top>)|\Z)", re.DOTALL | re.IGNORECASE)
_FIELD = r"<{0}>\s*(?:{1}\s*:)?((?:(?!</?[a-z]).)*)"
_NUMBER = re.compile(_FIELD.format("num", "number"), re.DOTALL | re.IGNORECASE)
_TITLE = re.compile(_FIELD.format("title", "topic"), re.DOTALL | re.IGNORECASE)


def topics_and_qrels(folder: Path) -> tuple[list[Path], list[Path]]:
    """Return the files of a folder that may hold topics, and those that may hold judgements."""
    files = sorted(path for path in folder.iterdir() if path.is_file() and path.suffix.lower() not in _NO_TEXT)
    qrels = [path for path in files if "qrel" in path.name.lower()]
    topics = [path for path in files if re.match("topic|quer", path.name.lower()) and path not in qrels]
    return topics, qrels


def read_trec(folder: Path) -> Judgements:
    """Read a folder with one file of topics and one of judgements.

    The topics (``topics*`` or ``queries*``) are lines of id, tab and text, or TREC's ``<top>`` blocks,
    of which the title is the query. The judgements (``*qrel*``) are lines of query id, iteration,
    document id and grade, set off by blanks or tabs.

    Raises
    ------
    JudgementsError
        With the file and the line that cannot be read.
    """
    topics, qrels = topics_and_qrels(folder)
    for what, files in (("topics", topics), ("qrels", qrels)):
        if len(files) != 1:
            found = ", ".join(file.name for file in files) or "none"
            raise JudgementsError(f"{folder} must hold one file of {what}, found {found}", hint="topics.tsv, qrels.txt")
    texts = _tagged(topics[0]) or _tabbed(topics[0])
    if not texts:
        raise JudgementsError(f"{topics[0]} is empty", hint="write the id of a query, a tab and its text per line")
    graded = read_qrels(qrels[0], texts, blanks=True)
    if not any(graded.values()):
        raise JudgementsError(f"{qrels[0]} judges no query of {topics[0].name}", hint="check the query ids")
    return Judgements(str(folder), tuple(texts), tuple(texts.values()), tuple(graded[query] for query in texts))


def _tabbed(file: Path) -> dict[str, str]:
    texts: dict[str, str] = {}
    for number, line in lines(file):
        if not line.strip():
            continue
        id_, tab, text = line.partition("\t")
        if not tab or not id_.strip():
            raise JudgementsError(
                f"{file}, line {number} is not query-id and text", hint="separate them by a tab, or write <top> blocks"
            )
        check_query(texts, id_.strip(), text, f"{file}, line {number}")
        texts[id_.strip()] = text.strip()
    return texts


def _tagged(file: Path) -> dict[str, str]:
    """Return the titles of TREC's blocks, nothing when there are no blocks."""
    whole = "\n".join(line for _, line in lines(file))
    texts: dict[str, str] = {}
    for block in _TOPIC.finditer(whole):
        where = f"{file}, line {whole.count(chr(10), 0, block.start()) + 1}"
        found = _NUMBER.search(block[1]), _TITLE.search(block[1])
        id_, title = (" ".join(match[1].split()) if match else "" for match in found)
        if not id_:
            raise JudgementsError(f"{where}: a topic has no <num>", hint="write <num> and <title> in each <top>")
        check_query(texts, id_, title, where)
        texts[id_] = title
    return texts
