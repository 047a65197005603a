from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ragdiag.report.escape import clean, shorten
from tests.report.sample import columns

HOSTILE = [
    ("\x1b[31mred\x1b[0m", "\\x1b[31mred\\x1b[0m"),
    ("\x1b]0;title\x07", "\\x1b]0;title\\x07"),
    ("c1 \x9b2J", "c1 \\x9b2J"),
    ("a\u202eb", "a\\u202eb"),
    ("a\u2066b\u2069", "a\\u2066b\\u2069"),
    ("back\x08\x08space", "back\\x08\\x08space"),
    ("null\x00byte", "null\\x00byte"),
    ("lone \ud800 surrogate", "lone \\ud800 surrogate"),
    ("tag \U000e0041", "tag \\U000e0041"),
    ("line\r\nline\u2028line\x85end", "line line line end"),
    ("[bold]markup[/bold] :smile:", "[bold]markup[/bold] :smile:"),
    ("می\u200cخواهم 👩\u200d🔬", "می\u200cخواهم 👩\u200d🔬"),
]


@pytest.mark.parametrize(("text", "shown"), HOSTILE)
def test_what_a_terminal_would_obey_is_shown_not_done(text: str, shown: str) -> None:
    assert clean(text) == shown


def test_stacked_marks_do_not_climb() -> None:
    assert clean("e" + "\u0301" * 6) == "e" + "\u0301" * 4 + "\\u0301\\u0301"


def test_our_own_signs_are_spelled_where_they_cannot_be_shown() -> None:
    assert clean("a × b → “c” … μ≥1 é", encoding="ascii") == 'a x b -> "c" ... mu>=1 \\xe9'
    assert clean("Fläche ×", encoding="latin-1") == "Fläche ×"


@given(st.text())
def test_cleaned_text_is_one_harmless_line(text: str) -> None:
    shown = clean(text)
    assert all(char in "\u200c\u200d" or unicodedata.category(char)[0] != "C" for char in shown)
    assert "\n" not in shown
    assert clean(shown) == shown
    clean(text, encoding="ascii").encode("ascii")


@given(st.text(), st.integers(4, 40))
def test_a_shortened_text_fits(text: str, cells: int) -> None:
    from rich.cells import cell_len

    assert cell_len(shorten(clean(text), cells)) <= cells


def test_wide_characters_count_twice() -> None:
    assert shorten("漢字漢字漢字", 7) == "漢字漢…"
    assert columns("漢字漢…") == 7
