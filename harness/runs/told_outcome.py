"""What the steps from training to the score proved, told from the record of a run that is over."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.runs.run_record import RunStatus
from harness.runs.run_steps import RunStep
from harness.wording import count_of

if TYPE_CHECKING:
    from harness.runs.run_record import PhaseTime, RunRecord
    from harness.runs.run_steps import StepTeller

_ENDED_IN_EVALUATION = ("evaluate",)


def tell_outcome(teller: StepTeller, record: RunRecord) -> None:
    """Tell `teller` how training, seal, evaluation and score ended."""
    phases = {phase.name: phase for phase in record.phases}
    if "train" not in phases:
        _tell_unbounded(teller, record)
        return
    train, evaluate = phases["train"], phases.get("evaluate")
    steps = record.seen.get("steps_before")
    counted = f"{count_of(int(steps), 'optimizer step')}, " if steps else ""
    _tell_phase(teller, RunStep.TRAINING, train, counted, is_broken=record.reason == "train-time")
    _tell_seal(teller, record)
    if evaluate is None:
        teller.skipped(RunStep.EVALUATION, record.message or "not reached")
        teller.skipped(RunStep.SCORE, "there is none: the evaluation did not run")
        return
    adapted = record.seen.get("steps_after")
    counted = f"{count_of(int(adapted), 'optimizer step')} of adaptation, " if adapted else ""
    ended_badly = record.status is RunStatus.FAILED and record.reason not in {"train-time", "over-cap"}
    if ended_badly or record.status in {RunStatus.INTERRUPTED, RunStatus.COULD_NOT_RUN}:
        teller.failed(RunStep.EVALUATION, record.message, seconds=evaluate.seconds)
    else:
        _tell_phase(teller, RunStep.EVALUATION, evaluate, counted, is_broken=False)
    _tell_score(teller, record)


def _tell_unbounded(teller: StepTeller, record: RunRecord) -> None:
    """No artifact was seen: nothing says where training ended."""
    seconds = record.phases[0].seconds if record.phases else 0.0
    teller.failed(RunStep.TRAINING, record.message, seconds=seconds)
    teller.skipped(RunStep.SEAL, "no artifact was seen")
    teller.skipped(RunStep.EVALUATION, "no artifact was seen, so nothing says where evaluation began")
    _tell_score(teller, record)


def _tell_phase(
    teller: StepTeller, step: RunStep, phase: PhaseTime, counted: str, *, is_broken: bool
) -> None:
    limit = "without limit" if phase.limit_seconds is None else f"of {phase.limit_seconds:g} s"
    said = f"{counted}{phase.seconds:.1f} s {limit} by our clock ({phase.boundary})"
    if is_broken:
        teller.failed(step, said, seconds=phase.seconds)
    elif phase.is_over:
        teller.skipped(step, f"{said}: over the limit, imports and compilation included")
    else:
        teller.done(step, said, seconds=phase.seconds)


def _tell_seal(teller: StepTeller, record: RunRecord) -> None:
    artifact = record.artifact
    if artifact is None:
        why = next((each.message for each in record.notices if each.kind == "artifact-not-sealed"), "")
        teller.skipped(RunStep.SEAL, why or "nothing was sealed")
        return
    names = ", ".join(f"{file.name} {file.size:,} bytes sha256 {file.sha256[:12]}" for file in artifact.files)
    said = (
        f"{names}; code {artifact.code_bytes:,} bytes; together {artifact.total_bytes:,} of "
        f"{artifact.cap_bytes:,}"
    )
    tell = teller.failed if artifact.total_bytes > artifact.cap_bytes else teller.done
    tell(RunStep.SEAL, said, bytes=artifact.total_bytes)


def _tell_score(teller: StepTeller, record: RunRecord) -> None:
    measured, claimed = record.measured, record.claimed
    if measured is not None:
        teller.done(
            RunStep.SCORE,
            f"val_bpb {measured.val_bpb:.8f} over {measured.scored_tokens:,} tokens, "
            f"{measured.scored_bytes:,} bytes, computed by us; ledger sha256 {measured.digest[:12]}",
            val_bpb=measured.val_bpb,
            tokens=measured.scored_tokens,
        )
    elif claimed.val_bpb is not None:
        teller.skipped(
            RunStep.SCORE,
            f"val_bpb {claimed.val_bpb:.8f} is what the script printed (line {claimed.line} of its log); "
            "nothing was proved",
        )
    else:
        teller.skipped(RunStep.SCORE, "the script printed no score that could be read")
