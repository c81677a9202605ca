"""A tokenizer trained in a tenth of a second, and documents for it."""

from __future__ import annotations

import functools
import tempfile
from pathlib import Path

from harness.tokens.demo_corpus import train_tokenizer

TINY_VOCAB_SIZE = 300
TINY_DOCUMENTS = (
    "The quick brown fox jumps over the lazy dog, and the dog sleeps on.",
    "  Two spaces before,  two between and a tab\tafter; a line\nthat ends.",
    "Numbers 1234 and 5.67 are split into digits, every one of them.",
    "Grüße aus Köln: naïve café, 東京 and 🙂, for which bytes are spelt out.",
    "x",
    "",
)


@functools.cache
def _trained() -> tempfile.TemporaryDirectory[str]:
    folder = tempfile.TemporaryDirectory(prefix="golf-tiny-tokenizer-")
    train_tokenizer(Path(folder.name) / "tiny.model", TINY_DOCUMENTS[:3] * 20, vocab_size=TINY_VOCAB_SIZE)
    return folder


def tiny_tokenizer() -> Path:
    """The model file, made once per process and removed with it."""
    return Path(_trained().name) / "tiny.model"
