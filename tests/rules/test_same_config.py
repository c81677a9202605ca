"""same-config: the counted seeds ran one configuration."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from harness.finding import RuleVerdict
from tests.builders import findings_of, good_log, good_readme
from tests.rules.scored_submission import SCORES, case_of, stated, with_scores

if TYPE_CHECKING:
    from pathlib import Path

RULE = "same-config"
SCRIPT = """import os
LR = float(os.environ.get("MATRIX_LR", "0.02"))
TTT = bool(int(os.environ.get("TTT_ENABLED", "0")))
RUN = os.environ.get("RUN_ID", "x")
CAP = os.environ.get("MAX_WALLCLOCK_SECONDS", "600")
print("train")
"""


def logs_with(*lines: str) -> dict[str, str]:
    """One log a seed, each opening with its line."""
    return {
        f"train_seed{seed}__log": f"Hyperparameters:\n  {line}\n" + good_log(seed, val_bpb=score)
        for (seed, score), line in zip(SCORES.items(), lines, strict=True)
    }


@pytest.mark.parametrize(
    ("third", "verdict"),
    [
        ("matrix_lr: 0.02", RuleVerdict.PASS),
        ("matrix_lr: 0.020", RuleVerdict.PASS),  # the same number
        ("matrix_lr: 0.03", RuleVerdict.FAIL),
    ],
)
def test_a_switch_of_the_script_must_be_the_same(tmp_path: Path, third: str, verdict: RuleVerdict) -> None:
    logs = logs_with("matrix_lr: 0.02", "matrix_lr: 0.02", third)
    (finding,) = findings_of(RULE, case_of(with_scores(tmp_path, train_gpt__py=SCRIPT, **logs)))
    assert finding.verdict is verdict


def test_a_failure_names_the_switch_and_its_line(tmp_path: Path) -> None:
    logs = logs_with("matrix_lr: 0.02", "matrix_lr: 0.02", "matrix_lr: 0.03")
    (finding,) = findings_of(RULE, case_of(with_scores(tmp_path, train_gpt__py=SCRIPT, **logs)))
    assert "seed 1111 ran with matrix_lr=0.03 where seed 13 ran with matrix_lr=0.02" in finding.message
    assert (finding.places[0].file, finding.places[0].line) == ("train_seed1111.log", 2)


def test_what_the_script_does_not_read_is_no_switch(tmp_path: Path) -> None:
    logs = logs_with("some_value: 0.02", "some_value: 0.02", "some_value: 0.03")
    findings = findings_of(RULE, case_of(with_scores(tmp_path, train_gpt__py=SCRIPT, **logs)))
    assert not [finding for finding in findings if finding.verdict is RuleVerdict.FAIL]


def test_run_names_may_differ(tmp_path: Path) -> None:
    logs = logs_with("run_id: a\n  matrix_lr: 1", "run_id: b\n  matrix_lr: 1", "run_id: c\n  matrix_lr: 1")
    (finding,) = findings_of(RULE, case_of(with_scores(tmp_path, train_gpt__py=SCRIPT, **logs)))
    assert finding.verdict is RuleVerdict.PASS


def test_another_time_cap_is_only_a_warning(tmp_path: Path) -> None:
    first = good_log(13, val_bpb=SCORES[13], cap="train_seq_len:1024 max_wallclock_seconds:596.000")
    findings = findings_of(
        RULE, case_of(with_scores(tmp_path, train_gpt__py=SCRIPT, train_seed13__log=first))
    )
    assert {finding.verdict for finding in findings} == {RuleVerdict.WARN}
    assert "another time budget" in findings[0].message


def test_a_method_that_the_counted_score_did_not_use_is_moot(tmp_path: Path) -> None:
    logs = logs_with("ttt_enabled: 1", "ttt_enabled: 0", "ttt_enabled: 0")
    (finding,) = findings_of(RULE, case_of(with_scores(tmp_path, train_gpt__py=SCRIPT, **logs)))
    assert finding.verdict is RuleVerdict.PASS


def test_a_log_that_the_json_sets_apart_but_the_readme_counts_asks(tmp_path: Path) -> None:
    two = {13: 1.2, 1337: 1.2006}
    document = json.loads(stated(two))
    document["reference_logs"] = [{"log": "train_seed1111.log", "note": "Reference run only, other config."}]
    submission = with_scores(
        tmp_path, SCORES, submission__json=json.dumps(document), README__md=good_readme(SCORES)
    )
    findings = findings_of(RULE, case_of(submission))
    asked = [finding for finding in findings if finding.verdict is RuleVerdict.NEEDS_HUMAN]
    assert "sets train_seed1111.log apart" in asked[0].message
    assert asked[0].places[0].file == "README.md"


def test_one_seed_has_nothing_to_compare(tmp_path: Path) -> None:
    (finding,) = findings_of(RULE, case_of(with_scores(tmp_path, {13: 1.2})))
    assert finding.verdict is RuleVerdict.NOT_APPLICABLE


def test_a_log_that_only_evaluates_shows_no_configuration_of_training(tmp_path: Path) -> None:
    idle = {"step1": "", "step2": "", "step_last": "", "step_val": "", "stop": ""}
    logs = logs_with("matrix_lr: 0.02", "matrix_lr: 0.02", "matrix_lr: 0.03")
    log = "Hyperparameters:\n  matrix_lr: 0.03\n" + good_log(1111, val_bpb=SCORES[1111], **idle)
    submission = with_scores(tmp_path, train_gpt__py=SCRIPT, **{**logs, "train_seed1111__log": log})
    (finding,) = findings_of(RULE, case_of(submission))
    assert finding.verdict is RuleVerdict.NEEDS_HUMAN
    assert "the log of seed 1111 only evaluates" in finding.message


def test_logs_that_cannot_be_read_leave_the_question_open(tmp_path: Path) -> None:
    files = {f"train_seed{seed}__log": b"\x00\x01\x02\x03" * 500 for seed in SCORES}
    findings = findings_of(RULE, case_of(with_scores(tmp_path, **files)))
    assert [finding.verdict for finding in findings] == [RuleVerdict.NOT_CHECKED]
