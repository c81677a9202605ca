from __future__ import annotations

import json
from typing import TYPE_CHECKING

from harness.finding import RuleVerdict
from tests.builders import good_json, good_log
from tests.rules.log_builders import LOG, judge, judge_all, line_of, score_lines

if TYPE_CHECKING:
    from pathlib import Path

RULE = "eval-time-cap"
LOSS = 1.2 * 0.6931471805599453 * 2.43593


def timed(milliseconds: int) -> str:
    return good_log(13, **score_lines("final_int8_zlib_roundtrip", LOSS, 1.2, milliseconds))


def test_a_pass_of_exactly_600_seconds_is_within_the_cap(tmp_path: Path) -> None:
    assert judge(RULE, tmp_path, timed(600_000)).verdict is RuleVerdict.PASS


def test_a_pass_of_one_millisecond_more_fails(tmp_path: Path) -> None:
    log = timed(600_001)
    finding = judge(RULE, tmp_path, log)
    assert finding.verdict is RuleVerdict.FAIL
    assert "took 600.001 s, 0.001 s over the cap of 600 s" in finding.message
    assert (finding.places[0].file, finding.places[0].line) == (
        LOG,
        line_of(log, "final_int8_zlib_roundtrip "),
    )


def with_adaptation(label: str) -> str:
    """523.6 s of adaptation, a score after it, and a counted pass of 114.6 s."""
    phase = f"{label}:done total_time=523.6s\npost-{label} val_loss:1.99 val_bpb:1.1786 eval_time:8850ms"
    lines = score_lines("quantized_sliding_window", LOSS, 1.2, 114_600)
    return good_log(13, peak=phase, **lines)


def test_adaptation_before_quantisation_is_on_the_evaluation_clock(tmp_path: Path) -> None:
    finding = judge(RULE, tmp_path, with_adaptation("prequant_ttt"))
    assert finding.verdict is RuleVerdict.FAIL
    assert "took 638.2 s, 38.2 s over the cap" in finding.message


def test_compilation_before_the_counted_pass_is_not(tmp_path: Path) -> None:
    finding = judge(RULE, tmp_path, with_adaptation("compile_warmup"))
    assert finding.verdict is RuleVerdict.PASS


def test_the_model_pass_around_a_mixture_is_on_the_clock(tmp_path: Path) -> None:
    log = good_log(
        13,
        final="ppm_mixer val_bpb:1.20000000 eval_time:550024ms order=5",
        exact="quantized_sliding_window val_loss:2.03 val_bpb:1.2022 eval_time:681318ms",
    )
    finding = judge(RULE, tmp_path, log)
    assert finding.verdict is RuleVerdict.FAIL
    assert "681.318 s for the model pass around" in finding.message


def test_a_precompute_outside_the_timer_is_added(tmp_path: Path) -> None:
    outside = "ngram_tilt:precompute_outside_timer_done elapsed=127.48s total_targets=47851520"
    lines = score_lines("quantized_ttt_phased", LOSS, 1.2, 580_667)
    log = good_log(13, peak=outside, **lines)
    assert judge(RULE, tmp_path, log).verdict is RuleVerdict.FAIL


def test_a_precompute_inside_the_timer_is_not_added_again(tmp_path: Path) -> None:
    inside = "ngram_tilt:precompute_done elapsed=127.48s total_targets=47851520"
    lines = score_lines("quantized_ttt_phased", LOSS, 1.2, 580_667)
    log = good_log(13, peak=inside, **lines)
    assert judge(RULE, tmp_path, log).verdict is RuleVerdict.PASS


def test_an_own_statement_over_the_cap_asks_a_person(tmp_path: Path) -> None:
    document = json.dumps(good_json(eval_time_seconds=688))
    last = judge_all(RULE, tmp_path, timed(1_400), submission__json=document)[-1]
    assert last.verdict is RuleVerdict.NEEDS_HUMAN
    assert "submission.json states 688 s of evaluation, 88 s over the cap" in last.message


def test_a_score_without_a_time_is_not_checked(tmp_path: Path) -> None:
    log = good_log(13, final=f"final_int8_zlib_roundtrip val_loss:{LOSS:.4f} val_bpb:1.2000")
    assert judge(RULE, tmp_path, log).verdict is RuleVerdict.NOT_CHECKED
