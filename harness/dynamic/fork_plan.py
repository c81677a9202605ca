"""Where a run is forked, and what each fork changes: one token of the validation stream, and nothing else."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from harness.errors import SetupError

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True, kw_only=True)
class ForkPlan:
    """The forks of one run.

    The run is forked once for each of `tokens` behind the first printed line whose event is numbered
    `after_event` or more. A fork has that token at `position` of the validation stream, in memory and on
    disk, and ends when it has written `most_events` events, or after `seconds`.
    """

    after_event: int
    position: int
    tokens: tuple[int, ...]
    most_events: int
    seconds: float = 60.0

    def as_json(self) -> dict[str, Any]:
        """Plain data."""
        return {**asdict(self), "tokens": list(self.tokens)}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> ForkPlan:
        """What `as_json` wrote. Raises `SetupError` when it is none."""
        try:
            return cls(**{**data, "tokens": tuple(int(token) for token in data["tokens"])})
        except (TypeError, ValueError, KeyError) as error:
            raise SetupError(f"plan: the forks cannot be read ({error})") from error


def branch_mark(index: int) -> str:
    """What the names of the files of fork `index` (0, 1, ...) have before their ending."""
    return f".fork{index}"
