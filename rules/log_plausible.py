"""log-plausible: the numbers of a log fit each other as those of a real run do.

What it checks
    Five things a real run cannot break: line timestamps move on, and so does the training clock; steps times
    time per step is the training time; loss and score of all full evaluations of one run have one ratio;
    numbers carry the digits that the script prints.
Why it matters
    A log is text. Edited or invented logs give themselves away in numbers that nobody looks at.
What is allowed instead
    Rounding, evaluation on part of the validation set (another token count), mixtures whose score comes from
    another distribution than the loss, and clocks that print whole seconds.
How it is detected
    Equal first and last timestamp although training took a minute or more, or a last one before the first.
    A training clock that goes back by 2 s and 1 % while the step number does not.
    Last step x step average against the training time, 2 % apart or more. The ratio loss / score over the
    passes of a run that print at least six decimals of both: known methods differ by up to 7e-5, so 2e-3 is
    asked about, unless the label names a mixture. One pass with more decimals than all others of its kind.
What it cannot see
    A careful forgery, and logs with few digits. It never fails: each of these had an innocent cause once.
Rulings
    README a15093ada, 2026-03-18 (A1): the log is produced by the script.
Example
    seed 0: loss 2.30510000 over score 1.05000000 (train_seed0.log:812) is 2.19533, while another pass of
    the run has 2.18841: bytes per token cannot change within a run
"""

from __future__ import annotations

import re
from statistics import median
from typing import TYPE_CHECKING

from harness.case import needs_human, not_checked, passed
from harness.evidence.seed_scores import name_of, proven_seeds
from harness.finding import Place, Role
from harness.logs.training_log import PassKind
from harness.wording import count_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from harness.case import Case
    from harness.evidence.seed_evidence import SeedEvidence
    from harness.finding import Finding
    from harness.logs.training_log import EvalPass, LogFile, Run

RULE = "log-plausible"

_MIXTURE = re.compile(r"ppm|mix|n_?gram|cache|hedge|blend|tilt|subset|partial|slot", re.IGNORECASE)
_RATIO_TOLERANCE = 2e-3  # known variants of one method differ by at most 7e-5; tails by 4e-4
_STEP_TOLERANCE = 0.02
_PRECISE_DIGITS = 6
_TIMED_SECONDS = 60.0
_STAMPED_SHARE = 0.5
_QUOTED = 90


def check(case: Case) -> Iterator[Finding]:
    """Stamps per file, then steps, ratios and digits per counted run."""
    seeds = proven_seeds(case.evidence)
    if not seeds:
        yield not_checked(RULE, "no log proves a score, so there is nothing to compare")
        return
    logs = {log.path: log for log in case.submission.logs}
    found: list[Finding] = []
    for seed in seeds:
        runs = {id(run): run for run in (seed.run, seed.training_run) if run is not None}
        for run in runs.values():
            found += [*_stamps(logs.get(run.file), run), *_falls(seed, run)]
            found += [*_steps(seed, run), *_ratios(seed, run)]
        found += _digits(seed, seeds)
    yield from found
    if not found:
        files = len({seed.run.file for seed in seeds if seed.run is not None})
        yield passed(
            RULE, f"stamps, steps, ratios and digits of {count_of(files, 'counted log')} fit each other"
        )


def _train_seconds(run: Run) -> float | None:
    if run.stop is not None:
        return run.stop.train_seconds.value
    return run.last_train_seconds.value if run.last_train_seconds is not None else None


def _stamps(log: LogFile | None, run: Run) -> Iterator[Finding]:
    seconds = _train_seconds(run)
    if log is None or seconds is None or seconds < _TIMED_SECONDS:
        return
    # A library stamps its own warnings, often within one second: the script's own lines must carry stamps.
    if log.stamped_lines < _STAMPED_SHARE * (run.last_line - run.first_line + 1):
        return
    first, last = log.wall_stamps[0].strip(), log.wall_stamps[-1].strip()
    # Stamps without a date go round at midnight: only equal ones, or dated ones, can be judged.
    backwards = last < first and bool(re.match(r"20\d\d-", first)) and bool(re.match(r"20\d\d-", last))
    if first != last and not backwards:
        return
    what = "all lines carry one timestamp" if first == last else "the timestamps go backwards"
    yield needs_human(
        RULE,
        f"{log.path}: {what} ({first} to {last}), though training took {seconds:,.0f} s",
        Place(file=log.path, line=run.first_line, note=what),
        ask="Was this log written while the run was going on?",
    )


