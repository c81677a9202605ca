from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from harness.finding import RuleVerdict
from tests.builders import good_log
from tests.rules.log_builders import LOG, judge, line_of, stop_line

if TYPE_CHECKING:
    from pathlib import Path

RULE = "calibration-in-train-budget"


def calibrated_for(seconds: float, *, stop_milliseconds: int = 599_500) -> str:
    return good_log(
        13,
        step_last="",
        step_val="",
        stop=stop_line(stop_milliseconds),
        peak=f"GPTQ:collecting Hessians from calibration data...\nGPTQ:collected 60 Hessians in {seconds}s",
    )


@pytest.mark.parametrize(
    ("seconds", "verdict"),
    [
        (0.7, RuleVerdict.PASS),
        (0.8, RuleVerdict.NEEDS_HUMAN),
        (5.5, RuleVerdict.NEEDS_HUMAN),
        (5.6, RuleVerdict.FAIL),
    ],
)
def test_calibration_after_the_stop_counts_as_training(
    tmp_path: Path, seconds: float, verdict: RuleVerdict
) -> None:
    assert judge(RULE, tmp_path, calibrated_for(seconds)).verdict is verdict


def test_a_failure_adds_the_two_times_and_points_at_the_calibration(tmp_path: Path) -> None:
    log = calibrated_for(46.2)
    finding = judge(RULE, tmp_path, log)
    assert finding.message.startswith(
        "seed 13: 599.5 s of training and 46.2 s of calibration after it make 645.7 s, 45.7 s over the cap"
    )
    assert (finding.places[0].file, finding.places[0].line) == (LOG, line_of(log, "GPTQ:collected"))


def test_calibration_inside_a_reserve_passes(tmp_path: Path) -> None:
    finding = judge(RULE, tmp_path, calibrated_for(9.7, stop_milliseconds=590_000))
    assert finding.verdict is RuleVerdict.PASS


def test_calibration_on_generated_data_reads_no_training_data(tmp_path: Path) -> None:
    log = good_log(
        13,
        peak="gptq:generating autoregressive calibration data (32 seqs x 1024 tokens)...\n"
        "gptq:generated 32 sequences in 187.5s",
    )
    assert judge(RULE, tmp_path, log).verdict is RuleVerdict.PASS


def test_a_script_without_calibration_is_not_concerned(tmp_path: Path) -> None:
    assert judge(RULE, tmp_path, good_log(13)).verdict is RuleVerdict.NOT_APPLICABLE
