from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from harness.errors import SetupError
from harness.tokens.shard_file import write_shard
from harness.tokens.validation_stream import load_validation_tokens

if TYPE_CHECKING:
    from pathlib import Path


def two_shards(folder: Path) -> Path:
    write_shard(folder / "fineweb_val_000000.bin", np.array([1, 2, 3]))
    write_shard(folder / "fineweb_val_000001.bin", np.array([4, 5]))
    return folder


def test_shards_are_joined_and_the_tail_is_kept(tmp_path: Path) -> None:
    tokens = load_validation_tokens(two_shards(tmp_path), seq_len=2, vocab_size=6)
    assert tokens.tolist() == [1, 2, 3, 4, 5]
    assert tokens.dtype == np.uint16


def test_a_split_shorter_than_one_sequence_and_its_last_target_is_refused(tmp_path: Path) -> None:
    assert load_validation_tokens(two_shards(tmp_path), seq_len=4, vocab_size=6).size == 5
    with pytest.raises(SetupError, match="has 5 tokens, one sequence of 5 needs 6"):
        load_validation_tokens(tmp_path, seq_len=5, vocab_size=6)


def test_an_id_outside_the_vocabulary_is_named_with_its_place(tmp_path: Path) -> None:
    with pytest.raises(SetupError, match=r"000001\.bin: token id 5 at position 1 .* vocabulary of 5"):
        load_validation_tokens(two_shards(tmp_path), seq_len=2, vocab_size=5)
