"""A data folder small enough for tests: a tokenizer trained on made-up text, and shards of its tokens."""

from __future__ import annotations

import functools
import io
import random
from typing import TYPE_CHECKING

import numpy as np

from harness.tokens.shard_file import write_shard
from reference_model.config_overrides import configured
from reference_model.presets import Size, preset

if TYPE_CHECKING:
    from pathlib import Path

    from reference_model.config import Config

VOCAB_SIZE = 320
_SYLLABLES = ("ba", "co", "di", "fu", "ge", "ha", "lo", "mi", "nu", "po", "ra", "se", "ti", "vu", "wa", "zo")


def made_up_documents(count: int, seed: int = 0) -> list[str]:
    dice = random.Random("the same words for all")
    words = ["".join(dice.choices(_SYLLABLES, k=dice.randint(1, 4))) for _ in range(200)]
    dice = random.Random(seed)
    weights = [1 / (rank + 1) for rank in range(len(words))]
    return [" ".join(dice.choices(words, weights, k=dice.randint(40, 120))) + "." for _ in range(count)]


@functools.cache
def tokenizer_bytes() -> bytes:
    import sentencepiece

    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(made_up_documents(200)),
        model_writer=model,
        vocab_size=VOCAB_SIZE,
        model_type="bpe",
        byte_fallback=True,
        pad_id=0,
        bos_id=1,
        eos_id=2,
        unk_id=3,
        num_threads=1,
        minloglevel=2,
    )
    return model.getvalue()


@functools.cache
def document_tokens(count: int, seed: int) -> np.ndarray:
    import sentencepiece

    tokenizer = sentencepiece.SentencePieceProcessor(model_proto=tokenizer_bytes())
    ids = [[1, *tokenizer.encode(text)] for text in made_up_documents(count, seed)]
    return np.array([token for document in ids for token in document], dtype=np.uint16)


def make_tiny_data(folder: Path, *, train_documents: int = 120, val_tokens: int = 1500) -> Path:
    """Two training shards, one validation shard and `tiny_320.model`."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"tiny_{VOCAB_SIZE}.model").write_bytes(tokenizer_bytes())
    train = document_tokens(train_documents, 1)
    cut = len(train) // 3
    write_shard(folder / "fineweb_train_000000.bin", train[:cut])
    write_shard(folder / "fineweb_train_000001.bin", train[cut:])
    write_shard(folder / "fineweb_val_000000.bin", document_tokens(40, 2)[:val_tokens])
    return folder


def quick_config(name: str = "baseline", **settings: str) -> Config:
    """A preset in its tiny size and vocabulary, shortened to a second; written `group__field="value"`."""
    quick = {
        "model.vocab_size": str(VOCAB_SIZE),
        "data.train_batch_tokens": "256",
        "data.spans_per_step": "2",
        "schedule.iterations": "6",
        "schedule.warmdown_iters": "4",
        "averaging.swa_every": "1" if name == "pr461" else "0",
    }
    chosen = {group_and_field.replace("__", "."): value for group_and_field, value in settings.items()}
    return configured(preset(name, Size.TINY), overrides=quick | chosen)
