"""What one line of a train log can say, as typed events.

`grammar` makes them, `runs` puts them together. Values keep the line they were printed on.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from harness.finding import Sourced
    from harness.logs.training_log import EvalPass, SizeLine, Timed, TrainingStop


@dataclass(frozen=True, slots=True, kw_only=True)
class Fact:
    """A single value of a run. `rank` orders competing sources: the lower one wins, then the first.

    `name` is a field of Run ("seed", "world_size", ...) or "eval_seconds".
    """

    name: str
    value: Sourced[str]
    rank: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """A training step line. `train_seconds` is the training clock, `resolution` its last digit in seconds."""

    line: int
    step: int
    planned_steps: int | None
    train_loss: float | None
    train_seconds: Sourced[float] | None
    step_avg_ms: Sourced[float] | None
    number: Sourced[int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Stop:
    """The line on which training ended."""

    line: int
    stop: TrainingStop


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """A line with a validation score."""

    line: int
    score: EvalPass


@dataclass(frozen=True, slots=True, kw_only=True)
class Duration:
    """A named activity and how long it took; whether it came after the stop is known to the run."""

    line: int
    timed: Timed


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """A printed size."""

    line: int
    size: SizeLine


@dataclass(frozen=True, slots=True, kw_only=True)
class Counter:
    """An integer counter, keyed "prefix.name"."""

    key: str
    value: Sourced[int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """A hyperparameter. `in_dump` is False for `key:value` pairs on ordinary header lines."""

    key: str
    value: Sourced[str]
    in_dump: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Launch:
    """A line that only a starting process prints (launcher, interpreter banner, hyperparameter dump)."""

    line: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """A Python traceback begins here."""

    text: Sourced[str]


Event = Fact | Step | Stop | Score | Duration | Size | Counter | Setting | Launch | Failure
