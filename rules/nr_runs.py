"""nr-runs: a non-record submission ran: it has a train log and a val_bpb.

What it checks
    Whether a log holds a run with a score, and whether submission.json or the README states one.
Why it matters
    Ideas are welcome there, but only ones that were tried.
What is allowed instead
    A README with tables of results where the logs are missing: one such submission was merged.
How it is detected
    Runs in the logs, the claimed score, and scores in the README.
What it cannot see
    Whether the run is the one described.
Rulings
    README non-record section, a15093ada, 2026-03-18 (A1). #15, 2026-03-19 (A2): no log, no val_bpb.
    #1106, merged (A3) without logs: its README holds the tables.
Example
    no log holds a run with a score, and neither submission.json nor the README states one; add the train log
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.case import failed, passed, warned
from harness.finding import Place
from harness.wording import count_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from harness.case import Case
    from harness.finding import Finding

RULE = "nr-runs"


def check(case: Case) -> Iterator[Finding]:
    """One finding on what shows that it ran."""
    submission = case.submission
    runs = [run for log in submission.logs for run in log.runs if run.has_training or run.passes]
    claim = submission.json.headline
    scores = submission.readme_claims.scores
    if runs and (claim or any(run.passes for run in runs)):
        stated = f"val_bpb {claim.value:.8g} claimed" if claim else "the score stands in the log only"
        yield passed(
            RULE,
            f"{count_of(len(runs), 'run')} in the logs; {stated}",
            Place(file=runs[0].file, line=runs[0].first_line, note="first run"),
        )
    elif runs or submission.logs:
        yield warned(
            RULE,
            f"{count_of(len(submission.logs), 'log')}, but no run with a score could be read in them",
            Place(file=submission.logs[0].path),
        )
    elif claim or scores:
        place = claim.place("claimed score") if claim else scores[0].place("score in the README")
        yield warned(
            RULE,
            "no train log: the score stands in submission.json or the README only; add the log",
            place,
        )
    else:
        yield failed(
            RULE,
            "no log holds a run with a score, and neither submission.json nor the README states one; add "
            "the train log",
            Place(file="."),
        )
