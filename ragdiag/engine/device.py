"""Products on a GPU, or on whatever torch calls a device."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypeVar

import numpy as np

from ragdiag.engine.half import HalfProducts, half_pays, in_half, rounded_down
from ragdiag.engine.local import LocalEngine
from ragdiag.engine.products import GROUP, Held, HostProducts, Products, rounded_up
from ragdiag.errors import ConfigError, MissingExtraError
from ragdiag.types import Float32, Float64, IntArray

T = TypeVar("T")
DEVICES = ("auto", "cpu", "cuda", "mps")
ON_DEVICE = 32_768  # documents per block: a GPU needs larger products than a CPU


@dataclass(frozen=True)
class TorchEngine(LocalEngine):
    """Reads batch after batch; torch multiplies, on any device, in bfloat16 where that is faster.

    What it multiplies only says who is a candidate; candidates are scored in float64 on the CPU, so that neighbours
    and scores are those of `LocalEngine`.

    Parameters
    ----------
    batch_size : int
        Documents per block.
    threads : int, optional
        Of the CPU; by default one per core.
    device : str
        ``"cpu"``, ``"cuda"``, ``"cuda:1"``, ``"mps"``; ``"auto"`` is the first of CUDA, MPS and CPU that is there.
    """

    device: str = "auto"

    @cached_property
    def products(self) -> Products:
        """On the device."""
        torch = _torch()
        device = self.device if self.device != "auto" else _first_device(torch)
        kind = device.partition(":")[0]
        if kind == "cpu":
            return HalfProducts(self.threads) if half_pays() else HostProducts(self.threads)
        backend = {"cuda": torch.cuda, "mps": torch.backends.mps}.get(kind)
        if backend is None:
            raise ConfigError(f"device {self.device!r} is not known", hint=f"give one of {', '.join(DEVICES)}")
        if not backend.is_available():
            raise ConfigError(
                f"this machine has no {kind} device that torch {torch.__version__} can use",
                hint="give auto or cpu, or install the build of torch for it",
            )
        return DeviceProducts(device, half=kind == "cuda")


def engine_for(device: str | None) -> LocalEngine:
    """Return the engine of a ``--device``: without one, numpy on all cores."""
    if device is None:
        return LocalEngine()
    engine = TorchEngine(device=device)
    return engine if isinstance(engine.products, HostProducts) else TorchEngine(device=device, batch_size=ON_DEVICE)


def _torch() -> Any:
    try:
        import torch
    except ImportError as error:
        raise MissingExtraError(
            "torch is not installed", hint="pip install 'ragdiag[torch]', or leave --device out"
        ) from error
    return torch


def _first_device(torch: Any) -> str:
    if torch.cuda.is_available():
        return "cuda"
    return "mps" if torch.backends.mps.is_available() else "cpu"


class DeviceProducts:
    """Bounds that stay on the device; only the few entries that reach their limit come back.

    Parameters
    ----------
    device : str
    half : bool
        In bfloat16, bounded as by `HalfProducts`; else in float32, TF32 not allowed.
    """

    threads = 1  # the device is busy with one
    candidate = 10_000.0  # by the CPU

    def __init__(self, device: str, *, half: bool) -> None:
        self._torch = _torch()
        self._device, self._half = device, half
        self.rounding = HalfProducts.rounding if half else HostProducts.rounding

    def hold(self, X: Float32, rest: Float64) -> Held:
        """Take vectors and rests to the device."""
        if self._half:
            bits, rests = in_half(X, rest)
            return Held(self._torch.from_numpy(bits).view(self._torch.bfloat16).to(self._device), rests)
        values = np.concatenate([X, rounded_up(rest)[:, None]], axis=1)
        return Held(self._torch.from_numpy(values).to(self._device), rest)

    def upper(self, documents: Held, queries: Held) -> Any:
        """Return one matrix product, on the device."""
        allowed = self._torch.backends.cuda.matmul.allow_tf32
        self._torch.backends.cuda.matmul.allow_tf32 = False
        try:
            return documents.values @ queries.values.T
        finally:
            self._torch.backends.cuda.matmul.allow_tf32 = allowed

    def leaders(self, upper: Any, k: int) -> IntArray:
        """Return the best rows of the k best groups of rows."""
        rows, columns = upper.shape
        size = max(1, rows // (GROUP * k))
        best, inner = upper[: rows // size * size].reshape(-1, size, columns).max(dim=1)
        chosen = best.topk(k, dim=0).indices
        return self._host(chosen * size + inner.gather(0, chosen))

    def reached(self, upper: Any, limit: Float32) -> tuple[IntArray, IntArray]:
        """Look for entries on the device."""
        row, column = self._torch.nonzero(upper >= self._limit(limit), as_tuple=True)
        return self._host(row), self._host(column)

    def reached_rows(self, upper: Any, limit: Float32) -> tuple[IntArray, IntArray]:
        """Look for entries on the device."""
        row, column = self._torch.nonzero(upper >= self._limit(limit)[:, None], as_tuple=True)
        return self._host(row), self._host(column)

    def at(self, upper: Any, row: IntArray, column: IntArray) -> Float32:
        """Return entries of U, and as much more as they may have been rounded down by."""
        where = (self._torch.from_numpy(np.ascontiguousarray(index)).to(self._device) for index in (row, column))
        values: Float32 = upper[tuple(where)].float().cpu().numpy()
        more: Float32 = np.abs(values) * np.float32(self.rounding / 2)
        return values + more

    def each(self, work: Callable[[T], None], tiles: Sequence[T]) -> None:
        """Do tiles one after the other."""
        for tile in tiles:
            work(tile)

    def _limit(self, limit: Float32) -> Any:
        if self._half:
            return self._torch.from_numpy(rounded_down(limit)).view(self._torch.bfloat16).to(self._device)
        return self._torch.from_numpy(limit).to(self._device)

    @staticmethod
    def _host(index: Any) -> IntArray:
        found: IntArray = index.cpu().numpy().astype(np.int64)
        return found
