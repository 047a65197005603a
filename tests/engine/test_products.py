from __future__ import annotations

import threading
import time
from typing import Any

import numpy as np
import pytest

from ragdiag.engine import TorchEngine, products
from ragdiag.engine.device import DeviceProducts, engine_for
from ragdiag.engine.half import HalfProducts, rounded_down
from ragdiag.engine.products import HostProducts, Products, parts, rounded_up
from ragdiag.errors import ConfigError
from ragdiag.statistics.bounds import Prefix, Whole
from ragdiag.types import Float32, Float64
from ragdiag.vectors import row_norms
from tests.statistics.kernels import PRODUCTS, random_prefix
from tests.statistics.worlds import WORLDS, World


def _scaled(X: Float32) -> tuple[Float32, Float64]:
    norms, exponents = np.frexp(row_norms(X))
    return np.ldexp(X, -exponents[:, None]), norms


def _numbers(products: Products, upper: Any) -> Float32:
    rows, columns = np.indices(tuple(upper.shape))
    return products.at(upper, rows.ravel(), columns.ravel()).reshape(tuple(upper.shape))


@pytest.mark.parametrize("kind", list(PRODUCTS))
@pytest.mark.parametrize("world", WORLDS, ids=lambda world: world.__name__)
def test_a_bound_is_never_below_the_product_and_above_it_by_the_rests_alone(world: World, kind: str) -> None:
    products = PRODUCTS[kind]
    for case in range(10):
        rng = np.random.default_rng([case, WORLDS.index(world)])
        d = int(rng.integers(2, 70))
        X, (Q, norms) = world(rng, 60, d), _scaled(world(rng, 40, d))
        whole: list[Whole | Prefix] = [Whole(d), random_prefix(d, rng)]
        for bound in whole:
            documents = products.hold(*bound.lower(X, row_norms(X)))
            queries = products.hold(*bound.lower(Q, norms))
            upper = _numbers(products, products.upper(documents, queries)).astype(np.float64)
            exact = X.astype(np.float64) @ Q.astype(np.float64).T
            assert (upper >= exact).all()
            if isinstance(bound, Whole):
                slack = 2.01 * np.outer(documents.rests, queries.rests) + products.rounding * np.abs(upper)
                assert (upper - slack <= exact).all()


@pytest.mark.parametrize("kind", list(PRODUCTS))
@pytest.mark.parametrize("sign", [1, -1])
def test_what_reaches_a_limit_is_found_entry_by_entry(kind: str, sign: int) -> None:
    products = PRODUCTS[kind]
    rng = np.random.default_rng(3)
    for b, t in ((1, 1), (15, 3), (16, 16), (100, 37), (257, 40)):
        X, Q = rng.standard_normal((b, 8), dtype=np.float32), rng.standard_normal((t, 8), dtype=np.float32)
        held, asked = products.hold(X, np.zeros(b)), products.hold(Q, np.zeros(t))
        upper = products.upper(held, asked)
        numbers = np.asarray(_numbers(products, upper))
        across = sign * np.abs(rng.standard_normal(t)).astype(np.float32)
        found = set(zip(*products.reached(upper, across), strict=True))
        assert {(i, j) for i in range(b) for j in range(t) if numbers[i, j] >= across[j] + 0.05} <= found
        assert all(numbers[i, j] >= across[j] - 0.05 for i, j in found)
        down = sign * np.abs(rng.standard_normal(b)).astype(np.float32)
        found = set(zip(*products.reached_rows(upper, down), strict=True))
        assert {(i, j) for i in range(b) for j in range(t) if numbers[i, j] >= down[i] + 0.05} <= found
        assert all(numbers[i, j] >= down[i] - 0.05 for i, j in found)


