from __future__ import annotations

from typing import TYPE_CHECKING

from harness.case import Profile
from harness.finding import RuleVerdict
from harness.submission import FileKind, OtherFolder, PathChange, PullRequestChanges
from tests.builders import ENTRY, findings_of, make_case, make_submission

if TYPE_CHECKING:
    from pathlib import Path

RULE = "pr-single-folder"
INSIDE = PathChange(path=f"{ENTRY}/train_gpt.py", status="added", kind=FileKind.FILE, added_lines=2)
ROOT_SCRIPT = PathChange(path="train_gpt.py", status="modified", kind=FileKind.FILE, added_lines=9)


def test_one_new_folder_passes(tmp_path: Path) -> None:
    changes = PullRequestChanges(changes=(INSIDE,), outside_records=())
    (finding,) = findings_of(RULE, make_case(make_submission(tmp_path, changes=changes)))
    assert finding.verdict is RuleVerdict.PASS


def test_an_edit_of_the_root_script_asks_for_a_trim(tmp_path: Path) -> None:
    changes = PullRequestChanges(changes=(INSIDE, ROOT_SCRIPT), outside_records=(ROOT_SCRIPT,))
    (finding,) = findings_of(RULE, make_case(make_submission(tmp_path, changes=changes)))
    assert finding.verdict is RuleVerdict.WARN
    assert "2 changed paths: 1 outside records/ (train_gpt.py (modified))" in finding.message
    assert finding.places[0].file == "train_gpt.py"


def test_the_text_profile_rejects_it(tmp_path: Path) -> None:
    changes = PullRequestChanges(changes=(INSIDE, ROOT_SCRIPT), outside_records=(ROOT_SCRIPT,))
    case = make_case(make_submission(tmp_path, changes=changes), profile=Profile.TEXT)
    assert findings_of(RULE, case)[0].verdict is RuleVerdict.FAIL


def test_a_second_submission_is_named(tmp_path: Path) -> None:
    other = OtherFolder(path="records/track_10min_16mb/2026-04-02_Other", why="second submission")
    changes = PullRequestChanges(changes=(INSIDE,), outside_records=(), other_folders=(other,))
    (finding,) = findings_of(RULE, make_case(make_submission(tmp_path, changes=changes)))
    assert "2026-04-02_Other: second submission" in finding.message


def _beside(*, ambiguous: bool) -> PullRequestChanges:
    other = OtherFolder(path="records/track_10min_16mb/2026-04-02_Other", why="second submission")
    return PullRequestChanges(
        changes=(INSIDE,),
        outside_records=(),
        other_folders=(other,),
        why_this_folder="the most complete own folder (4 of 4 parts)",
        ambiguous_folder=ambiguous,
    )


def test_the_folder_that_was_judged_is_said_with_the_reason(tmp_path: Path) -> None:
    case = make_case(make_submission(tmp_path, changes=_beside(ambiguous=False)))
    (finding,) = findings_of(RULE, case)
    assert "Judged 2026-04-01_Example: the most complete own folder (4 of 4 parts)." in finding.message


def test_a_guessed_folder_is_a_warning_that_asks_for_the_entry(tmp_path: Path) -> None:
    guess, rest = findings_of(RULE, make_case(make_submission(tmp_path, changes=_beside(ambiguous=True))))
    assert [guess.verdict, rest.verdict] == [RuleVerdict.WARN] * 2
    assert guess.message == (
        f"judged {ENTRY}; records/track_10min_16mb/2026-04-02_Other looks like a submission too: "
        "name the folder with --entry"
    )


def test_a_choice_without_rivals_says_nothing_about_entry(tmp_path: Path) -> None:
    changes = PullRequestChanges(changes=(INSIDE,), outside_records=(), why_this_folder="the only folder")
    (finding,) = findings_of(RULE, make_case(make_submission(tmp_path, changes=changes)))
    assert "--entry" not in finding.message


def test_a_plain_folder_is_not_checked(tmp_path: Path) -> None:
    (finding,) = findings_of(RULE, make_case(make_submission(tmp_path)))
    assert finding.verdict is RuleVerdict.NOT_CHECKED
