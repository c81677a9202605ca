"""cutoff and grace: what was opened and judged before 2026-05-02T00:00:00Z."""

from __future__ import annotations

import datetime
from typing import TYPE_CHECKING

import pytest

from harness.finding import RuleVerdict
from tests.builders import findings_of, with_origin
from tests.rules.scored_submission import case_of, with_scores

if TYPE_CHECKING:
    from pathlib import Path

RULE = "cutoff"


@pytest.mark.parametrize(
    ("created", "verdict"),
    [
        ("2026-04-30T12:00:00+00:00", RuleVerdict.PASS),
        ("2026-05-01T23:59:59+00:00", RuleVerdict.INFO),
        ("2026-05-02T00:00:00+00:00", RuleVerdict.FAIL),
        ("2026-05-01T18:00:00-07:00", RuleVerdict.FAIL),  # another zone, 01:00 UTC of the next day
    ],
)
def test_the_second_of_creation_decides(tmp_path: Path, created: str, verdict: RuleVerdict) -> None:
    submission = with_scores(tmp_path)
    moment = datetime.datetime.fromisoformat(created)
    submission = with_origin(submission, created_at=moment)
    (finding,) = findings_of(RULE, case_of(submission))
    assert finding.verdict is verdict


def test_an_unknown_creation_time_is_not_checked(tmp_path: Path) -> None:
    (finding,) = findings_of(RULE, case_of(with_scores(tmp_path)))
    assert finding.verdict is RuleVerdict.NOT_CHECKED
