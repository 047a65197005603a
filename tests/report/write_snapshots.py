"""Write what the terminal report has to look like: ``python -m tests.report.write_snapshots``, then look at it."""

from __future__ import annotations

from pathlib import Path

from ragdiag.report.terminal import to_text
from tests.report.sample_pictures import PICTURED

SNAPSHOTS = Path(__file__).parent / "snapshots"
# File: columns and the encoding of the stream.
LOOKS = {
    "terminal-60.txt": (60, "utf-8"),
    "terminal-80.txt": (80, "utf-8"),
    "terminal-120.txt": (120, "utf-8"),
    "terminal-80-ascii.txt": (80, "ascii"),
}


def look(name: str) -> str:
    """Return the sample report as the snapshot of this name shows it."""
    width, encoding = LOOKS[name]
    return to_text(PICTURED, width=width, encoding=encoding) + "\n"


if __name__ == "__main__":
    SNAPSHOTS.mkdir(exist_ok=True)
    for name in LOOKS:
        (SNAPSHOTS / name).write_text(look(name), encoding="utf-8")
        print(f"{SNAPSHOTS / name} written; look at it.")
