"""The data of a run, looked at before anything runs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from harness.errors import SetupError
from harness.runs.run_data import checked_data

if TYPE_CHECKING:
    from pathlib import Path


def test_a_shard_in_place_of_the_folder_is_told_so(tmp_path: Path) -> None:
    shard = tmp_path / "fineweb_val_000000.bin"
    shard.write_bytes(b"")
    with pytest.raises(SetupError, match="is a file; name the folder that holds the shards"):
        checked_data(shard)
