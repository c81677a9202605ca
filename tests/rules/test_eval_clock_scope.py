from __future__ import annotations

from typing import TYPE_CHECKING

from harness.case import Profile
from harness.finding import RuleVerdict
from tests.builders import good_log
from tests.rules.log_builders import judge, score_lines

if TYPE_CHECKING:
    from pathlib import Path

RULE = "eval-clock-scope"
LOSS = 1.2 * 0.6931471805599453 * 2.43593


def with_warm_up(seconds: int) -> str:
    lines = score_lines("quantized_ttt_phased", LOSS, 1.2, 500_000)
    return good_log(13, peak=f"ttt_lora:compile warmup done ({seconds}.0s)", **lines)


def test_warm_up_that_still_fits_the_cap_passes(tmp_path: Path) -> None:
    assert judge(RULE, tmp_path, with_warm_up(99)).verdict is RuleVerdict.PASS


def test_warm_up_beyond_the_cap_is_a_remark_in_practice(tmp_path: Path) -> None:
    finding = judge(RULE, tmp_path, with_warm_up(101))
    assert finding.verdict is RuleVerdict.INFO
    assert "601 s are printed after the stop, 500 s of them" in finding.message


def test_the_text_profile_asks_about_it(tmp_path: Path) -> None:
    finding = judge(RULE, tmp_path, with_warm_up(101), profile=Profile.TEXT)
    assert finding.verdict is RuleVerdict.NEEDS_HUMAN


def test_a_precompute_outside_the_timer_is_a_warning(tmp_path: Path) -> None:
    outside = "ngram_tilt:precompute_outside_timer_done elapsed=16.18s total_targets=47851520"
    log = good_log(13, peak=outside, **score_lines("quantized_ttt_phased", LOSS, 1.2, 500_000))
    finding = judge(RULE, tmp_path, log)
    assert finding.verdict is RuleVerdict.WARN
    assert "16.18 s of n-gram precompute" in finding.message


def test_a_precompute_after_the_timer_has_begun_is_inside_whatever_its_name_says(tmp_path: Path) -> None:
    lines = (
        "beginning TTT eval timer\nngram_tilt:precompute_outside_timer_done elapsed=16.18s total_targets=9"
    )
    log = good_log(13, peak=lines, **score_lines("quantized_ttt_phased", LOSS, 1.2, 500_000))
    assert judge(RULE, tmp_path, log).verdict is RuleVerdict.PASS
