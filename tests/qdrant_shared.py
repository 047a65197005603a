"""A client of Qdrant that stands in for one of a server: all that are made share one engine in this process."""

from __future__ import annotations

from typing import Any

import pytest


class SharedClient:
    """Another connection to the same engine, which stays when it is closed."""

    def __init__(self, engine: Any) -> None:
        self._engine = engine
        self.closed = False

    def __getattr__(self, name: str) -> Any:
        return getattr(self._engine, name)

    def close(self) -> None:
        self.closed = True


def serve(engine: Any, patch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """Let every client of a server be one of `engine`; return the options that they were made with."""
    made: list[dict[str, Any]] = []

    def new_client(**options: Any) -> Any:
        made.append(options)
        return SharedClient(engine)

    patch.setattr("ragdiag_qdrant.place.new_client", new_client)
    return made
