"""Run metrics of Ragas, of any of its styles, query by query: no row is lost, none changes its place."""

from __future__ import annotations

import asyncio
import copy
import inspect
import math
import warnings
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from ragdiag.errors import ConfigError
from ragdiag.retrieval.retrieved import Retrieved
from ragdiag_ragas.datasets import samples_of
from ragdiag_ragas.installed import ragas

AT_ONCE = 16  # rows in flight, as in Ragas


@dataclass(frozen=True)
class Outcome:
    """The score of one query, or why there is none; then `score` is NaN."""

    score: float
    failure: str = ""


def ragas_name(metric: Any) -> str:
    """Return the name under which Ragas reports a metric.

    Raises
    ------
    ConfigError
        For what is no metric, such as a class that was not called.
    """
    name = getattr(metric, "name", None)
    if inspect.isclass(metric) or not isinstance(name, str) or not _scores(metric):
        raise ConfigError(f"{metric!r} is no metric", hint="give a name, or a metric object such as Faithfulness()")
    return name


def ragas_scores(metric: Any, queries: Sequence[Retrieved], llm: Any = None) -> list[Outcome]:
    """Return the outcome of each query, in order.

    What raises, gives no finite number, or one outside the metric's own range, has failed; see `worst_score`.

    Parameters
    ----------
    metric : SingleTurnMetric, collections-style BaseMetric, or as by ``@numeric_metric``
        Stays as it is.
    queries : sequence of Retrieved
    llm : LLM of Ragas or of LangChain, optional
        For a metric that has none of its own.

    Raises
    ------
    ConfigError
        When the metric needs an LLM or embeddings and has none.
    """
    ask = _asker(metric, llm)
    samples = samples_of(queries)

    async def one(sample: Any, gate: asyncio.Semaphore) -> Outcome:
        async with gate:
            try:
                return _outcome(await ask(sample), metric)
            except Exception as error:  # whatever a metric or its model raises is a failure of this row
                return _failed(error)

    async def every() -> list[Outcome]:
        gate = asyncio.Semaphore(AT_ONCE)
        # If the whole is cancelled this raises; a CancelledError among the results is a row's own.
        found = await asyncio.gather(*(one(sample, gate) for sample in samples), return_exceptions=True)
        return [_failed(each) if isinstance(each, asyncio.CancelledError) else _raised(each) for each in found]

    outcomes = _in_a_thread(every)
    assert len(outcomes) == len(queries), "every query has an outcome"
    return outcomes


def worst_score(metric: Any, seen: Sequence[float], *, less_is_better: bool) -> float:
    """Return the worst score of a metric: an end of its ``allowed_values``.

    A metric that declares none is taken to go from 0 to 1, or as far as the scores that were seen.

    Examples
    --------
    >>> worst_score(object(), [0.5, -0.5], less_is_better=False)
    -0.5
    """
    low, high = _span(metric) or (min(0.0, *seen, 0.0), max(1.0, *seen, 1.0))
    return high if less_is_better else low


def _failed(error: BaseException) -> Outcome:
    return Outcome(math.nan, f"{type(error).__name__}: {error}".rstrip(": "))


def _raised(found: Outcome | BaseException) -> Outcome:
    if isinstance(found, BaseException):
        raise found
    return found


def _in_a_thread(every: Callable[[], Coroutine[Any, Any, list[Outcome]]]) -> list[Outcome]:
    """Run it in a loop of its own, since a notebook has one running in this thread; Ctrl-C here cancels it there."""
    running: list[tuple[asyncio.AbstractEventLoop, asyncio.Task[Any]]] = []

    async def whole() -> list[Outcome]:
        task = asyncio.current_task()
        assert task is not None, "asyncio.run makes one"
        running.append((asyncio.get_running_loop(), task))
        return await every()

    with ThreadPoolExecutor(1) as thread:
        done = thread.submit(lambda: asyncio.run(whole()))
        try:
            return done.result()
        except BaseException:
            for loop, task in running:
                with suppress(RuntimeError):  # it is over
                    loop.call_soon_threadsafe(task.cancel)
            raise


def _scores(metric: Any) -> bool:
    return hasattr(metric, "single_turn_ascore") or hasattr(metric, "ascore")


def _asker(metric: Any, llm: Any) -> Callable[[Any], Awaitable[Any]]:
    """Return what scores a sample."""
    if hasattr(metric, "single_turn_ascore"):
        ready = _ready(metric, llm)
        timeout = ragas("ragas.run_config").RunConfig().timeout

        async def legacy(sample: Any) -> Any:
            return await ready.single_turn_ascore(sample, timeout=timeout)

        return legacy
    wanted = _fields(metric)
    extra = {}
    if hasattr(metric, "get_variables"):  # asks an LLM that it does not keep
        if llm is None:
            raise ConfigError(f"{metric.name} asks an LLM", hint="give one as llm=")
        extra = {"llm": llm}

    async def modern(sample: Any) -> Any:
        fields = sample.model_dump(exclude_none=True)
        return await metric.ascore(**{name: fields[name] for name in wanted if name in fields}, **extra)

    return modern


def _fields(metric: Any) -> list[str]:
    if hasattr(metric, "get_variables"):
        return list(metric.get_variables())
    function = getattr(metric, "_func", None) or metric.ascore
    return list(inspect.signature(function).parameters)


def _ready(metric: Any, llm: Any) -> Any:
    """Return a copy of a legacy metric with its LLM, so that the one given stays as it is."""
    ready = copy.copy(metric)
    config = ragas("ragas.run_config").RunConfig()
    if hasattr(ready, "llm") and ready.llm is None:
        if llm is None:
            raise ConfigError(f"{metric.name} asks an LLM", hint="give one as llm=")
        ready.llm = _wrapped(llm, config) if hasattr(llm, "agenerate_prompt") else llm
    try:
        ready.init(config)
    except ValueError as error:
        raise ConfigError(f"{metric.name} is not ready", hint=str(error)) from error
    return ready


def _wrapped(llm: Any, config: Any) -> Any:
    """Return a model of LangChain as one of Ragas, as ``ragas.evaluate`` does."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # it has no successor for models of LangChain
        return ragas("ragas.llms.base").LangchainLLMWrapper(llm, run_config=config)


def _span(metric: Any) -> tuple[float, float] | None:
    """Return the range that a metric declares."""
    span = getattr(metric, "allowed_values", None)
    if isinstance(span, range) and span:
        return float(min(span)), float(max(span))
    # Names are those of a discrete metric, a number the length of a ranking; JSON has made lists of tuples.
    if isinstance(span, tuple | list) and len(span) == 2 and all(isinstance(end, int | float) for end in span):
        return float(min(span)), float(max(span))
    return None


def _outcome(found: Any, metric: Any) -> Outcome:
    value = getattr(found, "value", found)
    if value is None:
        return Outcome(math.nan, str(getattr(found, "reason", None) or "it gave no score"))
    if isinstance(value, str) or not _is_number(value):
        return Outcome(math.nan, f"it gave {str(value)[:40]!r}, which is no number")
    score = float(value)
    if not math.isfinite(score):
        return Outcome(math.nan, f"it gave {score}")
    span = _span(metric)
    if span and not span[0] <= score <= span[1]:
        return Outcome(math.nan, f"it gave {score}, outside {span[0]} … {span[1]}")
    return Outcome(score)


def _is_number(value: Any) -> bool:
    try:
        float(value)
    except (TypeError, ValueError):
        return False
    return True
