"""When, where and with what versions something was run."""

from __future__ import annotations

import platform
from datetime import datetime
from importlib import metadata

from ragdiag.report.model import RunInfo


def run_info(started: datetime, seconds: float) -> RunInfo:
    """Return what differs between two runs of the same audit."""
    packages = ("ragdiag", "numpy", "scipy", "faiss-cpu", "bm25s", "ir-measures", "langchain-core")
    versions = {"python": platform.python_version()}
    for package in packages:
        try:
            versions[package] = metadata.version(package)
        except metadata.PackageNotFoundError:  # run from a source tree
            continue
    return RunInfo(started.isoformat(timespec="seconds"), round(seconds, 3), platform.node(), versions)
