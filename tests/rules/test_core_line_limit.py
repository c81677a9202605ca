from __future__ import annotations

from typing import TYPE_CHECKING

from harness.finding import RuleVerdict
from harness.submission import FileKind, PathChange, PullRequestChanges
from tests.builders import findings_of, make_case, make_submission, with_origin

if TYPE_CHECKING:
    from pathlib import Path

    from harness.submission import Submission

RULE = "core-line-limit"
ROOT_SCRIPT = PathChange(path="train_gpt.py", status="modified", kind=FileKind.FILE, added_lines=400)


def _at_root(root: Path, lines: int) -> Submission:
    submission = make_submission(
        root,
        changes=PullRequestChanges(changes=(ROOT_SCRIPT,), outside_records=(ROOT_SCRIPT,)),
        train_gpt__py="x = 1\n" * lines,
    )
    return with_origin(submission, entry="")


def test_a_root_script_of_1500_lines_passes(tmp_path: Path) -> None:
    (finding,) = findings_of(RULE, make_case(_at_root(tmp_path, 1_500)))
    assert finding.verdict is RuleVerdict.PASS


def test_one_line_more_fails(tmp_path: Path) -> None:
    (finding,) = findings_of(RULE, make_case(_at_root(tmp_path, 1_501)))
    assert finding.verdict is RuleVerdict.FAIL
    assert "1,501 lines, 1 over the limit of 1,500" in finding.message
    assert finding.places[0].file == "train_gpt.py"


def test_a_record_of_any_length_is_not_concerned(tmp_path: Path) -> None:
    submission = make_submission(tmp_path, train_gpt__py="x = 1\n" * 3_000)
    assert findings_of(RULE, make_case(submission))[0].verdict is RuleVerdict.NOT_APPLICABLE
