"""The data folder of a run: training shards, validation stream, and the bytes behind each token."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from harness.errors import SetupError
from harness.tokens.byte_table import byte_table_of_sentencepiece
from harness.tokens.shard_file import shard_paths
from harness.tokens.validation_stream import load_validation_tokens

if TYPE_CHECKING:
    import numpy as np

    from harness.tokens.byte_table import ByteTable
    from reference_model.config import Config
    from reference_model.evaluation.evaluator_stream import EvaluatorStream
    from reference_model.training.run_log import RunLog


@dataclass(frozen=True, slots=True, kw_only=True)
class ValidationData:
    """Tokens (whole numbers, one dimension) and the byte table of their tokenizer."""

    tokens: np.ndarray
    table: ByteTable
    tokenizer: Path
    stream: EvaluatorStream | None = None
    """What hands the tokens out, where an evaluator owns the score."""


def open_validation(
    config: Config, data_dir: Path, tokenizer: Path | None = None, stream: EvaluatorStream | None = None
) -> ValidationData:
    """The validation split of `data_dir`, or what `stream` hands out instead of it.

    Raises SetupError when shards or tokenizer are missing or disagree.
    """
    if stream is not None:
        tokens: np.ndarray = stream.tokens
    else:
        tokens = load_validation_tokens(
            data_dir,
            seq_len=max(config.data.train_seq_len, config.evaluation.eval_seq_len),
            vocab_size=config.model.vocab_size,
        )
    tokenizer = tokenizer or found_tokenizer(data_dir, config.model.vocab_size)
    table = byte_table_of_sentencepiece(tokenizer, config.model.vocab_size)
    return ValidationData(tokens=tokens, table=table, tokenizer=tokenizer, stream=stream)


def found_tokenizer(data_dir: Path, vocab_size: int) -> Path:
    """The SentencePiece model that belongs to shards in `data_dir`.

    Looked for there, in its `tokenizers` folder and in that of the folders above (data/datasets/NAME beside
    data/tokenizers, as the challenge lays them out); of several the one named after the vocabulary.
    Raises SetupError when there is none, or no single one.
    """
    home = data_dir.resolve()
    places = [home, home / "tokenizers", home.parent / "tokenizers", home.parent.parent / "tokenizers"]
    for place in places:
        models = sorted(place.glob("*.model"))
        named = [path for path in models if str(vocab_size) in path.stem]
        if len(models) == 1 or len(named) == 1:
            return models[0] if len(models) == 1 else named[0]
        if models:
            names = ", ".join(path.name for path in models)
            raise SetupError(
                f"{place} holds several tokenizers ({names}); choose one with --tokenizer FILE "
                "(a packed script: TOKENIZER_PATH=FILE)"
            )
    looked = ", ".join(str(place) for place in places)
    raise SetupError(
        f"no tokenizer (*.model) in {looked}; name it with --tokenizer FILE "
        "(a packed script: TOKENIZER_PATH=FILE)"
    )


def log_data(log: RunLog, data_dir: Path, validation: ValidationData | None, *, trains: bool = True) -> None:
    """The lines that say which data the run reads; `tokens` are predicted ones, one fewer than there are."""
    if validation is not None:
        tokenizer, here = validation.tokenizer, Path.cwd()
        if tokenizer.is_relative_to(here):  # a log that is published need not tell where it was made
            tokenizer = tokenizer.relative_to(here)
        log(f"val_bpb:enabled tokenizer_kind=sentencepiece tokenizer_path={tokenizer}")
    if trains:
        shards = shard_paths(data_dir, "train")
        log(f"train_loader:dataset:{data_dir.resolve().name} train_shards:{len(shards)}")
    if validation is not None and validation.stream is not None:
        log(f"val_loader:evaluator tokens:{validation.tokens.size - 1}")
    elif validation is not None:
        pattern = data_dir / "fineweb_val_*.bin"
        log(f"val_loader:shards pattern={pattern} tokens:{validation.tokens.size - 1}")
