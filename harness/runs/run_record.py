"""What one run of one seed was, as we measured it: the unit that golf-leaderboard reads.

`measured` is ours, `claimed` is what the submission printed; the two are never mixed. A record is written
once; its id is the SHA-256 of its canonical JSON, so a changed record is no longer the one that was cited.
"""

from __future__ import annotations

import hashlib
import json
import math
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from harness.errors import SetupError

if TYPE_CHECKING:
    from collections.abc import Mapping

SCHEMA_VERSION = 1


class RunStatus(StrEnum):
    """How a run ended, by who must act."""

    FINISHED = "finished"  # everything ran within its limits
    FAILED = "failed"  # the submission's own fault: over a limit, no artifact, no score
    COULD_NOT_RUN = "could-not-run"  # the machine's fault, or ours
    INTERRUPTED = "interrupted"  # somebody stopped it


@dataclass(frozen=True, slots=True, kw_only=True)
class PhaseTime:
    """A phase by our monotonic clock. `boundary` says what its end rests on: a process, or watched events."""

    name: str  # train, evaluate, or both in one process: "train+evaluate"
    seconds: float
    limit_seconds: float | None
    boundary: str
    outcome: str  # kind of the sandbox's outcome: exited, time-limit, memory-limit ...
    exit_code: int | None = None

    @property
    def is_over(self) -> bool:
        """Whether it took longer than allowed."""
        return self.limit_seconds is not None and self.seconds > self.limit_seconds


@dataclass(frozen=True, slots=True, kw_only=True)
class SealedFile:
    """A file of the artifact as it was when it was sealed."""

    name: str
    size: int
    sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Artifact:
    """What counts towards the cap. Bytes."""

    files: tuple[SealedFile, ...]
    model_bytes: int
    code_bytes: int
    cap_bytes: int

    @property
    def total_bytes(self) -> int:
        """Code and model, as the README counts them."""
        return self.model_bytes + self.code_bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class MeasuredScore:
    """A score that the evaluator computed from sealed log-probabilities. Nats, bits per byte."""

    val_loss_nats: float
    val_bpb: float
    scored_tokens: int
    scored_bytes: int
    digest: str
    blind_questions: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class ClaimedScore:
    """What the submission printed, and where. Nats, bits per byte, seconds, bytes."""

    val_bpb: float | None = None
    val_loss_nats: float | None = None
    train_seconds: float | None = None
    eval_seconds: float | None = None
    total_bytes: int | None = None
    line: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """Something a reviewer should know. `kind` is a short word: train-data-late, claim-differs ..."""

    kind: str
    message: str
    at: float | None = None  # seconds since the start of the run


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRecord:
    """One attempt at one seed. `digests` are hex SHA-256 of code, data and environment; `versions` of tools.

    `not_eligible` says why this run is no record run, whatever its score; empty on the track's own machine.
    `started_at` is the time of day, for people: nothing is computed from it.
    """

    submission: str
    seed: int
    track: str
    attempt: int
    status: RunStatus
    reason: str  # one short word, "" when finished
    message: str
    started_at: str
    phases: tuple[PhaseTime, ...] = ()
    artifact: Artifact | None = None
    measured: MeasuredScore | None = None
    claimed: ClaimedScore = field(default_factory=ClaimedScore)
    notices: tuple[Notice, ...] = ()
    not_eligible: tuple[str, ...] = ()
    protections: tuple[str, ...] = ()
    sandbox: str = ""
    machine: Mapping[str, Any] = field(default_factory=dict)
    settings: Mapping[str, str] = field(default_factory=dict)  # variables the script was started with
    digests: Mapping[str, str] = field(default_factory=dict)
    versions: Mapping[str, str] = field(default_factory=dict)
    ruleset: str = ""
    files: Mapping[str, str] = field(default_factory=dict)  # name to SHA-256 of what lies beside the record
    seen: Mapping[str, float] = field(default_factory=dict)  # watched moments (seconds of the run) and counts

    def as_json(self) -> dict[str, Any]:
        """Plain data, without the id."""
        return {"schema_version": SCHEMA_VERSION, **_plain(self)}

    @property
    def record_id(self) -> str:
        """SHA-256, in hex, of the canonical JSON."""
        return hashlib.sha256(canonical_json(self.as_json())).hexdigest()

    @property
    def val_bpb(self) -> float | None:
        """The measured score, else the claimed one."""
        return self.measured.val_bpb if self.measured is not None else self.claimed.val_bpb


