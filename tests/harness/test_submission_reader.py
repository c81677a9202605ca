"""Reading a folder into a submission."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from harness.claims.submission_json import read_submission_json
from harness.errors import SubmissionError
from harness.folder_tree import FolderTree
from harness.submission import Origin, Track
from harness.submission_reader import find_track, read_submission, track_named
from tests.builders import make_submission, write_files

if TYPE_CHECKING:
    from pathlib import Path

FOLDERS = {"track_10min_16mb": "record", "track_non_record_16mb": "non-record"}
RECORD_FOLDER = "records/track_10min_16mb/2026-04-01_Run"


def track(entry: str, title: str | None = None, json: bytes = b"{}") -> Track:
    origin = Origin(source="folder", path="", entry=entry, title=title)
    return find_track(origin, read_submission_json("submission.json", json), FOLDERS)[0]


def test_the_folder_names_the_track():
    assert track("records/track_non_record_16mb/2026-04-01_Run") is Track.NON_RECORD


def test_a_title_that_says_non_record_withdraws_the_record_claim():
    assert track(RECORD_FOLDER, title="Non-record: depth study") is Track.NON_RECORD


def test_a_title_that_claims_a_record_does_not_lift_a_non_record_folder():
    assert track("records/track_non_record_16mb/2026-04-01_Run", title="Record: 1.05") is Track.NON_RECORD


def test_submission_json_decides_between_the_boards_of_one_folder():
    json = b'{"track": "non-record-unlimited-compute-16mb"}'
    assert track("records/track_non_record_16mb/2026-04-01_Run", json=json) is Track.UNLIMITED


def test_an_unknown_track_folder_is_read_by_its_words():
    assert track("records/track_unlimited/2026-04-01_Run") is Track.UNLIMITED


def test_without_any_word_it_is_judged_as_a_record_claim():
    assert track("my_run") is Track.RECORD


@pytest.mark.parametrize("words", ["10min_16mb", "track_10min_16mb", "Record: 1.08", "10 min"])
def test_spellings_of_the_record_track(words: str):
    assert track_named(words) is Track.RECORD


@pytest.mark.parametrize("words", ["non_record_16mb", "non-record-16mb", "Non Record", "nonrecord"])
def test_spellings_of_the_non_record_track(words: str):
    assert track_named(words) is Track.NON_RECORD


def test_a_json_beside_another_name_is_found(tmp_path: Path):
    submission = make_submission(tmp_path, submission__json=None, submission_ternary__json='{"val_bpb": 1.1}')
    assert submission.json.path == "submission_ternary.json"


def test_the_shallowest_readme_is_the_readme(tmp_path: Path):
    submission = make_submission(tmp_path, docs___README__md="# other")
    assert submission.readme is not None
    assert submission.readme.path == "README.md"


def test_logs_in_a_subfolder_are_read(tmp_path: Path):
    submission = make_submission(tmp_path, logs___train_seed42__log="seed:42\n")
    assert "logs/train_seed42.log" in [log.path for log in submission.logs]


def test_requirements_are_no_log(tmp_path: Path):
    submission = make_submission(tmp_path, requirements__txt="torch\n")
    assert "requirements.txt" not in [log.path for log in submission.logs]
    assert submission.texts["requirements.txt"].text == "torch\n"


def test_a_symlink_is_named_among_what_was_not_read(tmp_path: Path):
    folder = write_files(tmp_path, {"README.md": "# Run", "train_gpt.py": "x = 1\n"})
    (folder / "extra.log").symlink_to("/etc/hostname")
    submission = read_submission(FolderTree(folder))
    assert any("extra.log is a symlink to /etc/hostname" in problem for problem in submission.problems)


def test_a_text_over_its_cap_is_cut_and_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("harness.submission_reader.TEXT_LIMIT_BYTES", 100)
    submission = make_submission(tmp_path)
    assert submission.readme is not None
    assert (len(submission.readme.text), submission.readme.truncated) == (100, True)
    assert any("README.md" in problem and "only the first 100" in problem for problem in submission.problems)


def test_logs_beyond_the_cap_on_their_number_are_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("harness.submission_reader.LOGS_AT_MOST", 2)
    submission = make_submission(tmp_path)
    assert len(submission.logs) == 2
    assert any("3 logs: only the first 2 were read" in problem for problem in submission.problems)


def test_an_empty_folder_is_no_submission(tmp_path: Path):
    with pytest.raises(SubmissionError):
        read_submission(FolderTree(tmp_path))
