from __future__ import annotations

import dataclasses
import json
from types import SimpleNamespace

import pytest

from harness.dynamic.dynamic_audit import DynamicAudit
from harness.dynamic.event_record import EventRecord
from harness.dynamic.kept_folder import keep_audit, open_kept_folder
from harness.dynamic.probes.probe import ProbeResult, ScoredRun
from harness.dynamic.run_files import RunFiles, take_files
from harness.errors import SetupError
from harness.probe_outcome import Outcome
from harness.submission import Origin

ASKED = {"ranks": 1, "device": "cpu", "thorough": False, "whole_seconds": 300.0}
ENTRY = "records/track_10min_16mb/2026-04-01_Mine"
FIRST, SECOND = "0123456789abcdef" * 2 + "01234567", "fedcba9876543210" * 2 + "fedcba98"


def of_commit(commit=FIRST, pr=555, **more):
    return SimpleNamespace(
        origin=Origin(source="git", path="/clone", entry=ENTRY, commit=commit, pr=pr, **more)
    )


def on_disk(path):
    return SimpleNamespace(origin=Origin(source="folder", path=str(path), entry=""))


def result(outcome, *runs):
    return ProbeResult(probe="a probe", condition="c1-causal", outcome=outcome, sentence="so", runs=runs)


@pytest.fixture
def files(tmp_path):
    """Of an audit whose runs each left a log."""
    made = RunFiles(tmp_path / "scratch")
    for name in ("base", "suffix", "noise"):
        take_files(made.place(name), tmp_path, [f"this is {name}"], [], plan={})
    return made


def kept_names(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def test_a_folder_is_named_after_the_pull_request_the_submission_and_its_commit(tmp_path):
    assert open_kept_folder(tmp_path / "kept", of_commit(), ASKED).name == "pr555-2026-04-01_Mine-012345678"


def test_a_long_name_keeps_its_commit(tmp_path):
    submission = of_commit()
    submission.origin = dataclasses.replace(submission.origin, entry="records/" + "x" * 300)
    name = open_kept_folder(tmp_path, submission, ASKED).name
    assert name.endswith("x-012345678")
    assert len(name) < 140


def test_two_states_of_one_pull_request_have_folders_of_their_own(tmp_path):
    folders = {open_kept_folder(tmp_path, of_commit(commit), ASKED) for commit in (FIRST, SECOND)}
    assert len(folders) == 2


def test_the_same_command_finds_its_folder_again(tmp_path):
    submissions = (of_commit(), on_disk(tmp_path / "one" / "run"), on_disk(tmp_path / "two" / "run"))
    first = [open_kept_folder(tmp_path / "kept", each, ASKED) for each in submissions]
    again = [open_kept_folder(tmp_path / "kept", each, ASKED) for each in reversed(submissions)]
    assert [folder.name for folder in first] == ["pr555-2026-04-01_Mine-012345678", "run", "run-2"]
    assert again == first[::-1]


def test_runs_asked_for_in_another_way_do_not_replace_those_that_are_there(tmp_path):
    folders = [open_kept_folder(tmp_path, of_commit(), {**ASKED, "ranks": ranks}) for ranks in (1, 2, 1)]
    assert folders[1].name == f"{folders[0].name}-2"
    assert folders[2] == folders[0]


def test_a_folder_that_is_not_ours_is_left_alone(tmp_path):
    (tmp_path / "run").mkdir()
    (tmp_path / "run-2").write_text("a file")
    assert open_kept_folder(tmp_path, on_disk("/somewhere/run"), ASKED).name == "run-3"
    assert list((tmp_path / "run").iterdir()) == []


def test_a_place_that_is_a_file_is_a_fault_of_the_machine(tmp_path):
    (tmp_path / "kept").write_text("in the way")
    with pytest.raises(SetupError, match="cannot be kept there"):
        open_kept_folder(tmp_path / "kept", of_commit(), ASKED)


def test_the_first_run_and_those_that_a_breach_names_are_kept(tmp_path, files):
    results = (result(Outcome.BREACH, "base", "suffix"), result(Outcome.CLEAN, "base", "noise"))
    folder = open_kept_folder(tmp_path / "kept", of_commit(), ASKED)
    keep_audit(DynamicAudit(results=results), folder, files)
    assert kept_names(folder) == [
        "audited.json", "dynamic_audit.json", "runs/base/log.txt", "runs/base/plan.json",
        "runs/suffix/log.txt", "runs/suffix/plan.json",
    ]  # fmt: skip
    assert (folder / "runs" / "suffix" / "log.txt").read_text() == "this is suffix\n"


def test_an_audit_that_replaces_another_leaves_nothing_of_it_but_notes_that_were_put_there(tmp_path, files):
    folder = open_kept_folder(tmp_path / "kept", of_commit(), ASKED)
    keep_audit(DynamicAudit(results=(result(Outcome.BREACH, "base", "suffix"),)), folder, files)
    (folder / "timeline.svg").write_text("of the first run")
    (folder / "notes.md").write_text("mine")
    keep_audit(DynamicAudit(failure="now it cannot be driven"), folder, files)
    assert kept_names(folder) == [
        "audited.json", "dynamic_audit.json", "notes.md", "runs/base/log.txt", "runs/base/plan.json",
    ]  # fmt: skip
    assert json.loads((folder / "dynamic_audit.json").read_text())["failure"] == "now it cannot be driven"


def test_files_that_cannot_be_copied_leave_those_that_were_there(tmp_path, files, monkeypatch):
    folder = open_kept_folder(tmp_path / "kept", of_commit(), ASKED)
    keep_audit(DynamicAudit(), folder, files)

    def full(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("shutil.copytree", full)
    with pytest.raises(SetupError, match="No space left"):
        keep_audit(DynamicAudit(), folder, files)
    assert "runs/base/log.txt" in kept_names(folder)
    assert [path for path in folder.iterdir() if path.name.endswith(".partial")] == []


def test_what_a_run_printed_that_is_no_text_is_kept_as_escapes(tmp_path, files, monkeypatch):
    monkeypatch.setattr("harness.dynamic.kept_folder.timeline_svg", lambda *_, **__: "<svg>\ud800</svg>")
    base = ScoredRun(
        name="base",
        record=EventRecord(events=()),
        artifacts={},
        stream_tokens=2,
        metric=None,
        why_not="no score",
    )
    keep_audit(DynamicAudit(base=base), tmp_path, files)
    assert (tmp_path / "timeline.svg").read_text() == "<svg>\\ud800</svg>"
