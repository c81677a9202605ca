from __future__ import annotations

from typing import TYPE_CHECKING

from harness.finding import RuleVerdict
from tests.builders import SEEDS, findings_of, good_log, make_case, make_submission

if TYPE_CHECKING:
    from pathlib import Path

RULE = "log-auto"


def test_complete_logs_pass(tmp_path: Path) -> None:
    (finding,) = findings_of(RULE, make_case(make_submission(tmp_path)))
    assert finding.verdict is RuleVerdict.PASS
    assert finding.message.startswith("3 training runs")


def test_logs_without_a_training_step_go_to_a_person(tmp_path: Path) -> None:
    logs = {f"train_seed{seed}__log": "We trained it and it was good.\n" for seed in SEEDS}
    (finding,) = findings_of(RULE, make_case(make_submission(tmp_path, **logs)))
    assert finding.verdict is RuleVerdict.NEEDS_HUMAN
    assert finding.message.startswith("none of 3 logs holds a training run")


def test_a_log_without_nvidia_smi_is_a_remark(tmp_path: Path) -> None:
    submission = make_submission(tmp_path, train_seed13__log=good_log(13, gpus=""))
    (finding,) = findings_of(RULE, make_case(submission))
    assert finding.verdict is RuleVerdict.INFO
    assert "not printed in all of them: nvidia-smi" in finding.message
