"""Under which settings a script is audited: its defaults, a documented command, a shell script, or a log.

What a script does depends on its environment, so each way it is known to have been run is a profile of its
own, and every value keeps the line that says so. Built by `harness.audit.profiles`; plain data, so that it
crosses the border of the guarded process as JSON.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from harness.evidence.seed_evidence import Evidence
    from harness.file_tree import FileTree
    from harness.submission import Submission

OFFICIAL_WORLD_SIZE = 8
MOST_LOG_LINES = 3_000  # of one profile; a log with more proves nothing by its silence
LONGEST_LOG_LINE = 300


class ProfileKind(StrEnum):
    """What says that a script is run this way."""

    DEFAULTS = "defaults"  # the official machine, nothing set
    COMMAND = "command"  # a command in the README
    SHELL = "shell"  # a shell script of the folder
    LOG = "log"  # a log: the settings it prints, over those of the command that fits


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """A value as it was written, and where: `source` is "README.md:12", for messages."""

    value: str
    source: str
    file: str
    line: int

    def as_json(self) -> dict[str, Any]:
        """Plain data; `source` is made again from file and line."""
        return {"value": self.value, "source": self.source, "file": self.file, "line": self.line}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Setting:
        """The setting that `as_json` wrote."""
        return cls(
            value=str(data["value"]),
            source=str(data["source"]),
            file=str(data["file"]),
            line=int(data["line"]),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class RunProfile:
    """One way the entry script was or is to be run.

    `environment` holds environment variables, `attributes` printed hyperparameters (numbers and booleans
    only, never rank, world size or paths), `argv` the words after the script's name. `log_lines` are
    distinct lines of the log without its training steps: what they print certainly ran. `is_claim`: the
    claimed score comes from this profile; `claimed_values` are the scores its log printed for the claim, in
    bits per byte. `unknown` are environment variables that are set to what only a running shell would know.
    `also` are the names of profiles with the same settings.
    """

    name: str
    kind: ProfileKind
    environment: Mapping[str, Setting] = field(default_factory=dict)
    attributes: Mapping[str, Setting] = field(default_factory=dict)
    argv: tuple[str, ...] = ()
    world_size: int = OFFICIAL_WORLD_SIZE
    is_claim: bool = False
    log_lines: tuple[tuple[int, str], ...] = ()
    log_file: str | None = None
    claimed_values: tuple[float, ...] = ()
    unknown: tuple[str, ...] = ()
    also: tuple[str, ...] = ()

    def as_json(self) -> dict[str, Any]:
        """Plain data, settings sorted by name."""
        return {
            "name": self.name,
            "kind": self.kind.value,
            "environment": {name: one.as_json() for name, one in sorted(self.environment.items())},
            "attributes": {name: one.as_json() for name, one in sorted(self.attributes.items())},
            "argv": list(self.argv),
            "world_size": self.world_size,
            "is_claim": self.is_claim,
            "log_lines": [[number, text] for number, text in self.log_lines],
            "log_file": self.log_file,
            "claimed_values": list(self.claimed_values),
            "unknown": list(self.unknown),
            "also": list(self.also),
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> RunProfile:
        """The profile that `as_json` wrote."""
        return cls(
            name=str(data["name"]),
            kind=ProfileKind(data["kind"]),
            environment={name: Setting.from_json(one) for name, one in data["environment"].items()},
            attributes={name: Setting.from_json(one) for name, one in data["attributes"].items()},
            argv=tuple(str(word) for word in data["argv"]),
            world_size=int(data["world_size"]),
            is_claim=bool(data["is_claim"]),
            log_lines=tuple((int(number), str(text)) for number, text in data["log_lines"]),
            log_file=None if data["log_file"] is None else str(data["log_file"]),
            claimed_values=tuple(float(value) for value in data["claimed_values"]),
            unknown=tuple(str(name) for name in data["unknown"]),
            also=tuple(str(name) for name in data["also"]),
        )


# Without a profile marked as the claim: what the author says to run comes before what runs by default.
_PREFERRED = {"log": 0, "shell": 1, "command": 2, "defaults": 3}


def claim_index(runs: Sequence[RunProfile]) -> int:
    """Which of these runs made the claimed score; there is at least one."""
    return min(
        range(len(runs)),
        key=lambda at: (not runs[at].is_claim, _PREFERRED.get(runs[at].kind.value, len(_PREFERRED))),
    )


def run_profiles(
    submission: Submission, files: FileTree | None = None, evidence: Evidence | None = None
) -> tuple[RunProfile, ...]:
    """Every way the entry script is known to be run, the defaults first; settings never repeat.

    `files` gives the lines of the logs (without it profiles have no `log_lines`); `evidence` says which logs
    hold the claimed scores (without it every log that fits a claim by itself may be the one).
    """
    from harness.audit.profiles.of_submission import profiles_of

    return profiles_of(submission, files, evidence).profiles
