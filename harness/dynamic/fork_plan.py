"""Where a run is forked, and what each fork changes: a few tokens of the validation stream, nothing else."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from harness.errors import SetupError

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True, kw_only=True)
class ForkPlan:
    """The forks of one run.

    The run is forked behind its printed line number `after_line` (1, 2, ...). Fork i has
    `tokens[i]` at `positions[i]` of the validation stream, in memory and on disk, and ends when it has
    written `most_events[i]` events, or after `seconds`.
    """

    after_line: int
    positions: tuple[tuple[int, ...], ...]
    tokens: tuple[tuple[int, ...], ...]
    most_events: tuple[int, ...]
    seconds: float = 60.0

    def __post_init__(self) -> None:
        """Refuse forks whose places and tokens do not go together."""
        fits = len(self.positions) == len(self.tokens) == len(self.most_events)
        if not fits or any(
            len(where) != len(what) for where, what in zip(self.positions, self.tokens, strict=True)
        ):
            raise SetupError("plan: the forks have not as many tokens as positions")

    def changes(self, index: int) -> dict[int, int]:
        """Token by position, of fork `index`."""
        return dict(zip(self.positions[index], self.tokens[index], strict=True))

    def as_json(self) -> dict[str, Any]:
        """Plain data."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> ForkPlan:
        """What `as_json` wrote. Raises `SetupError` when it is none."""
        try:
            lists = {
                name: tuple(tuple(int(each) for each in row) for row in data[name])
                for name in ("positions", "tokens")
            }
            most = tuple(int(each) for each in data["most_events"])
            return cls(**{**data, **lists, "most_events": most})
        except (TypeError, ValueError, KeyError) as error:
            raise SetupError(f"plan: the forks cannot be read ({error})") from error


def branch_mark(index: int) -> str:
    """What the names of the files of fork `index` (0, 1, ...) have before their ending."""
    return f".fork{index}"