@pytest.mark.parametrize("kind", list(PRODUCTS))
def test_leaders_are_different_rows_with_large_entries(kind: str) -> None:
    products = PRODUCTS[kind]
    rng = np.random.default_rng(4)
    X, Q = rng.standard_normal((500, 16), dtype=np.float32), rng.standard_normal((20, 16), dtype=np.float32)
    upper = products.upper(products.hold(X, np.zeros(500)), products.hold(Q, np.zeros(20)))
    leaders = products.leaders(upper, 6)
    assert leaders.shape == (6, 20)
    assert all(len(set(column)) == 6 for column in leaders.T)
    best = np.asarray(_numbers(products, upper)).argmax(axis=0)
    assert all(best[j] in leaders[:, j] for j in range(20))


def test_limits_are_rounded_down_and_rests_up() -> None:
    values = np.random.default_rng(5).standard_normal(10_000) * 10.0 ** np.random.default_rng(6).uniform(
        -30, 30, 10_000
    )
    single = values.astype(np.float32)
    low = (rounded_down(single).astype(np.int32) << 16).view(np.float32)
    assert (low <= single).all()
    assert (np.abs(low - single) <= np.abs(single) * 2.0**-7).all()
    assert (rounded_up(values) >= values).all()


def test_a_device_that_is_not_there_is_told() -> None:
    torch = pytest.importorskip("torch")
    with pytest.raises(ConfigError, match="device 'tpu' is not known"):
        engine_for("tpu")
    if not torch.cuda.is_available():
        with pytest.raises(ConfigError, match="no cuda device"):
            engine_for("cuda")


def test_engines_of_a_device() -> None:
    assert type(engine_for(None).products) is HostProducts
    assert isinstance(TorchEngine(device="cpu").products, HostProducts)
    assert isinstance(HalfProducts(1), HostProducts)
    assert not isinstance(DeviceProducts("cpu", half=True), HostProducts)


class Libraries:
    """Stands for the BLAS of this process."""

    def __init__(self) -> None:
        self.threads, self._before = 2, 0

    def limit(self, *, limits: int, user_api: str) -> Libraries:
        assert user_api == "blas"
        self._before, self.threads = self.threads, limits
        return self

    def restore_original_limits(self) -> None:
        self.threads = self._before


def test_blas_gets_its_threads_back_whoever_ends_first(monkeypatch: pytest.MonkeyPatch) -> None:
    blas, libraries = products._Blas(), Libraries()
    blas.__dict__["_libraries"] = libraries
    monkeypatch.setattr(products, "_BLAS", blas)
    inside, others, within = threading.Barrier(2), threading.Barrier(2), []

    def first(_: int) -> None:
        inside.wait()  # both are in
        within.append(libraries.threads)

    def second(_: int) -> None:
        inside.wait()
        others.wait()  # the first has left
        within.append(libraries.threads)

    threads = [threading.Thread(target=HostProducts(2).each, args=(work, [0])) for work in (first, second)]
    for thread in threads:
        thread.start()
    threads[0].join()
    others.wait()
    threads[1].join()
    assert within == [1, 1]
    assert libraries.threads == 2


def test_work_may_ask_for_more_work() -> None:
    host, done = HostProducts(2), []
    host.each(lambda i: host.each(lambda j: done.append((i, j)), [0, 1]), [0, 1])
    assert sorted(done) == [(0, 0), (0, 1), (1, 0), (1, 1)]


def test_a_failure_waits_for_the_others() -> None:
    host, started, done = HostProducts(2), threading.Event(), []

    def work(i: int) -> None:
        if i == 0:
            started.wait()
            raise ValueError("the first")
        started.set()
        time.sleep(0.1)
        done.append(i)

    with pytest.raises(ValueError, match="the first"):
        host.each(work, [0, 1])
    assert done == [1]


@pytest.mark.parametrize(
    ("n", "threads", "most"), [(0, 2, None), (1, 7, 10), (511, 2, None), (512, 2, None), (9001, 3, 2000)]
)
def test_parts_cover_every_row_once(n: int, threads: int, most: int | None) -> None:
    cut = parts(n, threads, most)
    assert [row for part in cut for row in range(n)[part]] == list(range(n))
    sizes = [part.stop - part.start for part in cut]
    assert max(sizes, default=0) - min(sizes, default=0) <= 1
    assert max(sizes, default=0) <= (most or n)
