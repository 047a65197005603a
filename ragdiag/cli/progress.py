"""How far the work is, on stderr, for work that lasts."""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Callable
from types import TracebackType
from typing import TYPE_CHECKING

from ragdiag.report.escape import clean

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

PATIENCE = 1.0
AGAIN = 30.0  # seconds between two lines of one stage in a log


class StderrProgress:
    """Progress that stays silent for a second; then a bar on a terminal, a line now and then in a log.

    Both say how long the stage will go on, as fast as it went so far.

    Parameters
    ----------
    clock : callable
        Seconds, only ever growing.

    Examples
    --------
    >>> with StderrProgress() as progress:
    ...     progress("searching", 1, 2)
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._started = clock()
        self._began: dict[str, tuple[float, int]] = {}
        self._told: dict[str, float] = {}
        self._bar: Progress | None = None
        self._tasks: dict[str, TaskID] = {}

    def __enter__(self) -> StderrProgress:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._bar.stop()
            self._bar = None

    def __call__(self, stage: str, done: int, total: int) -> None:
        """Tell that `done` of `total` steps of `stage` are done."""
        now = self._clock()
        began, at_first = self._began.setdefault(stage, (now, done))
        if now - self._started < PATIENCE:
            return
        told = clean(stage, encoding=sys.stderr.encoding or "utf-8")
        if sys.stderr.isatty():
            self._draw(told, done, total)
        elif done < total and now - self._told.get(stage, -AGAIN) >= AGAIN:  # a stage that is over needs no words
            self._told[stage] = now
            left = (
                f", about {_spoken((now - began) * (total - done) / (done - at_first))} left" if done > at_first else ""
            )
            print(f"{told}: {done:,} of {total:,}{left}", file=sys.stderr, flush=True)

    def _draw(self, stage: str, done: int, total: int) -> None:
        if self._bar is None:
            self._bar = _new_bar()
            self._bar.start()
        if stage not in self._tasks:
            for task in self._tasks.values():
                self._bar.update(task, visible=False)
            self._tasks[stage] = self._bar.add_task(stage, total=total)
        self._bar.update(self._tasks[stage], completed=done, total=total)


def _spoken(seconds: float) -> str:
    """Return a length of time, rounded up, in the unit that tells enough."""
    if seconds < 100:
        return f"{math.ceil(seconds)} s"
    return f"{math.ceil(seconds / 60)} min" if seconds < 6000 else f"{math.ceil(seconds / 3600)} h"


def _new_bar() -> Progress:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    # stdout is not rich's to redirect: the result goes there, and it may be JSON.
    return Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(bar_width=30),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=Console(stderr=True),
        transient=True,
        redirect_stdout=False,
        redirect_stderr=False,
    )
