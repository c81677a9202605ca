"""One seed from the machine check to the kept record, whichever protocol the submission offers.

`run_seed` runs it in a folder that is there; `run_and_keep` is what an executor calls on the machine that is
to run it: it holds the seed's folder, finds a record that stands, keeps every attempt.
"""

from __future__ import annotations

import datetime
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from harness.errors import GolfError, SetupError
from harness.machine.machine_check import judged_machine, this_machine
from harness.ruleset import load_ruleset
from harness.runs.one_process_run import run_one_process
from harness.runs.record_store import SeedFolder, stands
from harness.runs.run_steps import RunStep, StepTeller
from harness.runs.seed_job import KEY_DIGESTS, SeedJob, blank_record

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from harness.machine.machine_check import Machine
    from harness.runs.run_record import RunRecord
    from harness.runs.run_steps import StepEvent
    from harness.sandbox.request import Sandbox


def run_seed(
    job: SeedJob,
    *,
    attempt: Path,
    number: int,
    sandbox: Sandbox,
    on_event: Callable[[StepEvent], None] | None = None,
    should_stop: Callable[[], bool] = lambda: False,
    look: Callable[[Path], Machine] = this_machine,
) -> RunRecord:
    """Check this machine and run `job` in the new folder `attempt`; the record is not written yet.

    `look` says what the machine is. A machine that is broken or busy is a record of status could-not-run.
    """
    teller = StepTeller(on_event)
    teller.started(RunStep.MACHINE)
    try:
        job = _on_this_machine(job, attempt, look)
    except (GolfError, OSError) as error:
        teller.failed(RunStep.MACHINE, str(error))
        return replace(blank_record(job, number, sandbox), reason="machine", message=str(error)[:1000])
    odd = job.not_eligible
    eligible = f"not record-eligible: {'; '.join(odd)}" if odd else "as the track asks"
    teller.done(RunStep.MACHINE, f"{job.machine['summary']} ({eligible})")
    return run_one_process(job, attempt, number, sandbox, on_event=on_event, should_stop=should_stop)


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptRun:
    """The record of a seed; `is_new` False when it stood before and nothing was run."""

    record: RunRecord
    is_new: bool


def run_and_keep(
    job: SeedJob,
    *,
    out: Path,
    sandbox: Sandbox,
    again: bool = False,
    on_event: Callable[[StepEvent], None] | None = None,
    should_stop: Callable[[], bool] = lambda: False,
    look: Callable[[Path], Machine] = this_machine,
) -> KeptRun:
    """Run `job` in a new attempt below `out` and keep its record, unless the seed has one that stands.

    `again` runs it whatever stands; the older attempts are kept. Raises `SetupError` when the folder cannot
    be written, is held by another golf-run, or holds a record of something else.
    """
    folder = SeedFolder.of(out, job.name, job.seed)
    with folder.claimed():
        folder.close_abandoned()
        found = standing_record(job, out)
        if found is not None and not again:
            return KeptRun(record=found, is_new=False)
        attempt = folder.new_attempt()
        number = int(attempt.name)
        folder.begin(attempt, blank_record(job, number, sandbox))
        record = run_seed(
            job,
            attempt=attempt,
            number=number,
            sandbox=sandbox,
            on_event=on_event,
            should_stop=should_stop,
            look=look,
        )
        teller = StepTeller(on_event)
        teller.started(RunStep.RECORD)
        try:
            folder.keep(attempt, record)
        except SetupError as error:
            teller.failed(RunStep.RECORD, str(error))
            raise
        teller.done(
            RunStep.RECORD, f"{folder.path / 'run.json'}, id {record.record_id[:12]}, attempt {number}"
        )
        return KeptRun(record=record, is_new=True)


def standing_record(job: SeedJob, out: Path) -> RunRecord | None:
    """The record of the seed that makes a run of `job` needless; None when it is to be run.

    Raises `SetupError` when the record is of other code, data, settings, limits or packages: it is kept, and
    is no result of this job.
    """
    folder = SeedFolder.of(out, job.name, job.seed)
    record = folder.record()
    if record is None or not stands(record):
        return None
    ours = job.digests()
    other = [
        name
        for name in KEY_DIGESTS
        if name in ours and ours[name] and record.digests.get(name, ours[name]) != ours[name]
    ]
    if other:
        raise SetupError(
            f"{folder.path}: holds a finished run with other {' and '.join(other)}; it is kept. Choose "
            "another --out, or say --again to run the seed anew beside it"
        )
    return record


def _on_this_machine(job: SeedJob, attempt: Path, look: Callable[[Path], Machine]) -> SeedJob:
    """The job with what this machine is. Raises `SetupError` when no run may start here."""
    machine = look(attempt)
    rules = load_ruleset()
    as_of = datetime.date.fromisoformat(job.ruleset) if job.ruleset else rules.newest
    verdict = judged_machine(
        machine,
        rules.limits(as_of),
        world_size=max(job.track.ranks, 1),
        disk_needed_bytes=job.limits.written_bytes or 0,
    )
    if verdict.cannot_run:
        raise SetupError("; ".join(verdict.cannot_run))
    told = {**machine.as_json(), "summary": machine.summary}
    not_eligible = tuple(dict.fromkeys((*job.not_eligible, *verdict.not_eligible)))
    wants_gpu = job.wants_gpu or bool(machine.gpu_set.gpus)
    return replace(job, machine=told, not_eligible=not_eligible, wants_gpu=wants_gpu)
