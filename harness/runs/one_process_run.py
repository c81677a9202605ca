"""Runs a script that trains and evaluates in one process: every submission of the challenge as it stands.

The folder is copied clean, the copy runs in a sandbox under our clock, the data is read-only. What it leaves
is read after its last process is dead (`run_judgement`). The score is never ours here, so the record has no
`measured`.
"""

from __future__ import annotations

import sys
from contextlib import ExitStack
from dataclasses import replace
from typing import TYPE_CHECKING

from harness.errors import GolfError, SetupError, SubmissionError
from harness.folder_tree import FolderTree
from harness.runs.gpus_inside import refuse_hidden_gpus
from harness.runs.live_phases import LivePhases
from harness.runs.run_clock import RunClock
from harness.runs.run_files import (
    DATA,
    WORK,
    file_digest,
    folder_digest,
    meeting_port,
    sandbox_limits,
    script_environment,
    split_label,
    usual_mounts,
    write_events,
)
from harness.runs.run_judgement import EVENTS_NAME, LOG_NAME, SeenRun, judged_run
from harness.runs.run_record import RunRecord, RunStatus
from harness.runs.run_steps import RunStep, StepTeller
from harness.runs.script_phases import OUT, script_phases
from harness.runs.seed_job import SeedJob, blank_record
from harness.runs.told_outcome import tell_outcome
from harness.sandbox.clean_copy import copy_submission
from harness.sandbox.rank_command import rank_command
from harness.sandbox.request import Mount, SandboxRequest
from harness.submission_reader import read_submission
from harness.watching.event_pipe import INJECTED, EventPipe
from harness.watching.file_watch import FileWatch
from harness.wording import count_of

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from harness.runs.run_steps import StepEvent
    from harness.sandbox.clean_copy import CleanCopy
    from harness.sandbox.request import Sandbox
    from harness.submission import Submission

__all__ = ["SeedJob", "run_one_process"]


def run_one_process(
    job: SeedJob,
    attempt: Path,
    number: int,
    sandbox: Sandbox,
    *,
    on_event: Callable[[StepEvent], None] | None = None,
    should_stop: Callable[[], bool] = lambda: False,
) -> RunRecord:
    """Run `job` in the new folder `attempt` and say what it was; the record is not written yet.

    `on_event` is told the steps from the clean copy to the score. A fault of the machine or of ours is a
    record of status could-not-run, never one of the submission.
    """
    teller = StepTeller(on_event)
    blank = blank_record(job, number, sandbox)
    try:
        seen = _run(job, attempt, sandbox, teller, should_stop)
        record = judged_run(blank, seen, job.track, attempt)
    except SubmissionError as error:
        record = replace(blank, status=RunStatus.FAILED, reason="unsafe-submission", message=str(error))
        teller.failed(RunStep.COPY, record.message)
        return record
    except (GolfError, OSError) as error:
        record = replace(blank, reason="machine-fault", message=str(error)[:1000])
        teller.failed(teller.latest or RunStep.COPY, record.message)
        return record
    tell_outcome(teller, record)
    return record


def clean_copied(job: SeedJob, work: Path, teller: StepTeller) -> tuple[CleanCopy, str, Submission]:
    """Copy the submission to `work`: the copy, its digest, and what it is when read as a submission.

    Raises `SubmissionError` for a folder that cannot run, `SetupError` when the folder is no longer what the
    seeds before it ran.
    """
    teller.started(RunStep.COPY)
    copied = copy_submission(job.folder, work)
    digest = folder_digest(work, copied.files)
    if job.code_digest and digest != job.code_digest:
        raise SetupError(
            f"{job.folder}: its files changed since this golf-run began (digest {job.code_digest[:12]}, now "
            f"{digest[:12]}); all seeds of a submission run the same bytes: start again"
        )
    left_out = f", left out {', '.join(copied.left_out[:3])}" if copied.left_out else ""
    files = count_of(len(copied.files), "file")
    teller.done(
        RunStep.COPY,
        f"{files}, {copied.total_bytes:,} bytes, sha256 {digest[:12]}{left_out}",
        bytes=copied.total_bytes,
    )
    submission = read_submission(FolderTree(work))
    if submission.code.entry is None:
        raise SubmissionError(f"{job.folder}: holds no script to run; a submission has a train_gpt.py")
    return copied, digest, submission


def _run(
    job: SeedJob, attempt: Path, sandbox: Sandbox, teller: StepTeller, should_stop: Callable[[], bool]
) -> SeenRun:
    work = attempt / WORK
    _, code_digest, submission = clean_copied(job, work, teller)
    entry = submission.code.entry
    assert entry is not None
    teller.started(RunStep.SANDBOX)
    events = attempt / "pipe"
    events.mkdir()
    mounts = {
        **usual_mounts(job, work),
        "pipe": Mount(host=events, inside="/golf/pipe", is_writable=True),
        "injected": Mount(host=INJECTED, inside="/golf/injected", is_writable=False),
    }
    seen_at = {name: sandbox.seen_at(mount) for name, mount in mounts.items()}
    start = rank_command(
        sys.executable, f"{seen_at[WORK]}/{entry.path}", ranks=job.track.ranks, port=meeting_port(sandbox)
    )
    with ExitStack() as stack:
        clock = RunClock()
        pipe = EventPipe(events, inside=seen_at["pipe"], injected_inside=seen_at["injected"], clock=clock)
        environment = {**script_environment(job, seen_at), **start.environment}
        environment.update(pipe.environment(environment.get("PYTHONPATH", "")))
        request = SandboxRequest(
            command=start.command,
            environment=environment,
            mounts=tuple(mounts.values()),
            workdir=seen_at[WORK],
            limits=sandbox_limits(job, job.track.whole_seconds),
            wants_gpu=job.wants_gpu,
        )
        protections = sandbox.protections(request)
        refuse_hidden_gpus(sandbox, request, ranks=job.track.ranks)
        teller.done(
            RunStep.SANDBOX,
            f"{sandbox.name}, tried from inside: {', '.join(each.value for each in protections)}",
            protections=len(protections),
        )
        stack.enter_context(pipe)
        watch = stack.enter_context(FileWatch({DATA: job.data, OUT: work}, clock=clock))
        log = stack.enter_context((attempt / LOG_NAME).open("wb"))
        live = LivePhases(teller, job.track, watch, work)

        def keep(seconds: float, line: bytes) -> None:
            log.write(line if line.endswith(b"\n") else line + b"\n")
            live.line(seconds, line)

        def asked_to_stop() -> bool:
            live.tick()
            return should_stop()

        clock.start()
        outcome = sandbox.run(request, keep, should_stop=asked_to_stop)
    files = [split_label(event) for event in watch.events]
    found = script_phases(
        files,
        pipe.events,
        outcome.seconds,
        train_limit=job.track.train_seconds,
        is_incomplete=watch.overflowed or pipe.overflowed,
    )
    written = write_events(attempt / EVENTS_NAME, [*files, *pipe.events])
    return SeenRun(
        outcome=outcome,
        phases=found,
        entry=entry.path,
        code_bytes=submission.code.shipped_bytes or 0,
        code_digest=code_digest,
        files={EVENTS_NAME: written, LOG_NAME: file_digest(attempt / LOG_NAME)},
    )
