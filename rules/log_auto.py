"""log-auto: the train log was written by the script itself.

What it checks
    Whether the logs hold a training run with its seed, steps, sizes and score, as train_gpt.py prints them.
Why it matters
    The log is the only evidence of a score. A summary typed by hand, or a file that only looks like a log,
    proves nothing.
What is allowed instead
    The unedited output of each seed's run, with the source on top if the script prints it.
How it is detected
    The log reader looks for runs: steps with losses, a stop, size lines and a final score. Logs without any
    recognised run go to a person; a counted run without steps or sizes is a remark.
What it cannot see
    A log that was invented with care. Arithmetic on its numbers is checked by other rules.
Rulings
    README submission process, a15093ada, 2026-03-18 (A1): an automatically produced train log.
    Layout of train_gpt.py on main (A5). Logs since April often leave out nvidia-smi.
Example
    none of 2 logs holds a training run this tool can read (summary.txt: no training step)
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.case import needs_human, not_checked, noted, passed
from harness.finding import Place
from harness.wording import count_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from harness.case import Case
    from harness.finding import Finding
    from harness.logs.training_log import LogFile, Run

RULE = "log-auto"


def _lacks(run: Run) -> list[str]:
    """Lines of the baseline's layout that the run does not have."""
    lacks = []
    if run.seed is None:
        lacks.append("seed")
    if not run.sizes:
        lacks.append("size lines")
    if not run.final_passes:
        lacks.append("final score")
    if run.gpu_name is None:
        lacks.append("nvidia-smi")
    return lacks


def _why(log: LogFile) -> str:
    if log.problems:
        return f"{log.path}: {log.problems[0].message}"
    return f"{log.path}: no training step"


def check(case: Case) -> Iterator[Finding]:
    """One finding for all logs together."""
    logs = case.submission.logs
    if not logs:
        yield not_checked(RULE, "there is no train log; pr-required-files says what that means")
        return
    runs = [run for log in logs for run in log.runs if run.has_training and run.duplicate_of is None]
    if not runs:
        reasons = "; ".join(_why(log) for log in logs[:3])
        yield needs_human(
            RULE,
            f"none of {count_of(len(logs), 'log')} holds a training run this tool can read ({reasons})",
            Place(file=logs[0].path),
            ask="Was this log written by the training script?",
        )
        return
    complete = [run for run in runs if not {"seed", "size lines", "final score"} & set(_lacks(run))]
    lacking = sorted({word for run in runs for word in _lacks(run)})
    message = (
        f"{count_of(len(runs), 'training run')}, {len(complete)} with seed, steps, sizes and final score"
    )
    place = Place(file=runs[0].file, line=runs[0].first_line, note="first run")
    if lacking:
        yield noted(RULE, f"{message}; not printed in all of them: {', '.join(lacking)}", place)
    else:
        yield passed(RULE, message, place)
