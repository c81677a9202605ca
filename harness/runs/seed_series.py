"""All seeds of a submission, one after another: plan, executor, display, summary, submission folder."""

from __future__ import annotations

import os
import shlex
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from harness.errors import SetupError
from harness.executors.choose import make_executor
from harness.executors.executor import RunOptions
from harness.machine.machine_check import this_machine
from harness.ruleset import load_ruleset
from harness.runs.machine_lacks import LACKS
from harness.runs.projection import projected_times
from harness.runs.run_display import make_display
from harness.runs.run_judgement import LOG_NAME
from harness.runs.run_plan import plan_run
from harness.runs.run_record import RunStatus
from harness.runs.run_summary import RunSummary, SeedResult
from harness.runs.run_table import render_summary
from harness.runs.series_remarks import other_runs, same_results
from harness.runs.stop_signals import stop_asked
from harness.runs.two_step_judgement import EVALUATE_LOG_NAME
from harness.sandbox.choose import choose_sandbox
from harness.wording import count_of

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from harness.evidence.standing_record import Reference
    from harness.runs.run_display import RunDisplay
    from harness.runs.run_plan import RunPlan, RunRequest
    from harness.runs.seed_job import SeedJob

_LAST_LINES, _LAST_BYTES = 6, 4_096


@dataclass(frozen=True, slots=True, kw_only=True)
class SeriesOptions:
    """How the seeds are run and what is made of them."""

    executor: str = "local"
    executor_options: Mapping[str, str] = field(default_factory=dict)
    tries: int = 3
    again: bool = False
    reference: str | None = None
    writes_package: bool = True
    quiet: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """What came of it. `package` is the submission folder, `no_package` why there is none."""

    summary: RunSummary
    package: Path | None = None
    no_package: str = ""

    def as_text(self) -> str:
        """For people."""
        text = render_summary(self.summary)
        if self.package is not None:
            text += f"submission folder: {self.package}\n"
            text += f"  judge it with: golf-check {shlex.quote(str(self.package))}\n"
        elif self.no_package:
            text += f"no submission folder: {self.no_package}\n"
        return text

    def as_json(self) -> dict[str, Any]:
        """Plain data."""
        package = str(self.package) if self.package is not None else None
        return {**self.summary.as_json(), "package": package, "no_package": self.no_package}


def run_series(request: RunRequest, options: SeriesOptions) -> Series:
    """Run every seed that has no record yet and say what all of them are.

    Raises `UsageError`, `SubmissionError` and `SetupError` before anything runs; a seed that could not run
    is a result.
    """
    reference, plan = _asked(request, options)
    if not request.is_remote:
        choose_sandbox(request.sandbox)  # its failure is told before any seed, not once for each
    with make_display(quiet=options.quiet) as display, stop_asked() as should_stop:
        _introduce(display, plan)
        run_options = RunOptions(
            out=plan.out,
            sandbox=request.sandbox,
            tries=options.tries,
            again=options.again,
            own=options.executor_options,
            on_event=lambda job, event: display.event(_label(plan, job), event),
            tell=display.say,
            should_stop=should_stop,
        )
        executor = make_executor(options.executor, run_options)
        results = []
        for outcome in executor.submit(plan.jobs):
            result = SeedResult.of(outcome, plan.secret_seeds)
            results.append(result)
            _tell_result(display, plan, result)
            if request.is_remote and not result.was_found:  # its steps were told nowhere here
                display.say(
                    f"{_label(plan, outcome.job)}: {result.status.value} on {outcome.node or 'no machine'}"
                )
            if should_stop() or result.status is RunStatus.INTERRUPTED:
                break
        is_stopped = should_stop()
    order = {job.seed: place for place, job in enumerate(plan.jobs)}
    results += _left(plan, results)
    results.sort(key=lambda each: order[each.seed])
    summary = _summary(plan, results, reference, is_stopped=is_stopped)
    package, no_package = None, ""
    if options.writes_package:
        package, no_package = _packaged(summary, plan)
    return Series(summary=summary, package=package, no_package=no_package)


