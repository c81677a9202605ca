"""The sizes of a tiny run, and how those of the claimed run map to them."""

from __future__ import annotations

import math
from dataclasses import dataclass

from harness.dynamic.tiny_data import SINGLE_TOKENS

SEQUENCE = 256
STRIDE = 64
CHUNK = 512
HEADS = 4
HEAD_WIDTH = 16
STEPS = 6
BATCH_SEQUENCES = 2  # windows of one forward pass: a batch over the whole stream would hide every cache
MICRO_STEPS = 8  # one process takes as many as the official machine has GPUs
CALIBRATION_BATCHES = 2
MOST_EPOCHS = 3
MOST_INNER_STEPS = 8
LORA_RANK = 4
DOCUMENTS = 3
AVERAGE_DECAY = 0.5
BEYOND = 1_000  # steps that never come
OFFICIAL_VAL_TOKENS = 62_021_846  # harness.tokens.official_totals: of the first tokenizer
_SMALLEST_TABLE = 64
_MOST_QUERIES_PER_KV = 16
_USUAL_SEQUENCE, _USUAL_WIDTH, _USUAL_HEADS, _USUAL_KV_HEADS = 2048, 512, 8, 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Scale:
    """The claimed run's sizes, which the rules measure a value against."""

    sequence: float = _USUAL_SEQUENCE
    """The longest sequence length of the claimed run."""
    train_sequence: float = _USUAL_SEQUENCE
    width: float = _USUAL_WIDTH
    heads: float = _USUAL_HEADS
    kv_heads: float = _USUAL_KV_HEADS
    keeps_width: bool = False
    keeps_limits: bool = False
    micro_steps: int = MICRO_STEPS
    """Passes of one optimizer step, of training and of a batch of validation alike."""
    steps: int = STEPS

    @property
    def queries_per_kv(self) -> int:
        """Query heads that share a key."""
        ratio = self.heads / self.kv_heads if self.kv_heads else 1
        return int(ratio) if ratio == int(ratio) and 1 <= ratio <= _MOST_QUERIES_PER_KV else 1

    @property
    def tiny_heads(self) -> int:
        """Four, or as many as the claimed grouping needs."""
        return HEADS if HEADS % self.queries_per_kv == 0 else 2 * self.queries_per_kv

    @property
    def tiny_width(self) -> int:
        """Of the residual stream."""
        return self.tiny_heads * HEAD_WIDTH

    @property
    def elements(self) -> float:
        """What a limit on the elements of a matrix is multiplied by: matrices shrink on both sides."""
        return 1.0 if self.keeps_width or self.keeps_limits else min(1.0, (self.tiny_width / self.width) ** 2)

    def sequence_of(self, value: float) -> int:
        """A length of the claimed run by the factor that makes its longest one `SEQUENCE`."""
        if self.sequence <= SEQUENCE:
            return int(value)
        return max(32, 32 * round(value * SEQUENCE / self.sequence / 32))

    def width_of(self, value: float) -> int:
        """A width of the claimed run by the factor that makes the model's `tiny_width`."""
        if self.keeps_width:
            return int(value)
        return max(8, 8 * math.ceil(value * self.tiny_width / self.width / 8))


def table_slots(value: float) -> int:
    """Slots with as many tokens each as in the full run; a power of two stays one."""
    slots = value * SINGLE_TOKENS / OFFICIAL_VAL_TOKENS
    if value == 2 ** round(math.log2(value)):
        slots = 2 ** round(math.log2(max(slots, 1)))
    return int(max(_SMALLEST_TABLE, min(slots, value)))