def canonical_json(data: Mapping[str, Any]) -> bytes:
    """One spelling for equal data. Raises ValueError for numbers that are not finite."""
    text = json.dumps(data, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return text.encode("utf-8", "surrogatepass")


def record_of_json(data: Mapping[str, Any]) -> RunRecord:
    """The record that `as_json` wrote. Raises `SetupError` for data that is none."""
    try:
        if data["schema_version"] != SCHEMA_VERSION:
            raise SetupError(
                f"a run record of schema {data['schema_version']!r}; this version reads {SCHEMA_VERSION}"
            )
        record = RunRecord(
            submission=_text(data["submission"]),
            seed=_whole(data["seed"]),
            track=_text(data["track"]),
            attempt=_whole(data["attempt"]),
            status=RunStatus(data["status"]),
            reason=_text(data["reason"]),
            message=_text(data["message"]),
            started_at=_text(data["started_at"]),
            phases=tuple(PhaseTime(**each) for each in data["phases"]),
            artifact=_artifact(data["artifact"]),
            measured=None if data["measured"] is None else MeasuredScore(**data["measured"]),
            claimed=ClaimedScore(**data["claimed"]),
            notices=tuple(Notice(**each) for each in data["notices"]),
            not_eligible=tuple(map(_text, data["not_eligible"])),
            protections=tuple(map(_text, data["protections"])),
            sandbox=_text(data["sandbox"]),
            machine=dict(data["machine"]),
            settings={_text(name): _text(value) for name, value in data["settings"].items()},
            digests={_text(name): _text(value) for name, value in data["digests"].items()},
            versions={_text(name): _text(value) for name, value in data["versions"].items()},
            ruleset=_text(data["ruleset"]),
            files={_text(name): _text(value) for name, value in data["files"].items()},
            seen={_text(name): _number(value) for name, value in data["seen"].items()},
        )
        _refuse_odd_numbers(record)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise SetupError(f"not a run record: {type(error).__name__} {error}"[:300]) from error
    return record


def _artifact(data: Mapping[str, Any] | None) -> Artifact | None:
    if data is None:
        return None
    numbers = {name: _whole(data[name]) for name in ("model_bytes", "code_bytes", "cap_bytes")}
    return Artifact(files=tuple(SealedFile(**each) for each in data["files"]), **numbers)


def _plain(value: object) -> Any:
    if hasattr(value, "__dataclass_fields__"):
        return {name: _plain(getattr(value, name)) for name in value.__dataclass_fields__}
    if isinstance(value, (tuple, list)):
        return [_plain(each) for each in value]
    if isinstance(value, dict):
        return {name: _plain(each) for name, each in value.items()}
    return value


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{value!r:.80} is no text")
    return value


def _whole(value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError(f"{value!r:.80} is no whole number")
    return value


def _number(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        raise TypeError(f"{value!r:.80} is no number")
    return value


def _refuse_odd_numbers(record: RunRecord) -> None:
    """Scores and times are finite and not negative, whoever wrote the file."""
    numbers: list[object] = [each.seconds for each in record.phases]
    if record.measured is not None:
        numbers += [record.measured.val_bpb, record.measured.val_loss_nats]
    numbers += [each for each in (record.claimed.val_bpb, record.claimed.val_loss_nats) if each is not None]
    for number in numbers:
        usable = isinstance(number, (int, float)) and not isinstance(number, bool)
        if not usable or not math.isfinite(number) or number < 0:  # type: ignore[arg-type,operator]
            raise ValueError(f"{number!r:.40} is no time or score")
