"""A seed's record: the one that stands, else that of a new attempt. Nothing is lost, nothing run twice.

An attempt begins with `begun.json`: its record should the process or the machine end before it does.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from harness.errors import SetupError
from harness.runs.record_store import SeedFolder, read_record, stands, write_record
from harness.runs.run_steps import RunStep, StepTeller
from harness.runs.seed_job import blank_record
from harness.runs.seed_runs import run_seed

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from harness.runs.run_record import RunRecord
    from harness.runs.run_steps import StepEvent
    from harness.runs.seed_job import SeedJob
    from harness.sandbox.request import Sandbox

_BEGUN = "begun.json"
_LOST = "the process or the machine ended before this attempt did; nothing of it counts"


def kept_run(
    job: SeedJob,
    *,
    out: Path,
    sandbox: Sandbox,
    again: bool = False,
    on_event: Callable[[StepEvent], None] | None = None,
    should_stop: Callable[[], bool] = lambda: False,
) -> RunRecord:
    """Run `job` in a new attempt below `out` and keep its record, unless the seed has one that stands.

    `again` runs it whatever stands; older attempts are kept either way. Raises `SeedHeldError` while another
    process runs the seed, `SetupError` when the folder cannot be written or holds a record of something else.
    """
    folder = SeedFolder.of(out, job.name, job.seed)
    with folder.claimed():
        keep_lost_attempts(folder)
        found = standing_record(job, out, any_run=again)
        if found is not None and not again:
            return found
        attempt = folder.new_attempt()
        number = int(attempt.name)
        lost = replace(blank_record(job, number, sandbox), reason="lost", message=_LOST)
        write_record(attempt / _BEGUN, lost)
        record = run_seed(
            job, attempt=attempt, number=number, sandbox=sandbox, on_event=on_event, should_stop=should_stop
        )
        teller = StepTeller(on_event)
        teller.started(RunStep.RECORD)
        try:
            folder.keep(attempt, record)
        except SetupError as error:
            teller.failed(RunStep.RECORD, str(error))
            raise
        where = folder.path / "run.json"
        teller.done(RunStep.RECORD, f"{where}, id {record.record_id[:12]}, attempt {number}")
        return record


def standing_record(job: SeedJob, out: Path, *, any_run: bool = False) -> RunRecord | None:
    """The record of the seed that makes a run of `job` needless; None when it is to be run.

    Raises `SetupError` when the record is of other code, data, settings, limits, rules or packages and not
    `any_run`: it answers another question, and is neither passed off as this one's nor replaced.
    """
    folder = SeedFolder.of(out, job.name, job.seed)
    record = folder.record()
    if record is None or not stands(record):
        return None
    ours = job.digests()
    before = record.digests
    other = [name for name in sorted(ours) if ours[name] and before.get(name) not in {None, "", ours[name]}]
    if job.ruleset and record.ruleset and record.ruleset != job.ruleset:
        other.append("rules")
    if other and not any_run:
        raise SetupError(
            f"{folder.path}: holds a finished run with other {' and '.join(other)}; it is kept. Choose "
            "another --out, or say --again to run the seed anew beside it"
        )
    return record


def keep_lost_attempts(folder: SeedFolder) -> None:
    """Give every attempt that ended without a record one that says so; the caller holds the seed."""
    for attempt in folder.attempts():
        begun = None if (attempt / "run.json").exists() else read_record(attempt / _BEGUN)
        if begun is not None:
            folder.keep(attempt, begun)
