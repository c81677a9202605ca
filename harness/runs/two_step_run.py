"""Runs a submission in two steps: it trains to an artifact in one sandbox, and is scored from it in another.

    1. copy      the submission, clean; the copy is what both steps run
    2. sandbox   the protections of the training step, tried from inside
    3. training  one command under our clock, until every process of it is dead
    4. seal      the files that `golf_run.toml` names: copied, counted, digested; nothing else outlives it
    5. evaluate  another sandbox with its own clock: the code again clean, the artifact read-only, no training
                 data; where the score is owned no validation data either, tokens come through a socket
    6. score     computed by us from what was sealed; the printed one is a claim to compare with

Whatever a step cannot prove is not in the record.
"""

from __future__ import annotations

import shutil
from contextlib import ExitStack
from dataclasses import replace
from typing import TYPE_CHECKING

from harness.errors import GolfError, SetupError, SubmissionError
from harness.runs.artifact_seal import NoArtifactError, changed_since_seal, seal_artifact
from harness.runs.evaluation_data import evaluation_job, tokenizer_of
from harness.runs.one_process_run import clean_copied, run_one_process
from harness.runs.owned_score import OwnedScore
from harness.runs.run_files import WORK, folder_digest
from harness.runs.run_judgement import EVENTS_NAME, LOG_NAME
from harness.runs.run_protocol import ARTIFACT_WORD, ProtocolError, TwoStepProtocol, read_protocol
from harness.runs.run_record import Artifact, RunRecord, RunStatus
from harness.runs.run_steps import RunStep, StepTeller
from harness.runs.seed_job import SeedJob, blank_record
from harness.runs.step_sandbox import RanStep, StepFiles, StepSandbox
from harness.runs.two_step_judgement import (
    EVALUATE_EVENTS_NAME,
    EVALUATE_LOG_NAME,
    StepFailure,
    evaluation_fault,
    step_fault,
    tell_score,
    with_evaluation,
    with_training,
)
from harness.sandbox.clean_copy import copy_submission
from harness.sandbox.request import Mount

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from harness.runs.run_steps import StepEvent
    from harness.sandbox.request import Sandbox

_ARTIFACT = "artifact"


def run_two_steps(
    job: SeedJob,
    attempt: Path,
    number: int,
    sandbox: Sandbox,
    protocol: TwoStepProtocol,
    on_event: Callable[[StepEvent], None] | None = None,
    *,
    should_stop: Callable[[], bool] = lambda: False,
) -> RunRecord:
    """Run `job` in the new folder `attempt` and say what it was; the record is not written yet.

    `on_event` is told the steps from the clean copy to the score. A fault of the machine or of ours is a
    record of status could-not-run, never one of the submission.
    """
    teller = StepTeller(on_event)
    run = _TwoSteps(job, attempt, sandbox, protocol, teller, should_stop)
    run.record = blank_record(job, number, sandbox)
    try:
        run.through()
        return replace(run.record, status=RunStatus.FINISHED)
    except StepFailure as fault:
        return replace(run.record, status=fault.status, reason=fault.reason, message=str(fault)[:1000])
    except SubmissionError as error:
        teller.failed(teller.latest or RunStep.COPY, str(error))
        reason = "no-protocol" if isinstance(error, ProtocolError) else "unsafe-submission"
        return replace(run.record, status=RunStatus.FAILED, reason=reason, message=str(error)[:1000])
    except (GolfError, OSError) as error:
        teller.failed(teller.latest or RunStep.COPY, str(error))
        return replace(run.record, reason="machine-fault", message=str(error)[:1000])


def run_as_offered(
    job: SeedJob,
    attempt: Path,
    number: int,
    sandbox: Sandbox,
    *,
    on_event: Callable[[StepEvent], None] | None = None,
    should_stop: Callable[[], bool] = lambda: False,
) -> RunRecord:
    """Run `job` in two steps where its folder has a `golf_run.toml`, else in one process.

    A `golf_run.toml` that cannot be run is a failure of the submission.
    """
    try:
        protocol = read_protocol(job.folder)
    except GolfError as error:
        StepTeller(on_event).failed(RunStep.COPY, str(error))
        record = replace(
            blank_record(job, number, sandbox), reason="machine-fault", message=str(error)[:1000]
        )
        if isinstance(error, SubmissionError):
            return replace(record, status=RunStatus.FAILED, reason="no-protocol")
        return record
    if protocol is None:
        return run_one_process(job, attempt, number, sandbox, on_event=on_event, should_stop=should_stop)
    return run_two_steps(job, attempt, number, sandbox, protocol, on_event, should_stop=should_stop)


