from __future__ import annotations

from typing import TYPE_CHECKING

from harness.finding import RuleVerdict
from harness.submission import FileKind, PathChange, PullRequestChanges
from tests.builders import ENTRY, findings_of, make_case, make_submission

if TYPE_CHECKING:
    from pathlib import Path

RULE = "pr-reviewable-size"


def _changes(lines: int, name: str = "train_gpt.py") -> PullRequestChanges:
    change = PathChange(path=f"{ENTRY}/{name}", status="added", kind=FileKind.FILE, added_lines=lines)
    return PullRequestChanges(changes=(change,), outside_records=())


def test_twenty_thousand_lines_pass(tmp_path: Path) -> None:
    submission = make_submission(tmp_path, changes=_changes(20_000))
    assert findings_of(RULE, make_case(submission))[0].verdict is RuleVerdict.PASS


def test_one_line_more_is_a_warning(tmp_path: Path) -> None:
    (finding,) = findings_of(RULE, make_case(make_submission(tmp_path, changes=_changes(20_001))))
    assert finding.verdict is RuleVerdict.WARN
    assert "20,001 added lines besides logs" in finding.message
    assert finding.places[0].file == f"{ENTRY}/train_gpt.py"


def test_lines_of_logs_do_not_count(tmp_path: Path) -> None:
    submission = make_submission(tmp_path, changes=_changes(90_000, "train_seed13.log"))
    assert findings_of(RULE, make_case(submission))[0].verdict is RuleVerdict.PASS
