"""A record as one JSON file, without pickle; read as if a stranger wrote it."""

from __future__ import annotations

import base64
import json
import math
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ragdiag.errors import RecordError
from ragdiag.types import Float32
from ragdiag_langchain.traffic import HIGHER, LOWER, MOST_SOURCES, MOST_UNREACHED, Retrieval, Traffic

SCHEMA = "ragdiag.retrievals/2"
_SCHEMAS = "ragdiag.retrievals/"
_LARGEST = 2**30  # bytes
_MOST = 2**53  # of any count
_TEXTS = ("query", "error", "run_id", "parent_run_id", "direction")
_FLAGS = ("known", "apart", "relevance")


def to_bytes(sizes: tuple[int, int], unreached: Sequence[str], traffic: Mapping[str, Traffic]) -> bytes:
    """Return the bytes of a record: ASCII, with the sources and ids in order."""
    whole = {
        "schema": SCHEMA,
        "capacity": sizes[0],
        "reservoir": sizes[1],
        "unreached": list(unreached),
        "sources": {name: _source(traffic[name]) for name in sorted(traffic)},
    }
    return json.dumps(whole, indent=0, allow_nan=False).encode("ascii") + b"\n"


def _source(traffic: Traffic) -> dict[str, Any]:
    bins = traffic.durations.bins
    return {
        "asked": traffic.asked,
        "empty": traffic.empty,
        "unknown": traffic.unknown,
        "apart": traffic.apart,
        "errors": dict(sorted(traffic.errors.items())),
        "votes": dict(sorted(traffic.votes.items())),
        "total": traffic.items.total,
        "missing": traffic.items.missing,
        "counts": dict(sorted(traffic.items.counts.items())),
        "durations": {str(at): int(bins[at]) for at in np.flatnonzero(bins)},
        "sample": [_entry(*entry) for entry in sorted(traffic.sample, key=lambda entry: entry[1])],
        "texts": dict(sorted(traffic.heads().items())),
    }


def _entry(key: float, number: int, retrieval: Retrieval) -> dict[str, Any]:
    scores, vector = retrieval.scores, retrieval.vector
    return {
        "key": -key,
        "number": number,
        **{name: getattr(retrieval, name) for name in (*_TEXTS, *_FLAGS)},
        "ids": list(retrieval.ids),
        # A score may be infinite, and JSON has no word for that.
        "scores": None if scores is None else [s if math.isfinite(s) else str(s) for s in scores],
        "vector": None if vector is None else base64.b64encode(vector.astype("<f4").tobytes()).decode("ascii"),
        "seconds": retrieval.seconds,
    }


def read(path: Path) -> tuple[tuple[int, int], tuple[str, ...], dict[str, Traffic]]:
    """Return the sizes, what was not reached, and the sources that `to_bytes` wrote.

    Raises
    ------
    RecordError
        When it is anything else.
    """
    try:
        if path.exists() and not path.is_file():  # reading a pipe would wait for ever
            raise RecordError(
                f"{path} cannot be read: it is no file", hint="give a file that RetrievalRecord.save wrote"
            )
        if path.stat().st_size > _LARGEST:
            raise RecordError(f"{path} is too large", hint="give a file that RetrievalRecord.save wrote")
        content = path.read_bytes()
    except OSError as error:
        raise RecordError(f"{path} cannot be read", hint="give a file that RetrievalRecord.save wrote") from error
    try:
        whole = json.loads(content.decode("ascii"))
        _must(isinstance(whole, dict), f"it is not of the schema {SCHEMA}")
        found = whole.get("schema")
        older = isinstance(found, str) and found.startswith(_SCHEMAS)
        _must(found == SCHEMA, f"it is of {found:.40}, and {SCHEMA} is read" if older else f"it is not of {SCHEMA}")
        sizes = (_count(whole["capacity"], 1), _count(whole["reservoir"], 1))
        unreached = tuple(_text(what) for what in _list(whole["unreached"]))
        _must(len(unreached) <= MOST_UNREACHED, "too much was not reached")
        sources = {_text(name): _traffic(found, sizes) for name, found in _dict(whole["sources"]).items()}
        _must(len(sources) <= MOST_SOURCES + 1, "there are too many sources")
    except (KeyError, TypeError, ValueError, RecursionError, OverflowError) as error:
        what = f"it lacks {error}" if isinstance(error, KeyError) else str(error)
        raise RecordError(f"{path} is no record of retrievals ({what:.100})", hint="save it again") from error
    return sizes, unreached, sources


