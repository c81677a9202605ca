from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from harness.finding import RuleVerdict
from harness.submission import PullRequestChanges
from tests.builders import findings_of, make_case, make_submission

if TYPE_CHECKING:
    from pathlib import Path

    from harness.finding import Finding

RULE = "pr-required-files"
NON_RECORD = "records/track_non_record_16mb/2026-04-01_Example"


def test_all_four_parts_pass(tmp_path: Path) -> None:
    (finding,) = findings_of(RULE, make_case(make_submission(tmp_path)))
    assert finding.verdict is RuleVerdict.PASS
    assert finding.message.endswith("README.md, submission.json, train_gpt.py, 3 logs")


def test_a_missing_script_fails(tmp_path: Path) -> None:
    finding = findings_of(RULE, make_case(make_submission(tmp_path, train_gpt__py=None)))[0]
    assert finding.verdict is RuleVerdict.FAIL
    assert finding.message.startswith("missing: train_gpt.py (there is no script to run); the folder")


def test_missing_logs_fail(tmp_path: Path) -> None:
    logs = {f"train_seed{seed}__log": None for seed in (13, 1337, 1111)}
    finding = findings_of(RULE, make_case(make_submission(tmp_path, **logs)))[0]
    assert finding.verdict is RuleVerdict.FAIL
    assert "a train log (nothing proves the score)" in finding.message


def test_a_missing_part_only_warns_on_the_non_record_board(tmp_path: Path) -> None:
    submission = make_submission(tmp_path, NON_RECORD, submission__json=None)
    assert findings_of(RULE, make_case(submission))[0].verdict is RuleVerdict.WARN


def test_one_script_under_another_name_is_a_warning(tmp_path: Path) -> None:
    submission = make_submission(tmp_path, train_gpt__py=None, train_gpt_v5__py="print(1)\n")
    finding = findings_of(RULE, make_case(submission))[0]
    assert finding.verdict is RuleVerdict.WARN
    assert "train_gpt_v5.py instead of train_gpt.py" in finding.message


def test_a_claimed_seed_without_a_log_is_a_warning(tmp_path: Path) -> None:
    finding = findings_of(RULE, make_case(make_submission(tmp_path, train_seed1337__log=None)))[0]
    assert finding.verdict is RuleVerdict.WARN
    assert finding.message.startswith("no log of seed 1337: 2 of 3 claimed seeds have a run")


def test_a_lone_log_is_asked_about(tmp_path: Path) -> None:
    submission = make_submission(tmp_path, README__md=None, submission__json=None, train_gpt__py=None)
    (finding,) = findings_of(RULE, make_case(submission))
    assert finding.ask == "Is this folder meant as a submission?"


def without_folder(root: Path, title: str | None) -> Finding:
    """What the rule says of a pull request that only edits the root script."""
    changes = PullRequestChanges(changes=(), outside_records=())
    submission = make_submission(root, changes=changes, README__md=None, submission__json=None)
    origin = dataclasses.replace(submission.origin, entry="", title=title)
    return findings_of(RULE, make_case(dataclasses.replace(submission, origin=origin)))[0]


def test_an_edit_of_the_root_script_alone_is_asked_about(tmp_path: Path) -> None:
    finding = without_folder(tmp_path, "Fix the last partial batch in train_gpt.py")
    assert finding.verdict is RuleVerdict.NEEDS_HUMAN
    assert "change of the core script" in (finding.ask or "")


def test_an_edit_of_the_root_script_whose_title_claims_a_score_fails(tmp_path: Path) -> None:
    assert without_folder(tmp_path, "Deeper model, val_bpb 1.1043").verdict is RuleVerdict.FAIL
