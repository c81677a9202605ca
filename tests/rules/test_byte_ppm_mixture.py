from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from harness.finding import RuleVerdict
from tests.builders import good_log
from tests.rules.log_builders import LOG, judge, judge_all, line_of

if TYPE_CHECKING:
    from pathlib import Path

RULE = "byte-ppm-mixture"


def counted(label: str) -> str:
    return good_log(13, final="", exact=f"{label} val_bpb:1.20000000 eval_time:5500ms")


@pytest.mark.parametrize(
    ("label", "verdict"),
    [
        ("ppm_mixer", RuleVerdict.FAIL),
        ("quantized_cond_ppm", RuleVerdict.NEEDS_HUMAN),
        ("quantized_sliding_window", RuleVerdict.NOT_CHECKED),
    ],
)
def test_the_label_of_the_counted_line_decides(tmp_path: Path, label: str, verdict: RuleVerdict) -> None:
    assert judge(RULE, tmp_path, counted(label)).verdict is verdict


def test_the_failure_quotes_score_label_and_line(tmp_path: Path) -> None:
    log = counted("ppm_mixer")
    line = line_of(log, "ppm_mixer")
    finding = judge(RULE, tmp_path, log)
    assert f"the counted 1.20000000 is the 'ppm_mixer' line (train_seed13.log:{line})" in finding.message
    assert (finding.places[0].file, finding.places[0].line) == (LOG, line)


def test_a_mixture_that_is_not_counted_is_a_remark(tmp_path: Path) -> None:
    log = good_log(13, peak="ppm_mixer val_bpb:0.95000000 eval_time:5500ms")
    verdicts = [finding.verdict for finding in judge_all(RULE, tmp_path, log)]
    assert verdicts[0] is RuleVerdict.INFO
    assert RuleVerdict.FAIL not in verdicts
