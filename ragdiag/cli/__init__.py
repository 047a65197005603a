"""The command line: each command parses, makes one library call, and renders."""

from __future__ import annotations

from ragdiag.cli.app import main

__all__ = ["main"]
