from __future__ import annotations

import threading
import traceback
from collections.abc import Iterator

import pytest

from ragdiag.stores.ahead import ahead


def threads() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name.startswith("ragdiag-ahead")]


def test_all_comes_in_order_from_one_other_thread() -> None:
    seen = set()

    def numbers() -> Iterator[int]:
        for number in range(50):
            seen.add(threading.get_ident())
            yield number

    assert list(ahead(numbers())) == list(range(50))
    assert len(seen) == 1
    assert seen != {threading.get_ident()}
    assert threads() == []


def test_one_is_made_while_the_last_is_in_use_and_no_more() -> None:
    made: list[int] = []
    second = threading.Event()

    def numbers() -> Iterator[int]:
        for number in range(10):
            made.append(number)
            if number == 1:
                second.set()
            yield number

    running = ahead(numbers())
    assert next(running) == 0
    assert second.wait(10)  # nobody asked for it yet
    assert next(running) == 1
    running.close()  # type: ignore[attr-defined]
    assert len(made) <= 3


def test_nothing_starts_before_the_first_is_asked_for() -> None:
    running = ahead(iter([1]))
    assert threads() == []
    assert next(running) == 1


def test_an_error_comes_after_what_was_read_with_the_place_where_it_happened() -> None:
    def broken() -> Iterator[int]:
        yield 1
        raise ValueError("disk on fire")

    running = ahead(broken())
    assert next(running) == 1
    with pytest.raises(ValueError, match="disk on fire") as caught:
        next(running)
    assert "broken" in [frame.name for frame in traceback.extract_tb(caught.value.__traceback__)]
    assert threads() == []


@pytest.mark.parametrize("stopped", [KeyboardInterrupt, StopIteration, None])
def test_the_thread_ends_with_its_caller(stopped: type[BaseException] | None) -> None:
    closed = threading.Event()

    def endless() -> Iterator[int]:
        try:
            while True:
                yield 1
        finally:
            closed.set()

    def use() -> None:
        for _ in ahead(endless()):
            assert threads()
            if stopped is None:
                return
            raise stopped

    if stopped is None:
        use()
    else:
        with pytest.raises(stopped):
            use()
    assert threads() == []
    assert closed.is_set()
