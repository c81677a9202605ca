"""What one child of the dynamic audit is asked to run: written by the parent, read inside the sandbox."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from harness.errors import SetupError

if TYPE_CHECKING:
    from collections.abc import Mapping

DEVICES = ("cpu", "cuda")
_TUPLES = ("argv", "val_files", "train_files", "drawn_weights")


@dataclass(frozen=True, slots=True, kw_only=True)
class RunPlan:
    """One run of a script. All paths are those the child sees, the same for every run of a submission."""

    script: str
    argv: tuple[str, ...] = ()
    """Arguments after the script's name."""
    environment: Mapping[str, str] = field(default_factory=dict)
    """Put over the child's own before the script starts: the shrunk knobs and the claimed switches."""
    literals: Mapping[str, int | float | str | bool] = field(default_factory=dict)
    """Class attributes, module constants and keyword defaults to override, by name."""
    local_literals: Mapping[str, int | float | str | bool] = field(default_factory=dict)
    """The same for constants that a function binds once."""
    data: str
    out: str
    """Folder the child may write events and arrays to."""
    val_files: tuple[str, ...] = ()
    train_files: tuple[str, ...] = ()
    vocab_size: int
    device: str = "cpu"
    """`cpu` shows the script a CUDA device that computes on the CPU; `cuda` leaves the real one alone."""
    world_size: int = 1
    rank: int = 0
    captures: bool = True
    element_scale: float = 1.0
    """What limits on the elements of a tensor, as written in the script, are multiplied by."""
    one_micro_batch: bool = False
    """Whether a step is to take one pass where the script says eight by the number of ranks."""
    train_backward_seconds: float = 11.25
    """What one backward pass of training takes on the virtual clock: six steps with eight micro-steps walk
    through a schedule of 540 of 600 seconds."""
    val_backward_seconds: float = 0.01
    """The same for a backward pass over validation tokens, which no budget should stop."""
    fork: Mapping[str, Any] | None = None
    adapts: bool = True
    """False takes every optimizer step on validation tokens back: the same run with adaptation off."""
    drawn_weights: tuple[int, ...] = ()
    """Where the validation tokens were drawn by chance: the weight of each id. Losses then tell `times` and
    `mean_times`."""

    def __post_init__(self) -> None:
        """Refuse what no child can run."""
        if self.device not in DEVICES:
            raise SetupError(f"plan: device {self.device!r} is none of {', '.join(DEVICES)}")
        if not 0 <= self.rank < self.world_size:
            raise SetupError(f"plan: rank {self.rank} is none of {self.world_size} ranks")
        if self.world_size > 1 and self.device == "cuda":
            raise SetupError("plan: several ranks are played on the CPU; on the real GPU runs one")
        if self.world_size > 1 and self.fork is not None:
            raise SetupError("plan: a run of several ranks cannot be forked")

    def as_json(self) -> dict[str, Any]:
        """Plain data."""
        data = asdict(self)
        for name in _TUPLES:
            data[name] = list(data[name])
        return data

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> RunPlan:
        """The plan that `as_json` wrote. Raises `SetupError` when it is none."""
        try:
            fields = dict(data)
            for name in _TUPLES:
                fields[name] = tuple(fields.get(name, ()))
            return cls(**fields)
        except (TypeError, ValueError) as error:
            raise SetupError(f"plan: cannot be read ({error})") from error
