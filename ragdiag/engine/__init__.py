"""Engines: they read a store once and feed every statistic."""

from ragdiag.engine.base import Block, Engine, Progress, Step
from ragdiag.engine.device import TorchEngine
from ragdiag.engine.local import LocalEngine
from ragdiag.engine.passes import SamePasses

__all__ = ["Block", "Engine", "LocalEngine", "Progress", "SamePasses", "Step", "TorchEngine"]
