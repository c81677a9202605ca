"""What all executors share: found records first, faults of machines tried again, records as only proof."""

from __future__ import annotations

import tempfile
from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from harness.errors import SetupError, UsageError
from harness.executors.executor import JobOutcome
from harness.executors.job_file import SeedTask, write_task
from harness.executors.kept_run import keep_lost_attempts, standing_record
from harness.runs.record_store import SeedFolder
from harness.runs.run_files import folder_digest
from harness.sandbox.clean_copy import copy_submission

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from harness.executors.executor import RunOptions
    from harness.executors.seed_task import TaskAnswer
    from harness.runs.run_record import RunRecord
    from harness.runs.seed_job import SeedJob


class Crew(Protocol):
    """Workers of one kind. How many tasks they run at a time, and where, is their own affair."""

    def start(self, task: SeedTask, path: Path, avoid: frozenset[str]) -> int:
        """Take a task, also written at `path`, and give it a number; `avoid` names machines that failed it.

        To avoid them is a wish: with no other machine left they are taken.
        """
        ...

    def next_done(self, should_stop: Callable[[], bool]) -> tuple[int, TaskAnswer] | None:
        """Wait until a task is done and say which, and how; a worker that died is a machine's fault.

        None when `should_stop` became true first.
        """
        ...

    def close(self) -> None:
        """End what still runs and let the workers go."""
        ...


@dataclass(slots=True, kw_only=True)
class _Started:
    """A job that is with the crew; `before` is the id of a record that is there and does not count."""

    task: SeedTask
    path: Path
    before: str
    tries: int = 1
    failed_on: frozenset[str] = frozenset()


def run_all(jobs: Sequence[SeedJob], crew: Crew, options: RunOptions) -> Iterator[JobOutcome]:
    """See `Executor.submit`. Only a machine's fault makes a job start again, `options.tries` times at most.

    What a worker answers is not believed: the record in the folder of runs is what counts, so a worker that
    died after it wrote one has done its job.
    """
    waiting: dict[int, _Started] = {}
    try:
        _refuse_twins(jobs)
        jobs = _with_code_digests(jobs)
        before = [(job, standing_record(job, options.out, any_run=options.again)) for job in jobs]
        for job, record in before:
            if record is None or options.again:
                task = SeedTask(job=job, out=options.out, sandbox=options.sandbox, again=options.again)
                known = record.record_id if record is not None else ""
                started = _Started(task=task, path=write_task(task), before=known)
                waiting[crew.start(task, started.path, frozenset())] = started
        for job, record in before:
            if record is not None and not options.again:
                yield JobOutcome(job=job, record=record, was_found=True)
        while waiting and not options.should_stop():
            done = crew.next_done(options.should_stop)
            if done is None:
                break
            number, answer = done
            started = waiting.pop(number)
            job = started.task.job
            record = _new_record(started)
            if record is None and answer.is_machine_fault and started.tries < options.tries:
                started.tries += 1
                started.failed_on |= {answer.node} - {""}
                where = answer.node or "the machine"
                options.tell(
                    f"{job.name} seed {job.seed}: {where} failed ({answer.fault}); try {started.tries} of at "
                    f"most {options.tries}"
                )
                waiting[crew.start(started.task, started.path, started.failed_on)] = started
                continue
            yield _outcome(started, record, answer)
        for started in waiting.values():
            yield JobOutcome(job=started.task.job, record=None, fault="stopped before it was done")
    finally:
        crew.close()


def _outcome(started: _Started, record: RunRecord | None, answer: TaskAnswer) -> JobOutcome:
    job, out, fault = started.task.job, started.task.out, answer.fault
    last = record or _last_attempt(job, out)
    if last is None and not fault:
        fault = (
            f"{answer.node} ended with a record of status {answer.status!r} that is not in {out} here; --out "
            "must be a folder that every machine sees"
        )
    return JobOutcome(
        job=job,
        record=last,
        tries=started.tries,
        fault="" if record is not None else fault,
        node=answer.node,
    )


def _new_record(started: _Started) -> RunRecord | None:
    """The record that the task was to make, once it is there."""
    task = started.task
    record = standing_record(task.job, task.out, any_run=task.again)
    return None if record is None or record.record_id == started.before else record


def _last_attempt(job: SeedJob, out: Path) -> RunRecord | None:
    """The record of a seed that did not come to an end of its own, killed attempts included."""
    folder = SeedFolder.of(out, job.name, job.seed)
    try:
        with folder.claimed():
            keep_lost_attempts(folder)
    except SetupError:
        pass  # somebody else runs the seed now: the attempts are theirs to look at
    return folder.record()


def _with_code_digests(jobs: Sequence[SeedJob]) -> list[SeedJob]:
    """Jobs that say which bytes they are to run: those that lie in the folder now, for every seed and try."""
    digests: dict[Path, str] = {}
    for job in jobs:
        if not job.code_digest and job.folder not in digests:
            with tempfile.TemporaryDirectory(prefix="golf-digest-") as temporary:
                copied = copy_submission(job.folder, Path(temporary) / "copy")
                digests[job.folder] = folder_digest(copied.folder, copied.files)
    return [job if job.code_digest else replace(job, code_digest=digests[job.folder]) for job in jobs]


def _refuse_twins(jobs: Sequence[SeedJob]) -> None:
    counts = Counter((job.name, job.seed) for job in jobs)
    for (name, seed), count in counts.items():
        if count > 1:
            raise UsageError(f"seed {seed} of {name} is asked for {count} times; give every seed once")
