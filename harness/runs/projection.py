"""What the times of a run might be on the track's own machine: a projection, never a measurement.

Method: seconds times (GPUs used x their dense BF16 peak) over (GPUs of the track x theirs). It takes the same
share of the peak to be reached on both machines and work that spreads evenly over ranks, and says nothing of
the score: more steps fit into the same time on the faster machine, and what they bring is not known.
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from harness.errors import SetupError
from harness.ruleset import RULES_DIR

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from harness.ruleset import Limits

METHOD = "seconds x GPUs used x their dense BF16 peak / the same of the track's machine"


@dataclass(frozen=True, slots=True, kw_only=True)
class Projection:
    """Seconds on `target`; `why_not` says why there are none."""

    target: str
    method: str = METHOD
    factor: float | None = None
    seconds: tuple[tuple[str, float], ...] = ()  # phase and projected seconds, largest over the seeds
    why_not: str = ""

    def as_json(self) -> dict[str, Any]:
        """Plain data."""
        return {
            "is_projection": True,
            "target": self.target,
            "method": self.method,
            "factor": self.factor,
            "seconds": dict(self.seconds),
            "why_not": self.why_not,
        }


def projected_times(
    machine: Mapping[str, Any],
    ranks: int,
    phases: Sequence[tuple[str, float]],
    limits: Limits,
    directory: Path = RULES_DIR,
) -> Projection:
    """The longest of each phase in `phases` (name and seconds) on the track's machine.

    `machine` is that of a record, `ranks` how many of its GPUs worked. Raises `SetupError` for a damaged
    table of GPUs.
    """
    count = limits.integer("hardware.world_size")
    form = f"{limits.text('hardware.gpu_name')} {limits.text('hardware.gpu_form')}"
    target = f"{count}x {form}"
    peaks = _peaks(directory / "hardware.toml")
    there = _peak(limits.text("hardware.gpu_name"), peaks)
    gpus = machine.get("gpus") or []
    names = sorted({str(gpu.get("name", "")) for gpu in gpus})
    if not gpus:
        return Projection(target=target, why_not="no GPU was used: a processor has no peak to scale from")
    here = _peak(names[0], peaks)
    if len(names) > 1 or here is None or there is None:
        return Projection(target=target, why_not=f"no peak is known for {' and '.join(names)}")
    factor = max(ranks, 1) * here / (count * there)
    longest: dict[str, float] = {}
    for name, seconds in phases:
        longest[name] = max(longest.get(name, 0.0), seconds * factor)
    return Projection(target=target, factor=factor, seconds=tuple(longest.items()))


def _peak(name: str, peaks: Sequence[tuple[str, float]]) -> float | None:
    return next((peak for known, peak in peaks if known in name), None)


def _peaks(path: Path) -> list[tuple[str, float]]:
    try:
        rows = tomllib.loads(path.read_text(encoding="utf-8"))["gpu"]
        return [(str(row["name"]), float(row["dense_bf16_tflops"])) for row in rows]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise SetupError(f"{path}: no table of GPUs ({error}); install the package again") from error
