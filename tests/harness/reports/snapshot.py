"""Whole-output comparison with files under tests/harness/snapshots.

`GOLF_UPDATE_SNAPSHOTS=1 pytest tests/harness` rewrites the files; the diff is then reviewed like code.
"""

from __future__ import annotations

import os
from pathlib import Path

SNAPSHOTS = Path(__file__).resolve().parent / "snapshots"


def assert_snapshot(name: str, text: str) -> None:
    """The text equals the snapshot of that name, byte for byte."""
    path = SNAPSHOTS / name
    if os.environ.get("GOLF_UPDATE_SNAPSHOTS") == "1":
        path.write_bytes(text.encode("utf-8"))
    assert path.is_file(), f"no snapshot {path.name}; run with GOLF_UPDATE_SNAPSHOTS=1 and review it"
    assert text == path.read_bytes().decode("utf-8")
