"""The ways in which products and bounds are computed; every one has to find the same neighbours."""

from __future__ import annotations

import numpy as np

from ragdiag.engine.device import DeviceProducts
from ragdiag.engine.half import HalfProducts
from ragdiag.engine.products import HostProducts, Products
from ragdiag.statistics.bounds import Prefix

PRODUCTS: dict[str, Products] = {
    "float32": HostProducts(1),
    "float32 on three threads": HostProducts(3),
    "bfloat16": HalfProducts(2),
    "device, float32": DeviceProducts("cpu", half=False),
    "device, bfloat16": DeviceProducts("cpu", half=True),
}


def random_prefix(p: int, rng: np.random.Generator) -> Prefix:
    """A bound by some coordinates of a random basis: as loose as one can be."""
    r = int(rng.integers(1, p + 1))
    return Prefix.of(np.linalg.qr(rng.standard_normal((p, r)))[0].astype(np.float32))
