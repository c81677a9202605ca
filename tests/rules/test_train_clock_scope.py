from __future__ import annotations

from typing import TYPE_CHECKING

from harness.finding import RuleVerdict
from tests.builders import good_log
from tests.rules.log_builders import judge_all

if TYPE_CHECKING:
    from pathlib import Path

RULE = "train-clock-scope"


def test_long_warm_up_before_the_clock_is_a_remark(tmp_path: Path) -> None:
    log = good_log(13, model_params="model_params:17059912\ncompile warmup done (301.0s)")
    verdicts = [finding.verdict for finding in judge_all(RULE, tmp_path, log)]
    assert verdicts == [RuleVerdict.INFO, RuleVerdict.NOT_CHECKED]


def test_short_warm_up_is_never_a_pass_without_the_static_audit(tmp_path: Path) -> None:
    log = good_log(13, model_params="model_params:17059912\ncompile warmup done (299.0s)")
    verdicts = [finding.verdict for finding in judge_all(RULE, tmp_path, log)]
    assert verdicts == [RuleVerdict.NOT_CHECKED]
