from __future__ import annotations

from typing import TYPE_CHECKING

from harness.finding import RuleVerdict
from tests.builders import findings_of, make_case, make_submission

if TYPE_CHECKING:
    from pathlib import Path

RULE = "folder-name"


def test_a_date_and_a_description_pass(tmp_path: Path) -> None:
    submission = make_submission(tmp_path, "records/track_10min_16mb/2026-04-01_Example")
    assert findings_of(RULE, make_case(submission))[0].verdict is RuleVerdict.PASS


def test_a_name_without_a_date_is_a_remark(tmp_path: Path) -> None:
    submission = make_submission(tmp_path, "records/track_10min_16mb/Example")
    (finding,) = findings_of(RULE, make_case(submission))
    assert finding.verdict is RuleVerdict.INFO
    assert "'Example'" in finding.message
