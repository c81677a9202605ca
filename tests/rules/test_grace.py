"""grace: a state that is newer than the cutoff needs a person."""

from __future__ import annotations

import dataclasses
import datetime
from typing import TYPE_CHECKING

from harness.finding import RuleVerdict
from harness.submission import FileKind, PathChange, PullRequestChanges
from tests.builders import findings_of
from tests.rules.scored_submission import case_of, with_scores

if TYPE_CHECKING:
    from pathlib import Path

    from harness.submission import Submission

RULE = "grace"


def head_dated(tmp_path: Path, date: str) -> Submission:
    submission = with_scores(tmp_path)
    origin = dataclasses.replace(
        submission.origin, source="git", commit_date=datetime.datetime.fromisoformat(date)
    )
    change = PathChange(path="records/x/y/train_seed13.log", status="added", kind=FileKind.FILE)
    changes = PullRequestChanges(changes=(change,), outside_records=())
    return dataclasses.replace(submission, origin=origin, changes=changes)


def test_a_head_after_the_cutoff_asks_what_was_added(tmp_path: Path) -> None:
    (finding,) = findings_of(RULE, case_of(head_dated(tmp_path, "2026-05-02T00:00:00+00:00")))
    assert finding.verdict is RuleVerdict.NEEDS_HUMAN
    assert "it adds train_seed13.log" in finding.message


def test_a_head_before_the_cutoff_passes(tmp_path: Path) -> None:
    (finding,) = findings_of(RULE, case_of(head_dated(tmp_path, "2026-05-01T23:59:59+00:00")))
    assert finding.verdict is RuleVerdict.PASS


def test_a_plain_folder_has_no_grace_to_judge(tmp_path: Path) -> None:
    (finding,) = findings_of(RULE, case_of(with_scores(tmp_path)))
    assert finding.verdict is RuleVerdict.NOT_APPLICABLE
