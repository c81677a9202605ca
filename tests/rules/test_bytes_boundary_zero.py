from __future__ import annotations

from typing import TYPE_CHECKING

from harness.finding import RuleVerdict
from tests.rules.log_builders import LOG, judge, line_of, scored_with

if TYPE_CHECKING:
    from pathlib import Path

RULE = "bytes-boundary-zero"
TOKENS = 62_021_632
RIGHT = 151_080_891 / TOKENS


def test_the_known_surplus_is_called_by_its_cause(tmp_path: Path) -> None:
    log = scored_with(RIGHT * 1.000331, TOKENS)
    finding = judge(RULE, tmp_path, log)
    assert finding.verdict is RuleVerdict.WARN
    assert "50,000 document-start tokens is counted as one byte" in finding.message
    assert finding.places[1].file == LOG
    assert finding.places[1].line == line_of(log, "val_loader")


def test_the_bytes_of_the_text_pass(tmp_path: Path) -> None:
    assert judge(RULE, tmp_path, scored_with(RIGHT, TOKENS)).verdict is RuleVerdict.PASS


def test_another_surplus_is_left_to_the_formula_rule(tmp_path: Path) -> None:
    finding = judge(RULE, tmp_path, scored_with(RIGHT * 1.00045, TOKENS))
    assert finding.verdict is RuleVerdict.PASS
    assert finding.message.startswith("seed 1337")


def test_the_formula_rule_leaves_this_surplus_to_this_rule(tmp_path: Path) -> None:
    finding = judge("bpb-formula", tmp_path, scored_with(RIGHT * 1.000331, TOKENS))
    assert finding.verdict is RuleVerdict.INFO
    assert "see bytes-boundary-zero" in finding.message


def test_a_mixture_with_this_surplus_is_a_warning_too(tmp_path: Path) -> None:
    log = scored_with(RIGHT * 1.000331, TOKENS).replace("final_int8_zlib_roundtrip", "final_ngram")
    verdict = judge(RULE, tmp_path, log).verdict
    assert verdict is RuleVerdict.WARN


def test_a_loss_without_document_starts_is_a_warning(tmp_path: Path) -> None:
    finding = judge(RULE, tmp_path, scored_with(RIGHT * TOKENS / (TOKENS - 50_000), TOKENS))
    assert finding.verdict is RuleVerdict.WARN
    assert "the loss of the 50,000 document-start tokens is left out" in finding.message
