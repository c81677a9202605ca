"""One way in which the claimed score saw its own tokens, with the events that show it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from harness.audit.events import (
        Exported,
        ForwardPass,
        Reloaded,
        Score,
        Selected,
        Sink,
        Spot,
        Update,
    )


class Shape(StrEnum):
    """What a reviewer would call it."""

    ADAPT_THEN_SCORE = "adapt-then-score"  # one phase learns from validation, a later one scores it
    DISCARDED_SCORE = "discarded-score"  # as above, with a first score that nothing reports
    RESCORE = "rescore"  # a proper first pass, then the adapted state scores everything again
    SWAPPED = "swapped"  # inside one chunk or document: learns, then scores
    AHEAD = "ahead"  # an update takes tokens that a later pass of the same loop scores
    EPOCHS = "epochs"  # the loop repeats the same tokens: a later epoch scores what an earlier one learned
    LOWEST_OF_PASSES = "lowest-of-passes"  # the lowest loss of several passes is kept
    PREQUANT = "prequant"  # learned before the artifact was written, scored after it was read back
    VAL_TRAINING = "val-training"  # the training loop itself reads validation
    VAL_CALIBRATION = "val-calibration"  # a quantiser's statistics
    SLOT_SCORED = "slot-scored"  # a per-batch delta optimised on the positions it then scores
    SLOT_CONTEXT = "slot-context"  # a delta optimised on other positions, as far as can be seen
    TABLE_FIRST = "table-first"  # a table filled from tokens that are scored with it later
    TARGET_INSIDE = "target-inside"  # the logits were computed from the very tokens they score


@dataclass(frozen=True, slots=True, kw_only=True)
class Breach:
    """A score inside the claimed number and an update inside the state that made it.

    `doubts` are what keeps it from being proven: then it is a question, not a violation. `first` is an
    earlier score of the same tokens (discarded, or reported elsewhere), `unused` an earlier pass over them
    that no loss was taken from. `others` counts further pairs of the same shape. `repeats` is the known
    number of passes of the repeating loop.
    """

    shape: Shape
    score: Score
    update: Update
    sink: Sink | None
    doubts: tuple[str, ...] = ()
    first: Score | None = None
    unused: ForwardPass | None = None
    export: Exported | None = None
    reload: Reloaded | None = None
    selected: Selected | None = None
    repeats: int | None = None
    others: int = 0

    @property
    def first_spot(self) -> Spot | None:
        """Where the network ran over the same tokens before it learned from them."""
        if self.first is not None:
            return self.first.forward
        return self.unused.at if self.unused is not None else None

    @property
    def is_proven(self) -> bool:
        """True when the chain from tokens to printed number has no gap."""
        return not self.doubts
