from __future__ import annotations

from typing import Any

import pytest

from harness.errors import SubmissionError
from harness.git.folder_choice import Candidate, KnownFolders, choose_folder, claim_outside, record_folders

TRACK = "records/track_10min_16mb"
A = f"{TRACK}/2026-04-01_Alpha"
B = f"{TRACK}/2026-04-02_Beta"
COMPLETE = {"README.md": "1", "submission.json": "2", "train_gpt.py": "3", "train.log": "4"}


def candidate(path: str, **replace: Any) -> Candidate:
    return Candidate(**{"path": path, "files": COMPLETE, "added": 4} | replace)


def test_the_only_folder_is_chosen() -> None:
    choice = choose_folder([candidate(A)])
    assert (choice.path, choice.why, choice.ambiguous) == (A, "the only folder", False)


def test_own_work_goes_before_a_copy() -> None:
    choice = choose_folder([candidate(A), candidate(B, copy_of="records/t/old")])
    assert choice.path == A
    assert choice.others[0].why == "copy of records/t/old"


def test_own_work_goes_before_an_edited_record() -> None:
    choice = choose_folder([candidate(A), candidate(B, existed=True)])
    assert choice.path == A
    assert choice.others[0].why == "edits an existing record"


def test_new_work_goes_before_that_of_an_earlier_pull_request() -> None:
    choice = choose_folder([candidate(A), candidate(B, earlier_pr=5)])
    assert choice.path == A
    assert choice.others[0].why == "already in pull request #5"


def test_a_folder_with_a_submission_json_goes_before_one_without() -> None:
    bare = {name: blob for name, blob in COMPLETE.items() if name != "submission.json"}
    choice = choose_folder([candidate(A), candidate(B, files=bare)])
    assert (choice.path, choice.ambiguous) == (A, False)
    assert choice.others[0].why == "no submission.json"


def test_the_less_complete_folder_is_named_with_its_parts() -> None:
    fewer = {name: blob for name, blob in COMPLETE.items() if name != "train.log"}
    choice = choose_folder([candidate(A), candidate(B, files=fewer)])
    assert choice.why.endswith(f"next best {B}: less complete (3 of 4 parts)")


def test_of_two_complete_folders_the_later_date_is_chosen_and_marked() -> None:
    choice = choose_folder([candidate(A), candidate(B)])
    assert (choice.path, choice.ambiguous) == (B, True)
    assert choice.others[0].why == "second submission"


def test_a_date_without_leading_zeros_counts() -> None:
    choice = choose_folder([candidate(B), candidate(f"{TRACK}/2026-4-24-gold")])
    assert choice.path == f"{TRACK}/2026-4-24-gold"


def test_the_title_goes_before_the_date() -> None:
    choice = choose_folder([candidate(A), candidate(B)], title="Record: alpha mixer")
    assert (choice.path, choice.ambiguous) == (A, True)
    assert "named most like the title" in choice.why


def test_without_any_difference_the_choice_says_so() -> None:
    twin = f"{TRACK}/2026-04-01_Another"
    choice = choose_folder([candidate(A), candidate(twin)])
    assert choice.ambiguous
    assert "nothing tells them apart" in choice.why


def test_the_order_of_the_candidates_does_not_matter() -> None:
    several = [candidate(A), candidate(B), candidate(f"{TRACK}/2026-04-02_Gamma")]
    assert choose_folder(several).path == choose_folder(several[::-1]).path


def test_a_complete_package_outside_records_goes_before_an_incomplete_one_inside() -> None:
    fewer = {name: blob for name, blob in COMPLETE.items() if name != "train.log"}
    choice = choose_folder([candidate(A, files=fewer), candidate("final")])
    assert choice.path == "final"
    assert choice.why.endswith("it lies outside records/")


def test_a_complete_package_inside_records_goes_before_one_outside() -> None:
    assert choose_folder([candidate(A), candidate("final")]).path == A


def test_no_folder_is_an_error() -> None:
    with pytest.raises(SubmissionError, match="no folder under records/"):
        choose_folder([])


def test_a_single_edited_record_is_chosen() -> None:
    assert choose_folder([candidate(A, existed=True)]).why.startswith("edits an existing record")


def test_several_edited_and_copied_records_claim_nothing() -> None:
    with pytest.raises(SubmissionError, match="1 existing record folders are edited, 1 folders repeat"):
        choose_folder([candidate(A, existed=True), candidate(B, copy_of=A)])


def test_a_folder_with_the_same_files_is_a_copy() -> None:
    assert KnownFolders({A: COMPLETE}).copied_by(dict(COMPLETE)) == A


def test_a_copy_with_one_file_of_five_changed_is_still_a_copy() -> None:
    files = COMPLETE | {"notes.md": "5"}
    assert KnownFolders({A: files}).copied_by(files | {"notes.md": "6"}) == A


def test_a_copy_with_its_own_submission_json_is_own_work() -> None:
    files = COMPLETE | {"notes.md": "5"}
    assert KnownFolders({A: files}).copied_by(files | {"submission.json": "6"}) is None


def test_a_shared_script_alone_is_no_copy() -> None:
    files = {"README.md": "7", "submission.json": "8", "train_gpt.py": "3", "train.log": "9"}
    assert KnownFolders({A: COMPLETE}).copied_by(files) is None


@pytest.mark.parametrize(
    ("paths", "folders"),
    [
        ([f"{A}/README.md", f"{A}/logs/a.log"], (A,)),
        ([f"{A}/train.log"], (A,)),
        ([f"{A}/deep/er/train_gpt.py", f"{A}/deep/er/logs/a.log"], (f"{A}/deep/er",)),
        ([f"{A}/x/submission.json", f"{A}/y/submission.json"], (f"{A}/x", f"{A}/y")),
        ([f"{A}/README.md", f"{A}/x/submission.json", f"{A}/y/submission.json"], (A,)),
        ([f"{A}/logs/a.log", f"{A}/logs/b.log"], (A,)),
        ([f"{TRACK}/README.md", "records/notes.md", "train_gpt.py"], ()),
        (["records/mine/train_gpt.py", "records/mine/img/a.png"], ("records/mine",)),
        (["records/non_record/mine/submission.json"], ("records/non_record/mine",)),
        (["records/mine/run.log"], ("records/mine",)),
        ([f'{TRACK}/it\'s "a" = é/train.log'], (f'{TRACK}/it\'s "a" = é',)),
    ],
)
def test_record_folders_of_all_shapes_are_found(paths: list[str], folders: tuple[str, ...]) -> None:
    assert record_folders(paths) == folders


def test_one_package_outside_records_is_a_claim() -> None:
    assert claim_outside(["mine/submission.json", "mine/train_gpt.py", "mine/inner/x.py"]) == ("mine",)


def test_several_packages_outside_records_are_experiments() -> None:
    paths = ["a/submission.json", "a/train_gpt.py", "b/submission.json", "b/train_gpt.py"]
    assert claim_outside(paths) == ()


def test_a_script_alone_outside_records_is_no_claim() -> None:
    assert claim_outside(["tools/train_gpt.py", "train_gpt.py", "submission.json"]) == ()
