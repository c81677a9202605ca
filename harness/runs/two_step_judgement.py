"""From what the two steps of a run left to its record: phases, notices, claim, and why a step failed."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

from harness.runs.run_judgement import LOG_NAME, claim_notices, claimed_score
from harness.runs.run_record import MeasuredScore, Notice, PhaseTime, RunRecord, RunStatus
from harness.runs.run_steps import RunStep
from harness.sandbox.request import EndKind

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from harness.runs.owned_score import OwnedScore
    from harness.runs.run_protocol import TwoStepProtocol
    from harness.runs.run_record import ClaimedScore
    from harness.runs.run_steps import StepTeller
    from harness.runs.step_sandbox import RanStep
    from harness.runs.track import RunTrack
    from harness.scoring.evaluator import Evaluation

EVALUATE_LOG_NAME = "evaluate.log"
EVALUATE_EVENTS_NAME = "events-evaluate.jsonl"
# A script adds up its scores in another order than we do; more is another score.
SCORE_TOLERANCE_BPB = 1e-6
_PRINTED = re.compile(r"val_bpb\D{0,3}(\d+\.(\d+))")
_LIMITS = {
    EndKind.TIME_LIMIT,
    EndKind.MEMORY_LIMIT,
    EndKind.PROCESS_LIMIT,
    EndKind.DISK_LIMIT,
    EndKind.LOG_LIMIT,
}
# Said of a run that is both steps at once; a step by itself neither trains nor scores in the other's place.
_OF_THE_OTHER_STEP = {
    "train": {"train-data-in-evaluation", "nothing-scored", "second-artifact"},
    "evaluate": {
        "nothing-trained",
        "train-data-in-evaluation",
        "validation-in-training",
        "second-artifact",
    },
}
_NAMES = {RunStep.TRAINING: "training", RunStep.EVALUATION: "the evaluation"}


class StepFailure(Exception):  # noqa: N818 - an end of a run, not a mistake of ours
    """A step ended the run; `status` says who must act."""

    def __init__(self, status: RunStatus, reason: str, message: str) -> None:
        super().__init__(message)
        self.status, self.reason = status, reason


def step_fault(step: RunStep, ran: RanStep) -> StepFailure | None:
    """Why the command of a step did not end well; None when it did."""
    outcome, name = ran.outcome, _NAMES[step]
    if outcome.kind is EndKind.MACHINE_FAULT:
        return StepFailure(RunStatus.COULD_NOT_RUN, "machine-fault", outcome.detail)
    if outcome.kind is EndKind.STOPPED:
        return StepFailure(RunStatus.INTERRUPTED, "stopped", f"{name} was stopped from outside")
    if outcome.kind in _LIMITS:
        return StepFailure(RunStatus.FAILED, outcome.kind.value, f"{name} was ended: {outcome.detail}")
    if outcome.kind is EndKind.SIGNAL or outcome.exit_code != 0:
        how = f"signal {outcome.signal}" if outcome.kind is EndKind.SIGNAL else f"status {outcome.exit_code}"
        said = f"{name} ended with {how}; its log ends with the reason"
        return StepFailure(RunStatus.FAILED, "script-error", said)
    return None


def evaluation_fault(ran: RanStep, evaluation: Evaluation | None) -> StepFailure | None:
    """Why there is no owned score; a script that died for a reason of its own is told by that."""
    if evaluation is None or evaluation.score is not None:
        return None
    own = step_fault(RunStep.EVALUATION, ran)
    is_ours = own is not None and own.reason != "script-error"
    if own is not None and (is_ours or evaluation.reason in {"closed", "never-asked", "late"}):
        return own
    return StepFailure(RunStatus.FAILED, f"score-{evaluation.reason}", evaluation.message)


def with_training(record: RunRecord, ran: RanStep, track: RunTrack, protocol: TwoStepProtocol) -> RunRecord:
    """The record with what training left, but for the artifact."""
    why = [*record.not_eligible]
    if not protocol.scoring:
        why.append("the score is what the script printed: it does not offer the scoring interface")
    if not track.can_be_record:
        why.append(f"track {track.name} makes no records")
    if track.time_scale != 1.0:
        why.append(f"time limits were multiplied by {track.time_scale:g}")
    seen = ran.seen
    of_both = {"artifact_whole", "first_scoring"}  # of a run that is both steps at once
    moments = {name: value for name, value in seen.moments.items() if name not in of_both}
    moments |= {"steps_before": seen.steps_before + seen.steps_after, "steps_after": 0}
    return replace(
        record,
        phases=(_phase("train", ran, track.train_seconds),),
        notices=(*record.notices, *_step_notices("train", ran, track.train_seconds, 0.0)),
        not_eligible=tuple(dict.fromkeys(why)),
        protections=tuple(each.value for each in ran.outcome.protections),
        files={**record.files, **ran.files},
        seen=moments,
    )


def with_evaluation(
    record: RunRecord, ran: RanStep, track: RunTrack, attempt: Path, owned: OwnedScore | None
) -> RunRecord:
    """The record with the scores, ours and the printed one, and what was seen of the evaluation.

    The ledger is written beside it.
    """
    log = attempt / EVALUATE_LOG_NAME
    claimed = claimed_score(log, record.seed)
    of_training = claimed_score(attempt / LOG_NAME, record.seed)
    claimed = replace(
        claimed, train_seconds=of_training.train_seconds, total_bytes=of_training.total_bytes
    )  # fmt: skip
    measured = None if owned is None else owned.measured()
    files: Mapping[str, str] = {} if owned is None else owned.write_ledger(attempt)
    trained = record.phases[-1].seconds
    notices = [*record.notices, *_step_notices("evaluate", ran, track.eval_seconds, trained)]
    if owned is not None:  # tokens came through our socket, not from a file
        notices = [each for each in notices if each.kind != "nothing-scored"]
    notices += claim_notices(claimed, record.artifact, trained + ran.outcome.seconds)
    if measured is not None:
        notices += _compared(claimed, measured, log)
    steps = ran.seen.steps_before + ran.seen.steps_after
    both = {each.value for each in ran.outcome.protections}
    return replace(
        record,
        phases=(*record.phases, _phase("evaluate", ran, track.eval_seconds)),
        measured=measured,
        claimed=claimed,
        notices=tuple(notices),
        protections=tuple(each for each in record.protections if each in both),
        files={**record.files, **ran.files, **files},
        seen={**record.seen, "steps_after": steps, **_first_scoring(owned, trained)},
    )


def _first_scoring(owned: OwnedScore | None, trained: float) -> dict[str, float]:
    """When the first tokens to score were handed out, in seconds of both steps together."""
    if owned is None or owned.first_handed_out is None:
        return {}
    return {"first_scoring": round(trained + owned.first_handed_out, 4)}


def tell_score(teller: StepTeller, record: RunRecord) -> None:
    """Tell what the score rests on."""
    measured, claimed = record.measured, record.claimed
    if measured is None:
        printed = "no score" if claimed.val_bpb is None else f"val_bpb {claimed.val_bpb:.8f}"
        teller.skipped(RunStep.SCORE, f"the script printed {printed}; nothing was proved")
        return
    differs = any(each.kind == "claim-differs" for each in record.notices)
    printed = "it printed none" if claimed.val_bpb is None else f"printed {claimed.val_bpb:.8f}"
    teller.done(
        RunStep.SCORE,
        f"val_bpb {measured.val_bpb:.8f} over {measured.scored_tokens:,} tokens, {measured.scored_bytes:,} "
        f"bytes, computed by us ({printed}{', which differs' if differs else ''}); "
        f"{measured.blind_questions} blind questions; ledger sha256 {measured.digest[:12]}",
        val_bpb=measured.val_bpb,
        tokens=measured.scored_tokens,
    )


def _phase(name: str, ran: RanStep, limit: float) -> PhaseTime:
    return PhaseTime(
        name=name,
        seconds=ran.outcome.seconds,
        limit_seconds=limit,
        boundary="start of its sandbox to the death of its last process",
        outcome=ran.outcome.kind.value,
        exit_code=ran.outcome.exit_code,
    )


def _step_notices(name: str, ran: RanStep, limit: float, began: float) -> list[Notice]:
    outcome = ran.outcome
    notices = [
        replace(each, at=None if each.at is None else each.at + began)
        for each in ran.seen.notices
        if each.kind not in _OF_THE_OTHER_STEP[name]
    ]
    if outcome.survivors_killed and outcome.kind is EndKind.EXITED:
        notices.append(
            Notice(
                kind="left-processes",
                message=f"{outcome.survivors_killed} processes were still running when the command of {name} "
                "had ended; they were killed",
                at=began + outcome.seconds,
            )
        )
    if outcome.seconds > limit and outcome.kind is EndKind.EXITED:
        notices.append(
            Notice(
                kind="over-limit",
                message=f"{name} took {outcome.seconds:.1f} s by our clock, with imports and compilation; "
                f"{limit:g} s are the limit of what a script counts itself",
                at=began + limit,
            )
        )
    return notices


def _compared(claimed: ClaimedScore, measured: MeasuredScore, log: Path) -> list[Notice]:
    """A finding where the script printed another score than it sealed."""
    if claimed.val_bpb is None:
        said = f"the log states no score that can be read; {measured.val_bpb:.8f} was sealed"
        return [Notice(kind="no-claim", message=said)]
    difference = claimed.val_bpb - measured.val_bpb
    if abs(difference) <= max(SCORE_TOLERANCE_BPB, _half_unit(claimed, log)):
        return []
    said = (
        f"the log prints val_bpb {claimed.val_bpb:.8f} (line {claimed.line}), but {measured.val_bpb:.8f} was "
        f"sealed, {difference:+.2e}; the sealed score counts"
    )
    return [Notice(kind="claim-differs", message=said)]


def _half_unit(claimed: ClaimedScore, log: Path) -> float:
    """Half a unit of the last printed decimal: rounding for display is no difference."""
    lines = log.read_bytes().splitlines()
    if claimed.line is None or not 1 <= claimed.line <= len(lines):
        return 0.0
    found = _PRINTED.search(lines[claimed.line - 1].decode("utf-8", "replace"))
    return 0.5 * 10.0 ** -len(found[2]) if found else 0.0
