"""One seed from the machine check to its record, whichever protocol the submission offers.

Finding a record that stands, retries and keeping are the executors' (`harness.executors`).
"""

from __future__ import annotations

import datetime
from dataclasses import replace
from typing import TYPE_CHECKING

from harness.errors import GolfError, SetupError
from harness.machine.machine_check import judged_machine, this_machine
from harness.ruleset import load_ruleset
from harness.runs.machine_lacks import blamed_rightly
from harness.runs.run_judgement import LOG_NAME
from harness.runs.run_steps import RunStep, StepTeller
from harness.runs.seed_job import SeedJob, blank_record
from harness.runs.stop_signals import stop_asked
from harness.runs.two_step_judgement import EVALUATE_LOG_NAME
from harness.runs.two_step_run import run_as_offered

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

    A submission with a `golf_run.toml` is run in two steps, any other in one process. Ctrl-C, SIGTERM and
    `should_stop` end the run, and its record says interrupted. A machine that is broken or busy is a record
    of status could-not-run; `look` says what the machine is.
    """
    teller = StepTeller(on_event)
    teller.started(RunStep.MACHINE)
    try:
        job = on_this_machine(job, look(attempt))
    except (GolfError, OSError) as error:
        teller.failed(RunStep.MACHINE, str(error))
        return replace(blank_record(job, number, sandbox), reason="machine", message=str(error)[:1000])
    odd = job.not_eligible
    eligible = f"not record-eligible: {'; '.join(odd)}" if odd else "as the track asks"
    teller.done(RunStep.MACHINE, f"{job.machine['summary']} ({eligible})")
    with stop_asked() as signalled:
        record = run_as_offered(
            job,
            attempt,
            number,
            sandbox,
            on_event=on_event,
            should_stop=lambda: signalled() or should_stop(),
        )
    return blamed_rightly(record, (attempt / LOG_NAME, attempt / EVALUATE_LOG_NAME))


def on_this_machine(job: SeedJob, machine: Machine) -> SeedJob:
    """The job with what `machine` is and is not. Raises `SetupError` when no run may start there."""
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
