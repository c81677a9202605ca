"""The validation split as one whole stream of tokens: how much of its tail is scored is the evaluator's part.

Source: load_validation_tokens of train_gpt.py on main of openai/parameter-golf, which joins the shards in the
order of their names and cuts the stream to whole sequences; here the tail is kept.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from harness.errors import SetupError
from harness.tokens.shard_file import read_shard, shard_paths

if TYPE_CHECKING:
    from pathlib import Path


def load_validation_tokens(data_dir: Path, *, seq_len: int, vocab_size: int) -> np.ndarray:
    """Every validation token, uint16, one dimension; at least `seq_len` + 1 of them, each below `vocab_size`.

    Raises SetupError where the split is missing, damaged, shorter than one sequence and its last target, or
    written with a larger vocabulary.
    """
    paths = shard_paths(data_dir, "val")
    shards = []
    for path in paths:
        tokens = read_shard(path)
        if tokens.size and int(tokens.max()) >= vocab_size:
            raise SetupError(
                f"{path}: token id {int(tokens.max()):,} at position {int(tokens.argmax()):,} is outside the "
                f"vocabulary of {vocab_size:,}; the data was written with another tokenizer"
            )
        shards.append(tokens)
    stream: np.ndarray = np.concatenate(shards)
    if stream.size < seq_len + 1:
        raise SetupError(
            f"{data_dir}: the validation split has {stream.size:,} tokens, one sequence of {seq_len:,} needs "
            f"{seq_len + 1:,}; use more validation documents or a shorter sequence"
        )
    return stream
