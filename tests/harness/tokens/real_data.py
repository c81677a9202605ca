"""Where real documents and the official tokenizers lie, for the tests marked `shared`."""

from __future__ import annotations

import os
from pathlib import Path

import pytest


def shared_data() -> Path:
    """The data folder under GOLF_SHARED; skips the test when the variable is not set."""
    if "GOLF_SHARED" not in os.environ:
        pytest.skip("GOLF_SHARED names no folder with data/fineweb_docs.jsonl")
    return Path(os.environ["GOLF_SHARED"]) / "data"