def _traffic(found: Any, sizes: tuple[int, int]) -> Traffic:
    traffic = Traffic(*sizes)
    traffic.asked, traffic.empty = _count(found["asked"]), _count(found["empty"])
    traffic.unknown, traffic.apart = _count(found["unknown"]), _count(found["apart"])
    traffic.errors = {_text(name): _count(count) for name, count in _dict(found["errors"]).items()}
    votes = _dict(found["votes"])
    traffic.votes = {name: _count(votes[name]) for name in (HIGHER, LOWER)}
    traffic.items.total, traffic.items.missing = _count(found["total"]), _count(found["missing"])
    traffic.items.counts = {_text(id_): _count(count) for id_, count in _dict(found["counts"]).items()}
    for at, count in _dict(found["durations"]).items():
        _must(re.fullmatch(r"\d{1,4}", at, re.ASCII) is not None, "a bin has no number")
        traffic.durations.bins[_count(int(at), 0, len(traffic.durations.bins) - 1)] = _count(count)
    traffic.texts = {_text(id_): _text(text) for id_, text in _dict(found["texts"]).items()}
    _must(isinstance(found["sample"], list) and len(found["sample"]) <= sizes[1], "its sample is too large")
    entries = [_read_entry(entry, traffic.asked) for entry in found["sample"]]
    _must(len({number for _, number, _ in entries}) == len(entries), "two retrievals have one number")
    asked = int(traffic.durations.bins.sum())
    _must(asked == traffic.asked and len(entries) == min(asked, sizes[1]), "its counts disagree")
    _must(traffic.empty + traffic.unknown + sum(traffic.errors.values()) <= asked, "its counts disagree")
    _must(traffic.apart <= asked, "its counts disagree")
    _must(sum(traffic.items.counts.values()) <= traffic.items.total, "its counts disagree")
    traffic.sample = sorted(entries, key=lambda entry: (entry[0], entry[1]))  # sorted is a heap
    return traffic


def _read_entry(found: Any, asked: int) -> tuple[float, int, Retrieval]:
    key = _number(found["key"])
    _must(0 <= key < 1, "a random number is not between 0 and 1")
    texts: dict[str, Any] = {name: _text(found[name]) for name in _TEXTS}
    _must(texts["direction"] in ("", HIGHER, LOWER), "a direction is unknown")
    flags = {name: found[name] for name in _FLAGS}
    _must(all(type(flag) is bool for flag in flags.values()), "a flag is neither true nor false")
    ids, scores = tuple(_text(id_) for id_ in _list(found["ids"])), found["scores"]
    if scores is not None:
        scores = tuple(_score(score) for score in _list(scores))
        _must(len(scores) == len(ids), "there are not as many scores as documents")
    seconds = _number(found["seconds"])
    _must(seconds >= 0, "a duration is negative")
    vector = _vector(found["vector"])
    retrieval = Retrieval(ids=ids, scores=scores, vector=vector, seconds=seconds, **texts, **flags)
    return -key, _count(found["number"], 0, max(asked - 1, 0)), retrieval


def _vector(found: Any) -> Float32 | None:
    if found is None:
        return None
    content = base64.b64decode(_text(found), validate=True)
    vector = np.frombuffer(content, dtype="<f4").astype(np.float32)
    _must(vector.size > 0, "a vector is empty")
    return vector


def _score(found: Any) -> float:
    return float(found) if found in ("inf", "-inf", "nan") else _number(found)


def _must(held: bool, otherwise: str) -> None:
    if not held:
        raise ValueError(otherwise)


def _count(found: Any, least: int = 0, most: int = _MOST) -> int:
    _must(type(found) is int and least <= found <= most, "a count is no whole number in range")
    return int(found)


def _number(found: Any) -> float:
    _must(type(found) in (int, float) and math.isfinite(found), "a number is none")
    return float(found)


def _text(found: Any) -> str:
    _must(isinstance(found, str), "a text is none")
    return str(found)


def _list(found: Any) -> list[Any]:
    _must(isinstance(found, list), "a list is none")
    return list(found)


def _dict(found: Any) -> dict[str, Any]:
    _must(isinstance(found, dict), "a mapping is none")
    return dict(found)
