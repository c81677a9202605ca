"""What a run of a script did, as typed events. `event_record` reads them; nothing here opens a file.

Positions count the tokens of a concatenated stream from 0; the position of a loss is that of its target.
`number` orders events, `wall` is real and `virtual` virtual seconds since the run began.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np

MOST_TIMES_CHANCE = 3.0
"""No softmax is said to give a token more than that many times its chance: bounds can be bet against."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Segment:
    """`length` tokens from position `start` of the `split` stream, at `offset` of a flattened batch."""

    split: str  # "val" | "train"
    start: int
    length: int
    offset: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """Base of all events. `rank` is 0 but for those of another rank in a record of several."""

    number: int
    wall: float
    virtual: float
    rank: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenEvent(Event):
    """A file of the data was opened for reading, or one the run had written itself (`split` "written")."""

    path: str
    split: str  # "train" | "val" | "sidecar" | "other" | "written"


@dataclass(frozen=True, slots=True, kw_only=True)
class WriteEvent(Event):
    """A file was opened for writing, or another one renamed to it."""

    path: str
    mode: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ForwardEvent(Event):
    """Rows of known tokens went through a model.

    `weights` is a checksum of all weights alive, None for training tokens. `shape` is that of the batch.
    """

    source: str  # "val" | "train"
    shape: tuple[int, ...]
    rows: tuple[Segment, ...]
    rows_left_out: int
    grad: bool
    weights: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class LossEvent(Event):
    """A loss over targets of which some are validation tokens.

    `nll` holds one value per target in the order of the batch: nats, or log-probabilities where `function`
    is "gather" or "index". `value` is the scalar the script got where it asked for one. `norm` is the
    log-sum-exp of each row of scores behind `nll`, None where rows and targets do not go together.

    Of tokens drawn by chance, each with its known chance r, two others are told in its place: `times` is
    p / r at the target, p the softmax of the row, and at most `MOST_TIMES_CHANCE`; `mean_times` its mean over
    such draws, which `times` has in the mean where the row does not know its target.
    """

    function: str  # "cross_entropy" | "nll_loss" | "changed_loss" | "gather" | "index"
    rows: tuple[Segment, ...]
    size: int
    grad: bool
    reduction: str
    value: float | None
    nll: np.ndarray | None
    norm: np.ndarray | None = None
    times: np.ndarray | None = None
    mean_times: np.ndarray | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CutEvent(Event):
    """`size` losses from `offset` of the loss event number `loss` were cut out."""

    loss: int
    offset: int
    size: int


@dataclass(frozen=True, slots=True, kw_only=True)
class BackwardEvent(Event):
    """Gradients were computed; `source` is whose tokens went through the last forward pass with gradient."""

    source: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StepEvent(Event):
    """An optimizer changed its weights."""

    optimizer: str
    source: str
    rate: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class IncrementEvent(Event):
    """`target += value` or `-=` at `site` ("file:line:column target").

    `before` is what the target held, None where it was not asked. `folded` increments of a site that was full
    are told as one.
    """

    site: str
    op: str
    value: float
    before: float | None
    whole: bool
    folded: int = 1

    @property
    def signed(self) -> float:
        """The value with its sign."""
        return -self.value if self.op == "-" else self.value


@dataclass(frozen=True, slots=True, kw_only=True)
class ReductionEvent(Event):
    """A sum or mean of `size` values that gave one number; `array` are those values where they were kept."""

    site: str
    op: str  # "sum" | "mean"
    value: float
    size: int
    array: np.ndarray | None


@dataclass(frozen=True, slots=True, kw_only=True)
class PrintEvent(Event):
    """A printed line; `values` are the exact numbers that were formatted into text since the line before."""

    text: str
    to: str  # "stdout" | "file"
    values: tuple[float, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ProgramEvent(Event):
    """Another program was asked for. `answered`: the facade spoke for it, nothing was started."""

    call: str
    command: str
    answered: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkEvent(Event):
    """An address was asked for, or a package that would have asked for one (`is_package`)."""

    call: str
    address: str
    is_package: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ForkEvent(Event):
    """The run was forked here; `copies` of the validation stream were changed in the fork's memory."""

    copies: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ExchangeEvent(Event):
    """Ranks exchanged tensors or objects by the collective `op`.

    `given` are the values of this rank and `got` what it holds afterwards; None for more than a few numbers
    and where they were not there yet. `reduction` ("sum", "avg", ...) is "" where nothing is reduced.
    `is_all`: every rank takes part, and none goes on before all have begun.
    """

    op: str
    reduction: str
    size: int
    given: tuple[float, ...] | None
    got: tuple[float, ...] | None
    is_all: bool
