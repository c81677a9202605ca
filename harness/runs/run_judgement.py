"""From what a run of one process left to its record: phases, sealed artifact, claim, and if it stands."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from harness.errors import SubmissionError
from harness.logs.reader import read_log
from harness.logs.training_log import PassKind
from harness.runs.run_record import (
    Artifact,
    ClaimedScore,
    Notice,
    PhaseTime,
    RunRecord,
    RunStatus,
    SealedFile,
)
from harness.sandbox.request import EndKind
from harness.sandbox.sealed_files import seal_copy

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from harness.runs.script_phases import ScriptPhases
    from harness.runs.track import RunTrack
    from harness.sandbox.request import SandboxOutcome

LOG_NAME = "train.log"
EVENTS_NAME = "events.jsonl"
_LARGEST_ARTIFACT = 1 << 30  # far above any cap: an artifact over the cap is sealed too, and told
_CLOCK_TOLERANCE_SECONDS = 1.0  # a log may round its times up
# English text by the best compressors known is far above; a lower claim has seen what it was to predict.
LOWEST_PLAUSIBLE_BPB = 0.4
_LIMIT_ENDS = {
    EndKind.TIME_LIMIT,
    EndKind.MEMORY_LIMIT,
    EndKind.PROCESS_LIMIT,
    EndKind.DISK_LIMIT,
    EndKind.LOG_LIMIT,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class SeenRun:
    """What was seen of a run: how it ended, its phases, the script, and digests of what lies beside it."""

    outcome: SandboxOutcome
    phases: ScriptPhases
    entry: str
    code_bytes: int
    code_digest: str
    files: Mapping[str, str] = field(default_factory=dict)


def judged_run(blank: RunRecord, seen: SeenRun, track: RunTrack, attempt: Path) -> RunRecord:
    """The record of a run that was seen: `blank` with what came out.

    The artifact is copied from `attempt`/work to `attempt`/artifact, which nobody writes to again.
    """
    outcome, phases = seen.outcome, seen.phases
    notices = list(phases.notices)
    if outcome.survivors_killed and outcome.kind is EndKind.EXITED:
        notices.append(
            Notice(
                kind="left-processes",
                message=f"{outcome.survivors_killed} processes were still running when the script had ended; "
                "they were killed",
            )
        )
    notices += _over_limit(seen, track)
    if phases.artifact is not None and not phases.is_read_back:
        notices.append(
            Notice(
                kind="artifact-not-read",
                message=f"{phases.artifact} was not opened again once it was whole: nothing shows that what "
                "was scored came from the file that is counted",
                at=phases.artifact_whole,
            )
        )
    artifact = _sealed(seen, track, attempt, notices)
    claimed = claimed_score(attempt / LOG_NAME, blank.seed)
    notices += claim_notices(claimed, artifact, outcome.seconds)
    record = replace(
        blank,
        phases=_phase_times(seen, track),
        artifact=artifact,
        claimed=claimed,
        notices=tuple(notices),
        not_eligible=(*blank.not_eligible, *_why_not_eligible(track)),
        protections=tuple(each.value for each in outcome.protections),
        digests={**blank.digests, "code": seen.code_digest},
        files=seen.files,
        seen=phases.moments,
    )
    refused = next((each.message for each in notices if each.kind == "artifact-not-sealed"), "")
    status, reason, message = _verdict(seen, track, artifact, refused)
    return replace(record, status=status, reason=reason, message=message)


def _verdict(
    seen: SeenRun, track: RunTrack, artifact: Artifact | None, refused: str
) -> tuple[RunStatus, str, str]:
    """Status, reason and message; `refused` says why an artifact that was seen could not be sealed."""
    outcome, phases = seen.outcome, seen.phases
    if outcome.kind is EndKind.MACHINE_FAULT:
        return RunStatus.COULD_NOT_RUN, "machine-fault", outcome.detail
    if outcome.kind is EndKind.STOPPED:
        return RunStatus.INTERRUPTED, "stopped", "the run was stopped from outside"
    if outcome.kind in _LIMIT_ENDS:
        return RunStatus.FAILED, outcome.kind.value, outcome.detail
    if outcome.kind is EndKind.SIGNAL or outcome.exit_code != 0:
        how = f"signal {outcome.signal}" if outcome.kind is EndKind.SIGNAL else f"status {outcome.exit_code}"
        return RunStatus.FAILED, "script-error", f"the script ended with {how}; its log ends with the reason"
    if artifact is None:
        left = (
            f"left no artifact that can be counted: {refused}"
            if refused
            else ("left no artifact: nothing can be counted or evaluated")
        )
        return RunStatus.FAILED, "no-artifact", f"the script ended without an error and {left}"
    if artifact.total_bytes > artifact.cap_bytes:
        over = artifact.total_bytes - artifact.cap_bytes
        said = f"{artifact.total_bytes:,} bytes of code and model, {over:,} over the cap of"
        return RunStatus.FAILED, "over-cap", f"{said} {artifact.cap_bytes:,}"
    for name, seconds, limit in (
        ("train", phases.train_seconds, track.train_seconds),
        ("evaluate", phases.eval_seconds, track.eval_seconds),
    ):
        if seconds is not None and seconds > limit + track.extra_seconds:
            allowed = f"{limit:g} s are allowed, and {track.extra_seconds:g} s for what scripts keep out of"
            said = f"{name} took {seconds:.1f} s by our clock; {allowed} their own clocks"
            return RunStatus.FAILED, f"{name}-time", said
    return RunStatus.FINISHED, "", ""


def _phase_times(seen: SeenRun, track: RunTrack) -> tuple[PhaseTime, ...]:
    outcome, phases = seen.outcome, seen.phases
    if phases.train_seconds is None or phases.eval_seconds is None:
        whole = PhaseTime(
            name="train+evaluate", seconds=outcome.seconds, limit_seconds=track.whole_seconds,
            boundary="no artifact was seen", outcome=outcome.kind.value, exit_code=outcome.exit_code,
        )  # fmt: skip
        return (whole,)
    return (
        PhaseTime(
            name="train", seconds=phases.train_seconds, limit_seconds=track.train_seconds,
            boundary=f"start of the process to {phases.artifact} whole", outcome="", exit_code=None,
        ),
        PhaseTime(
            name="evaluate", seconds=phases.eval_seconds, limit_seconds=track.eval_seconds,
            boundary=f"{phases.artifact} whole to the end of the last process",
            outcome=outcome.kind.value, exit_code=outcome.exit_code,
        ),
    )  # fmt: skip


def _sealed(seen: SeenRun, track: RunTrack, attempt: Path, notices: list[Notice]) -> Artifact | None:
    name = seen.phases.artifact
    if name is None:
        return None
    folder = attempt / "artifact"
    folder.mkdir()
    try:
        sealed = seal_copy(attempt / "work", name, _LARGEST_ARTIFACT, folder / PurePosixPath(name).name)
    except SubmissionError as error:
        notices.append(Notice(kind="artifact-not-sealed", message=str(error)))
        return None
    file = SealedFile(name=sealed.name, size=sealed.size_bytes, sha256=sealed.sha256)
    return Artifact(
        files=(file,),
        model_bytes=sealed.size_bytes,
        code_bytes=seen.code_bytes,
        cap_bytes=track.cap_bytes,
    )


def claimed_score(log: Path, seed: int) -> ClaimedScore:
    """What the log says of itself: its last final pass, else its last pass."""
    data = log.read_bytes()
    runs = read_log(f"train_seed{seed}.log", data, len(data)).runs
    if not runs:
        return ClaimedScore()
    run = runs[-1]
    finals = [each for each in run.passes if each.kind is PassKind.FINAL] or list(run.passes)
    counted = finals[-1] if finals else None
    stop = run.stop.train_seconds if run.stop is not None else run.longest_train_seconds
    totals = [each.size_bytes.value for each in run.sizes if each.what == "total"]
    return ClaimedScore(
        val_bpb=counted.val_bpb.value if counted is not None else None,
        val_loss_nats=counted.val_loss.value if counted is not None and counted.val_loss else None,
        train_seconds=stop.value if stop is not None else None,
        eval_seconds=run.total_eval_seconds.value if run.total_eval_seconds is not None else None,
        total_bytes=totals[-1] if totals else None,
        line=counted.val_bpb.line if counted is not None else None,
    )


def _over_limit(seen: SeenRun, track: RunTrack) -> list[Notice]:
    """Phases longer than their limit, by what scripts keep out of their own clocks or by more."""
    phases = seen.phases
    found = (
        ("training", phases.train_seconds, track.train_seconds, 0.0),
        ("evaluation", phases.eval_seconds, track.eval_seconds, phases.train_seconds or 0.0),
    )
    return [
        Notice(
            kind="over-limit",
            message=f"{name} took {seconds:.1f} s by our clock, imports and compilation included; {limit:g} "
            "s are the limit of what a script counts itself",
            at=began + limit,
        )
        for name, seconds, limit, began in found
        if seconds is not None and seconds > limit
    ]


def claim_notices(claimed: ClaimedScore, artifact: Artifact | None, seconds: float) -> list[Notice]:
    """Where the log says what cannot be, by our count of bytes and our clock (`seconds` of the whole run)."""
    found = []
    total, score = claimed.total_bytes, claimed.val_bpb
    if artifact is not None and total is not None and total < artifact.total_bytes:
        found.append(f"the log says {total:,} bytes of code and model, {artifact.total_bytes:,} were counted")
    told = (claimed.train_seconds or 0.0) + (claimed.eval_seconds or 0.0)
    if told > seconds + _CLOCK_TOLERANCE_SECONDS:
        found.append(
            f"the log tells of {told:.1f} s of work, the whole run took {seconds:.1f} s by our clock"
        )
    if score is not None and score < LOWEST_PLAUSIBLE_BPB:
        least = f"{LOWEST_PLAUSIBLE_BPB:g}"
        found.append(f"the log claims {score:.6f} bits per byte; no model is known below {least}")
    return [Notice(kind="claim-differs", message=message) for message in found]


def _why_not_eligible(track: RunTrack) -> tuple[str, ...]:
    why = ["the score is what the script printed: it does not offer the scoring interface"]
    if not track.can_be_record:
        why.append(f"track {track.name} makes no records")
    if track.time_scale != 1.0:
        why.append(f"time limits were multiplied by {track.time_scale:g}")
    return tuple(why)
