"""The limits of a run, by name: `rules/tracks.toml`, with the numbers of `rules/limits.toml`."""

from __future__ import annotations

import math
import tomllib
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from harness.errors import SetupError, UsageError
from harness.ruleset import RULES_DIR
from harness.sandbox.request import SandboxLimits

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from harness.ruleset import Limits

_NUMBERS = (
    "train_seconds", "eval_seconds", "extra_seconds", "cap_bytes", "ranks", "written_bytes", "processes",
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class RunTrack:
    """What a run may take. Seconds by our clock, bytes; `ranks` 0 is a script without torchrun.

    `extra_seconds` is what a script of one process may take beyond both phases before it is ended: what it
    took is in the record either way. `written_bytes` of disk and `processes` (with threads) keep a run from
    filling the machine; no rule of the challenge names them. `time_scale` multiplied the seconds; anything
    but 1 is no record run. `settings` are variables every script is started with unless the user sets them.
    """

    name: str
    title: str
    train_seconds: float
    eval_seconds: float
    extra_seconds: float
    cap_bytes: int
    ranks: int
    can_be_record: bool
    settings: Mapping[str, str] = field(default_factory=dict)
    written_bytes: int = 8 << 30
    processes: int = 4_096
    time_scale: float = 1.0

    def scaled(self, factor: float) -> RunTrack:
        """The track with `factor` times the time, for slower machines. Raises `UsageError` for odd ones."""
        if not math.isfinite(factor) or not 0 < factor <= 1e6:
            raise UsageError(
                f"--time-scale {factor}: give a number above 0, such as 8 for one GPU instead of 8"
            )
        return replace(
            self,
            train_seconds=self.train_seconds * factor,
            eval_seconds=self.eval_seconds * factor,
            extra_seconds=self.extra_seconds * factor,
            time_scale=self.time_scale * factor,
        )

    @property
    def sandbox_limits(self) -> SandboxLimits:
        """What the sandbox holds a run to, beside the time."""
        return SandboxLimits(written_bytes=self.written_bytes, processes=self.processes)

    @property
    def whole_seconds(self) -> float:
        """After which a script of one process is ended."""
        return self.train_seconds + self.eval_seconds + self.extra_seconds


def load_track(name: str, limits: Limits, directory: Path = RULES_DIR) -> RunTrack:
    """The track of a name. Raises `UsageError` for an unknown one, `SetupError` for a damaged file."""
    path = directory / "tracks.toml"
    try:
        tracks = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise SetupError(f"{path}: cannot be read ({error.strerror}); name another --rules-dir") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SetupError(f"{path} is not valid TOML: {error}") from error
    row = tracks.get(name)
    if not isinstance(row, dict):
        raise UsageError(f"unknown track {name!r}; {path.name} has {', '.join(tracks) or 'none'}")
    numbers = {each: _number(path, name, each, row, limits) for each in _NUMBERS}
    return RunTrack(
        name=name,
        title=str(row.get("title", name)),
        train_seconds=numbers["train_seconds"],
        eval_seconds=numbers["eval_seconds"],
        extra_seconds=numbers["extra_seconds"],
        cap_bytes=int(numbers["cap_bytes"]),
        ranks=int(numbers["ranks"]),
        can_be_record=row.get("can_be_record") is True,
        settings=_settings(path, name, row),
        written_bytes=int(numbers["written_bytes"]),
        processes=int(numbers["processes"]),
    )


def _settings(path: Path, track: str, row: Mapping[str, Any]) -> dict[str, str]:
    settings = row.get("settings", {})
    if not isinstance(settings, dict) or not all(isinstance(value, str) for value in settings.values()):
        raise SetupError(f"{path}: {track}.settings must be a table of texts, not {str(settings)[:60]}")
    return dict(settings)


def _number(path: Path, track: str, name: str, row: Mapping[str, Any], limits: Limits) -> float:
    value = row.get(name)
    if isinstance(value, str):
        return limits.number(value)
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value < math.inf:
        raise SetupError(f"{path}: {track}.{name} is {value!r}; write a number, or a name of limits.toml")
    return float(value)
