"""chrono-evidence: logs that are newer than the pull request did not hold its place."""

from __future__ import annotations

import datetime
from typing import TYPE_CHECKING

from harness.finding import RuleVerdict
from tests.builders import findings_of, good_log, with_origin
from tests.rules.scored_submission import SCORES, case_of, with_scores

if TYPE_CHECKING:
    from pathlib import Path

    from harness.submission import Submission

RULE = "chrono-evidence"
STAMP = "Tue Apr 14 10:00:00 2026"


def opened_on(tmp_path: Path, date: str) -> Submission:
    log = STAMP + "\n" + good_log(13, val_bpb=SCORES[13])
    submission = with_scores(tmp_path, train_seed13__log=log)
    moment = datetime.datetime.fromisoformat(f"{date}T00:00:00+00:00")
    return with_origin(submission, created_at=moment)


def test_a_log_two_days_newer_than_the_pull_request_asks(tmp_path: Path) -> None:
    (finding,) = findings_of(RULE, case_of(opened_on(tmp_path, "2026-04-12")))
    assert finding.verdict is RuleVerdict.NEEDS_HUMAN
    assert (finding.places[0].file, finding.places[0].line) == ("train_seed13.log", 1)
    assert "2 days after" in finding.message


def test_a_log_one_day_newer_may_be_another_time_zone(tmp_path: Path) -> None:
    (finding,) = findings_of(RULE, case_of(opened_on(tmp_path, "2026-04-13")))
    assert finding.verdict is RuleVerdict.PASS


def test_without_creation_time_it_is_not_checked(tmp_path: Path) -> None:
    (finding,) = findings_of(RULE, case_of(with_scores(tmp_path)))
    assert finding.verdict is RuleVerdict.NOT_CHECKED
