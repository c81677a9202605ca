from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from harness.finding import RuleVerdict
from tests.builders import good_log
from tests.rules.log_builders import LOG, judge, judge_all, line_of, scored_with

if TYPE_CHECKING:
    from pathlib import Path

RULE = "bpb-formula"
TOKENS = 62_021_632
RIGHT = 151_080_891 / TOKENS


@pytest.mark.parametrize(
    ("factor", "verdict"),
    [
        (1.0, RuleVerdict.PASS),
        (1.00009, RuleVerdict.PASS),
        (1.00011, RuleVerdict.WARN),
        (1.00049, RuleVerdict.WARN),
        (1.00051, RuleVerdict.FAIL),
        (1.4, RuleVerdict.FAIL),
    ],
)
def test_the_bands_around_the_bytes_of_the_text(tmp_path: Path, factor: float, verdict: RuleVerdict) -> None:
    assert judge(RULE, tmp_path, scored_with(RIGHT * factor, TOKENS)).verdict is verdict


def test_a_failure_shows_the_equation_and_the_line(tmp_path: Path) -> None:
    log = scored_with(RIGHT * 1.31, TOKENS)
    finding = judge(RULE, tmp_path, log)
    assert "62,021,632 tokens x 2.65" in finding.message
    assert "imply 197,915,967 bytes, +31.00 % against the 151,080,891 bytes" in finding.message
    assert finding.places[0].file == LOG
    assert finding.places[0].line in {
        line_of(log, "final_int8"),
        line_of(log, "final_int8_zlib_roundtrip_exact"),
    }


def test_few_decimals_widen_the_bands(tmp_path: Path) -> None:
    log = scored_with(RIGHT * 1.00012, TOKENS, exact="")
    finding = judge(RULE, tmp_path, log)
    assert finding.verdict is RuleVerdict.PASS
    assert "the print leaves +-0.00" in finding.message


def test_too_few_bytes_make_a_score_worse_and_only_warn(tmp_path: Path) -> None:
    finding = judge(RULE, tmp_path, scored_with(RIGHT * 0.987, TOKENS))
    assert finding.verdict is RuleVerdict.WARN
    assert "which makes the score worse" in finding.message


def test_a_mixture_that_does_not_fit_asks_a_person(tmp_path: Path) -> None:
    log = scored_with(RIGHT * 1.4, TOKENS).replace("final_int8_zlib_roundtrip", "final_ngram")
    assert judge(RULE, tmp_path, log).verdict is RuleVerdict.NEEDS_HUMAN


def test_a_byte_count_on_the_score_line_must_be_that_of_the_text(tmp_path: Path) -> None:
    log = good_log(13, final="", exact="ppm_mixer val_bpb:1.20000000 eval_time:5500ms N_bytes=40540160")
    finding = judge(RULE, tmp_path, log)
    assert finding.verdict is RuleVerdict.FAIL
    assert "counts 40,540,160 bytes, -73.17 % against the 151,080,891 bytes" in finding.message


def test_an_artifact_size_on_the_score_line_is_no_byte_count_of_the_text(tmp_path: Path) -> None:
    line = "final_int8_zlib_roundtrip model_bytes:11125178 total_bytes:11189842 val_bpb:1.2000"
    messages = [finding.message for finding in judge_all(RULE, tmp_path, good_log(13, final="", exact=line))]
    assert not [message for message in messages if "11,189,842" in message]


def test_the_right_byte_count_on_the_score_line_passes(tmp_path: Path) -> None:
    log = good_log(13, final="", exact="ppm_mixer val_bpb:1.20000000 eval_time:5500ms N_bytes=151078222")
    assert judge(RULE, tmp_path, log).verdict is RuleVerdict.PASS


def test_seeds_that_divide_by_different_bytes_ask_a_person(tmp_path: Path) -> None:
    findings = judge_all(RULE, tmp_path, scored_with(RIGHT * 1.001, TOKENS))
    assert findings[-1].verdict is RuleVerdict.NEEDS_HUMAN
    assert "bytes per token in seed" in findings[-1].message


@pytest.mark.parametrize("tokens", [68_975, 30_000_000])
def test_another_corpus_is_not_measured_against_the_text(tmp_path: Path, tokens: int) -> None:
    log = scored_with(2.6036, tokens)
    finding = judge(RULE, tmp_path, log)
    assert finding.verdict is RuleVerdict.NOT_CHECKED
    assert f"{tokens:,} tokens are those of another set" in finding.message
    assert judge("val-full", tmp_path / "again", log).verdict is RuleVerdict.NEEDS_HUMAN


def test_more_bytes_than_the_text_fail_whatever_the_set(tmp_path: Path) -> None:
    log = scored_with(3.9589, 49_999_872)
    assert judge(RULE, tmp_path, log).verdict is RuleVerdict.FAIL


def test_a_larger_set_counted_as_a_known_tokenizer_counts_is_a_matter_of_val_full(tmp_path: Path) -> None:
    log = scored_with(2.43593, 80_000_000)
    assert judge(RULE, tmp_path, log).verdict is RuleVerdict.NOT_CHECKED
    assert judge("val-full", tmp_path / "again", log).verdict is RuleVerdict.NEEDS_HUMAN
