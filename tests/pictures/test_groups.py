from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from ragdiag import Plan, audit
from ragdiag.pictures.groups import LENGTH, MOST, groups
from ragdiag.stores import ArrayStore
from ragdiag.testing.worlds import isotropic

LISTED = np.tile(np.array([1, 3, 0, 4]), 100)
LANGUAGES: list[dict[str, Any]] = [{"lang": "de" if i % 4 < 2 else "en", "page": i} for i in range(400)]
TEXTS = ["x" * (10 + i) for i in range(400)]


def test_a_key_is_guessed_by_its_name_and_said_to_be() -> None:
    (by_key, by_length), note = groups(LANGUAGES, TEXTS, LISTED)
    assert (by_key.key, by_key.asked, note) == ("lang", False, "")
    german, english = sorted(by_key.groups, key=lambda group: group.name)
    assert (german.documents, english.documents) == (200, 200)
    # (1 + 3)/2 and (0 + 4)/2 lists, over a mean of 2.
    assert german.listed.value == pytest.approx(1.0)
    assert english.listed.value == pytest.approx(1.0)
    assert (german.listed.null, german.orphans, english.orphans) == (1.0, 0.0, 0.5)
    assert german.listed.low == pytest.approx(1 - 1.9719565 * 0.5 * np.sqrt(200 / 199) / np.sqrt(200), abs=1e-4)
    assert by_length.key == LENGTH
    assert [group.documents for group in by_length.groups] == [100, 100, 100, 100]


def test_a_key_that_was_asked_for() -> None:
    (by_key, _), note = groups(LANGUAGES, TEXTS, LISTED, key="page")
    assert (by_key.key, by_key.asked, len(by_key.groups), by_key.left_out) == ("page", True, MOST, 400 - MOST)
    found, note = groups(LANGUAGES, TEXTS, LISTED, key="colour")
    assert [one.key for one in found] == [LENGTH]
    assert note == "No sampled document has the metadata key 'colour'; keys that there are: 'lang', 'page'."


@pytest.mark.parametrize(
    "metadata",
    [
        [{"title": f"own {i}"} for i in range(400)],
        [{"lang": "de"}] * 400,
        [{}] * 400,
        [None] * 400,
        [{"lang": []}] * 400,
    ],
    ids=["each its own", "all the same", "empty", "none", "no plain value"],
)
def test_what_parts_nothing_is_not_guessed(metadata: list[dict[str, Any] | None]) -> None:
    found, _ = groups(metadata, [None] * 400, LISTED)
    assert found == ()


def test_an_audit_groups_what_it_has_read() -> None:
    X = isotropic(np.random.default_rng(0), 300, 8)
    metadata = [{"section": "abc"[i % 3]} for i in range(300)]
    pictures = audit(ArrayStore(X, metadata=metadata, metric="cosine"), plan=Plan(group_by="section")).pictures
    assert pictures is not None
    (found,) = pictures.groups
    assert [(group.name, group.documents) for group in found.groups] == [("a", 100), ("b", 100), ("c", 100)]
    assert sum((group.listed.value or 0) * group.documents for group in found.groups) == pytest.approx(300)
