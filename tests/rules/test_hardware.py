from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from harness.finding import RuleVerdict
from tests.builders import good_log
from tests.rules.log_builders import LOG, judge, judge_all, line_of

if TYPE_CHECKING:
    from pathlib import Path

RULE = "hardware"


def on_gpu(name: str) -> str:
    rows = [f"|   {gpu}  {name:<28}  On  |   00000000:{gpu}9:00.0 Off |    0 |" for gpu in range(8)]
    return good_log(13, gpus="\n".join(rows))


def test_eight_gpus_pass(tmp_path: Path) -> None:
    assert judge(RULE, tmp_path, good_log(13)).verdict is RuleVerdict.PASS


def test_four_gpus_fail_with_the_line_that_says_so(tmp_path: Path) -> None:
    log = good_log(13, world_size="world_size:4 grad_accum_steps:2")
    finding = judge(RULE, tmp_path, log)
    assert finding.verdict is RuleVerdict.FAIL
    assert finding.message.startswith(
        "seed 13 ran on 4 GPUs, not 8; times on another machine are projections"
    )
    assert (finding.places[0].file, finding.places[0].line) == (LOG, line_of(log, "world_size"))


@pytest.mark.parametrize(
    ("name", "verdict"),
    [
        ("NVIDIA H100 80GB HBM3", RuleVerdict.PASS),
        ("NVIDIA H100 PCIe", RuleVerdict.FAIL),
        ("NVIDIA H100 NVL", RuleVerdict.FAIL),
        ("NVIDIA A100-SXM4-80GB", RuleVerdict.FAIL),
        ("NVIDIA H200", RuleVerdict.NEEDS_HUMAN),
    ],
)
def test_the_gpu_name_decides(tmp_path: Path, name: str, verdict: RuleVerdict) -> None:
    assert judge_all(RULE, tmp_path, on_gpu(name))[1].verdict is verdict


def test_a_log_that_does_not_name_its_gpu_is_not_checked(tmp_path: Path) -> None:
    findings = judge_all(RULE, tmp_path, good_log(13, gpus=""))
    assert findings[1].verdict is RuleVerdict.NOT_CHECKED
