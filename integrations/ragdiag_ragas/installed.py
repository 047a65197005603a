"""Ragas, imported where it is used, and without its telemetry."""

from __future__ import annotations

import os
import sys
import warnings
from importlib import import_module
from typing import Any

from ragdiag.errors import MissingExtraError

QUIET = "RAGAS_DO_NOT_TRACK"


def ragas(module: str = "ragas") -> Any:
    """Return a module of Ragas.

    Ragas reports what is evaluated to its makers unless ``RAGAS_DO_NOT_TRACK`` is set: where it says nothing, it is
    set to ``true`` for this process first.

    Parameters
    ----------
    module : str
        Such as ``"ragas.metrics.base"``.

    Raises
    ------
    MissingExtraError
        When Ragas is not installed, or cannot be imported beside what is.
    """
    if QUIET not in os.environ:
        os.environ[QUIET] = "true"
        if "ragas._analytics" in sys.modules:  # it remembers what the variable said
            sys.modules["ragas._analytics"].do_not_track.cache_clear()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # its own, of what it imports
            return import_module(module)
    except ImportError as error:
        missing = isinstance(error, ModuleNotFoundError) and error.name == "ragas"
        raise MissingExtraError(
            "Ragas is not installed" if missing else f"Ragas cannot be imported ({error})",
            hint="pip install 'ragdiag[ragas]'",
        ) from error