def _asked(request: RunRequest, options: SeriesOptions) -> tuple[Reference | None, RunPlan]:
    """What was named, looked at. A path that this user may not look at is no bug of ours."""
    try:
        return _reference(options.reference), plan_run(request, this_machine(request.out))
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        said = f"{where}cannot be looked at ({error.strerror or error})"
        raise SetupError(f"{said}; name a path that user {os.getuid()} may read") from error


def _reference(text: str | None) -> Reference | None:
    if text is None:
        return None
    from harness.evidence.standing_record import parse_reference

    return parse_reference(text)


def _label(plan: RunPlan, job: SeedJob) -> str:
    place = next(number for number, each in enumerate(plan.jobs, 1) if each.seed == job.seed)
    return f"seed {job.seed} ({place} of {len(plan.jobs)})"


def _introduce(display: RunDisplay, plan: RunPlan) -> None:
    track = plan.track
    ranks = count_of(track.ranks, "rank") if track.ranks else "the script alone"
    display.say(
        f"golf-run {plan.name}: track {track.name}, {track.train_seconds:g} s to train and "
        f"{track.eval_seconds:g} s to evaluate, {track.cap_bytes:,} bytes, {ranks}, "
        f"{count_of(len(plan.jobs), 'seed')}"
    )
    display.say(f"data {plan.data.summary}")
    display.say(f"runs in {plan.out / plan.name}")
    for note in plan.notes:
        display.say(f"note: {note}")


def _tell_result(display: RunDisplay, plan: RunPlan, result: SeedResult) -> None:
    label = f"seed {result.seed}"
    if result.was_found and result.record is not None:
        display.say(
            f"{label}: found, attempt {result.record.attempt} is {result.status.value}; not run again"
        )
        return
    record = result.record
    if record is None or (result.status is not RunStatus.FAILED and record.reason not in LACKS):
        return
    attempt = plan.out / plan.name / str(result.seed) / "attempts" / str(record.attempt)
    log = next((each for name in (EVALUATE_LOG_NAME, LOG_NAME) if (each := attempt / name).exists()), None)
    last = _last_lines(log) if log is not None else []
    if last:
        display.say(f"{label}: the log ends ({log}):")
        for line in last:
            display.say(f"    {line}")


def _last_lines(log: Path) -> list[str]:
    try:
        with log.open("rb") as file:
            size = file.seek(0, 2)
            file.seek(max(size - _LAST_BYTES, 0))
            text = file.read(_LAST_BYTES).decode("utf-8", "backslashreplace")
    except OSError:
        return []
    return [line[:300] for line in text.splitlines() if line.strip()][-_LAST_LINES:]


def _left(plan: RunPlan, results: list[SeedResult]) -> list[SeedResult]:
    """Seeds that were not reached: stopped before their turn, or after."""
    seen = {each.seed for each in results}
    return [
        SeedResult(
            seed=job.seed,
            record=None,
            is_secret=job.seed in plan.secret_seeds,
            fault="stopped before its turn",
        )
        for job in plan.jobs
        if job.seed not in seen
    ]


def _summary(
    plan: RunPlan, results: list[SeedResult], reference: Reference | None, *, is_stopped: bool
) -> RunSummary:
    rules = load_ruleset()
    limits = rules.limits(rules.newest)
    records = [each.record for each in results if each.record is not None and each.score is not None]
    projection = None
    if records and any(record.not_eligible for record in records):
        phases = [(phase.name, phase.seconds) for record in records for phase in record.phases]
        projection = projected_times(records[0].machine, plan.track.ranks, phases, limits)
    return RunSummary(
        name=plan.name,
        track=plan.track.name,
        results=tuple(results),
        reference=reference,
        margin_nats=limits.number("significance.margin_nats"),
        projection=projection,
        is_stopped=is_stopped,
        remarks=(
            *other_runs(plan.out, plan.name, {job.seed for job in plan.jobs}, plan.jobs[0].code_digest),
            *same_results(records),
        ),
    )


def _packaged(summary: RunSummary, plan: RunPlan) -> tuple[Path | None, str]:
    if not summary.is_complete:
        return None, "a seed is missing or has no score"
    from harness.runs.package_writer import write_package

    try:
        return write_package(summary, plan.folder, plan.out), ""
    except SetupError as error:
        return None, str(error)
