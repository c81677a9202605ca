"""How far a script says it is, read from its log while it runs: for displays, never for a verdict."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

_LONGEST_LINE = 4_096
# The baseline's lines ("step:100/20000 train_loss:3.1 train_time:...") and what people make of them.
_STEP = re.compile(rb"\bstep[ :=]{1,3}(\d{1,9})(?:\s?/\s?(\d{1,9}))?")
_LOSS = re.compile(rb"\b(?:train_|val_)?loss[ :=]{1,3}(\d{1,6}(?:\.\d{1,12})?)")


@dataclass(slots=True)
class ToldProgress:
    """The last step, the number of steps and the last loss a log named; None before it named one."""

    step: float | None = None
    steps: float | None = None
    loss: float | None = None

    def read(self, line: bytes) -> None:
        """Take in one line of the log, whatever it holds."""
        line = line[:_LONGEST_LINE]
        if step := _STEP.search(line):
            self.step = float(step[1])
            if step[2]:
                self.steps = float(step[2])
        if loss := _LOSS.search(line):
            value = float(loss[1])
            if math.isfinite(value):
                self.loss = value

    def numbers(self) -> dict[str, float | None]:
        """As a `StepEvent` carries them."""
        return {"told_step": self.step, "told_steps": self.steps, "told_loss": self.loss}