def _falls(seed: SeedEvidence, run: Run) -> Iterator[Finding]:
    if not run.clock_falls:
        return
    fall = run.clock_falls[0]
    more = f", the first of {len(run.clock_falls)} such places" if len(run.clock_falls) > 1 else ""
    yield needs_human(
        RULE,
        f"{name_of(seed)}: the training clock goes back while steps go on{more}: "
        f'{run.file}:{fall.before.line} "{(fall.before.excerpt or "")[:_QUOTED]}", line {fall.after.line} '
        f'"{(fall.after.excerpt or "")[:_QUOTED]}"',
        fall.before.place("clock before"),
        fall.after.place("clock after", Role.RELATED),
        ask="Were both lines printed by one run with one clock?",
    )


def _steps(seed: SeedEvidence, run: Run) -> Iterator[Finding]:
    step, average, seconds = run.last_step, run.step_avg_ms, run.last_train_seconds
    if step is None or average is None or seconds is None or step.value < 100:
        return
    implied = step.value * average.value / 1000.0
    # A printed average of 43.1 ms carries a rounding of its own.
    if abs(implied - seconds.value) <= max(_STEP_TOLERANCE * seconds.value, 0.05 * step.value / 1000.0, 2.0):
        return
    yield needs_human(
        RULE,
        f"{name_of(seed)}: {step.value:,} steps of {average.value:g} ms are {implied:,.1f} s, "
        f"{run.file}:{seconds.line} prints {seconds.value:,.1f} s of training",
        seconds.place("training time"),
        average.place("time per step", Role.RELATED),
        ask="Do steps, time per step and training time come from one run?",
    )


def _full_passes(run: Run) -> list[EvalPass]:
    """Passes over the whole set, with both numbers in full precision, from one distribution."""
    return [
        each
        for each in run.passes
        if each.kind in {PassKind.FINAL, PassKind.DIAGNOSTIC}
        and each.val_loss is not None
        and each.val_bpb.value > 0
        and min(each.digits, each.loss_digits) >= _PRECISE_DIGITS
        and not _MIXTURE.search(each.label)
    ]


def _ratio(each: EvalPass) -> float:
    return each.val_loss.value / each.val_bpb.value if each.val_loss is not None else 0.0


def _ratios(seed: SeedEvidence, run: Run) -> Iterator[Finding]:
    passes = _full_passes(run)
    if len(passes) < 2:
        return
    usual = median(_ratio(each) for each in passes)
    odd = max(passes, key=lambda each: abs(_ratio(each) - usual))
    if usual <= 0 or abs(_ratio(odd) / usual - 1.0) <= _RATIO_TOLERANCE or odd.val_loss is None:
        return
    other = next(each for each in passes if each is not odd)
    yield needs_human(
        RULE,
        f"{name_of(seed)}: loss {odd.val_loss.value:.8f} over score {odd.val_bpb.value:.8f} "
        f"({odd.val_bpb.file}:{odd.val_bpb.line}) is {_ratio(odd):.5f}, while another pass of the run has "
        f"{_ratio(other):.5f}: bytes per token cannot change within a run",
        odd.val_bpb.place("odd pair"),
        other.val_bpb.place("another pass", Role.RELATED),
        ask="Were both numbers of this line printed by one evaluation of the whole set?",
    )


def _digits(seed: SeedEvidence, seeds: tuple[SeedEvidence, ...]) -> Iterator[Finding]:
    counted = seed.counted
    if counted is None or len(seeds) < 3:
        return
    peers = [
        each.counted.digits
        for each in seeds
        if each is not seed and each.counted is not None and each.counted.label == counted.label
    ]
    if len(peers) < 2 or len(set(peers)) != 1 or counted.digits <= max(*peers, _PRECISE_DIGITS):
        return
    yield needs_human(
        RULE,
        f"{name_of(seed)}: {counted.val_bpb.file}:{counted.val_bpb.line} prints {counted.digits} decimals, "
        f"the same line of the other seeds {peers[0]}",
        counted.val_bpb.place("more decimals than the script prints"),
        ask="Did the same script print this line?",
    )