class _TwoSteps:
    """The steps of one seed; `record` grows with what each of them proved."""

    record: RunRecord

    def __init__(
        self,
        job: SeedJob,
        attempt: Path,
        sandbox: Sandbox,
        protocol: TwoStepProtocol,
        teller: StepTeller,
        should_stop: Callable[[], bool],
    ) -> None:
        self._job, self._attempt, self._sandbox = job, attempt, sandbox
        self._protocol, self._teller, self._should_stop = protocol, teller, should_stop
        self._sealed = Mount(host=attempt / _ARTIFACT, inside="/golf/artifact", is_writable=False)

    def through(self) -> None:
        """All steps; raises `StepFailure` where the submission fails one, `GolfError` for faults of ours."""
        work = self._attempt / WORK
        _, code_digest, submission = clean_copied(self._job, work, self._teller)
        entry = submission.code.entry
        assert entry is not None  # clean_copied refuses a folder without one
        for name, command in (("train", self._protocol.train), ("evaluate", self._protocol.evaluate)):
            if command.script != entry.path:
                raise ProtocolError(
                    f"golf_run.toml: [{name}] runs {command.script}, but the code that is counted is "
                    f"{entry.path}; run that one, steered by arguments or variables"
                )
        self.record = replace(self.record, digests={**self.record.digests, "code": code_digest})
        self._train(work)
        artifact = self._seal(work, submission.code.shipped_bytes or 0)
        self._evaluate(code_digest, artifact)

    def _train(self, work: Path) -> None:
        self._teller.started(RunStep.SANDBOX)
        files = StepFiles(
            attempt=self._attempt, work=work, log_name=LOG_NAME, events_name=EVENTS_NAME
        )  # fmt: skip
        step = StepSandbox(
            self._job, self._protocol.train, files, self._sandbox,
            limit_seconds=self._job.track.train_seconds,
        )  # fmt: skip
        self._tell_sandbox(step)
        ran = step.run(RunStep.TRAINING, self._teller, self._should_stop)
        self.record = with_training(self.record, ran, self._job.track, self._protocol)
        self._end_of(RunStep.TRAINING, ran)

    def _seal(self, work: Path, code_bytes: int) -> Artifact:
        self._teller.started(RunStep.SEAL)
        try:
            artifact = seal_artifact(
                work, self._protocol.artifact, self._sealed.host,
                code_bytes=code_bytes, cap_bytes=self._job.track.cap_bytes,
            )  # fmt: skip
        except NoArtifactError as error:
            raise self._fault(RunStep.SEAL, error.reason, str(error)) from error
        self.record = replace(self.record, artifact=artifact)
        total, cap = artifact.total_bytes, artifact.cap_bytes
        if total > cap:
            said = f"{total:,} bytes of code and model, {total - cap:,} over the cap of {cap:,}"
            raise self._fault(RunStep.SEAL, "over-cap", said)
        names = ", ".join(
            f"{file.name} {file.size:,} bytes sha256 {file.sha256[:12]}" for file in artifact.files
        )
        said = f"{names}; code {artifact.code_bytes:,} bytes; together {total:,} of {cap:,}"
        self._teller.done(RunStep.SEAL, said, bytes=total)
        return artifact

    def _evaluate(self, code_digest: str, artifact: Artifact) -> None:
        protocol, track = self._protocol, self._job.track
        work = self._attempt / f"{WORK}-evaluate"
        copied = copy_submission(self._job.folder, work)
        if folder_digest(work, copied.files) != code_digest:
            raise SetupError(f"{self._job.folder}: its files changed while it ran; run the seed again")
        copies = self._attempt / "data-evaluate"
        job = evaluation_job(self._job, copies, with_validation=not protocol.scoring)
        files = StepFiles(
            attempt=self._attempt, work=work, log_name=EVALUATE_LOG_NAME, events_name=EVALUATE_EVENTS_NAME
        )  # fmt: skip
        with ExitStack() as stack:
            stack.callback(shutil.rmtree, copies, ignore_errors=True)  # copies of what lies elsewhere
            owned: OwnedScore | None = None
            if protocol.scoring:
                wall = track.eval_seconds + track.extra_seconds
                owned = OwnedScore(self._job.data, tokenizer_of(self._job), wall_seconds=wall)
                stack.callback(owned.close)
            step = StepSandbox(
                job, protocol.evaluate, files, self._sandbox,
                limit_seconds=track.eval_seconds,
                shown={_ARTIFACT: self._sealed, **({} if owned is None else owned.mounts())},
                variables=(lambda _: {}) if owned is None else owned.variables,
                words=lambda seen_at: {ARTIFACT_WORD: seen_at[_ARTIFACT]},
            )  # fmt: skip
            step.protections()  # tried before the clock of the evaluation runs
            if changed := changed_since_seal(self._sealed.host, artifact):
                raise SetupError(f"{changed}, before anything evaluated it")
            if owned is None:
                ran = step.run(RunStep.EVALUATION, self._teller, self._should_stop)
            else:
                with owned:
                    ran = step.run(RunStep.EVALUATION, self._teller, self._should_stop, owned.progress)
        self.record = with_evaluation(self.record, ran, track, self._attempt, owned)
        if changed := changed_since_seal(self._sealed.host, artifact):
            raise self._fault(RunStep.EVALUATION, "artifact-changed", changed)
        if owned is not None and (refused := evaluation_fault(ran, owned.evaluation)) is not None:
            raise self._told(RunStep.SCORE if owned.evaluation is not None else RunStep.EVALUATION, refused)
        self._end_of(RunStep.EVALUATION, ran)
        tell_score(self._teller, self.record)

    def _tell_sandbox(self, step: StepSandbox) -> None:
        protections = step.protections()
        self._teller.done(
            RunStep.SANDBOX,
            f"{self._sandbox.name}, tried from inside: {', '.join(each.value for each in protections)}",
            protections=len(protections),
        )

    def _end_of(self, step: RunStep, ran: RanStep) -> None:
        fault = step_fault(step, ran)
        if fault is not None:
            raise self._told(step, fault)
        phase = self.record.phases[-1]
        steps = ran.seen.steps_before + ran.seen.steps_after
        counted = f"{steps:,} optimizer steps, " if steps else ""
        self._teller.done(
            step,
            f"{counted}{phase.seconds:.1f} s of {phase.limit_seconds:g} s by our clock ({phase.boundary})",
            seconds=phase.seconds,
        )

    def _fault(self, step: RunStep, reason: str, message: str) -> StepFailure:
        return self._told(step, StepFailure(RunStatus.FAILED, reason, message))

    def _told(self, step: RunStep, fault: StepFailure) -> StepFailure:
        self._teller.failed(step, str(fault))
        for later in (RunStep.SEAL, RunStep.EVALUATION, RunStep.SCORE):
            if later > step:
                self._teller.skipped(later, "not reached")
        return fault
