from __future__ import annotations

from typing import TYPE_CHECKING

from harness.finding import RuleVerdict
from tests.builders import good_log
from tests.rules.log_builders import LOG, judge, line_of, scored_with

if TYPE_CHECKING:
    from pathlib import Path

RULE = "caseops-sidecar"
TOKENS = 47_851_520


def test_transformed_bytes_fail_with_their_number(tmp_path: Path) -> None:
    log = scored_with(164_594_398 / TOKENS, TOKENS)
    finding = judge(RULE, tmp_path, log)
    assert finding.verdict is RuleVerdict.FAIL
    assert "imply 164,594,398 bytes, +8.94 % against" in finding.message
    assert finding.places[1].file == LOG
    assert finding.places[1].line == line_of(log, "val_loader")


def test_original_bytes_pass(tmp_path: Path) -> None:
    log = scored_with(151_074_499 / TOKENS, TOKENS)
    assert judge(RULE, tmp_path, log).verdict is RuleVerdict.PASS


def test_a_setting_that_switches_the_accounting_off_is_quoted(tmp_path: Path) -> None:
    off = "Hyperparameters:\n  caseops_enabled: False\n  world_size: 8"
    log = scored_with(164_594_398 / TOKENS, TOKENS, world_size=off)
    finding = judge(RULE, tmp_path, log)
    assert "caseops_enabled: False" in [place.note for place in finding.places]


def test_a_plain_stream_is_not_concerned(tmp_path: Path) -> None:
    assert judge(RULE, tmp_path, good_log(13)).verdict is RuleVerdict.NOT_APPLICABLE


def test_the_formula_rule_leaves_the_failure_to_this_one(tmp_path: Path) -> None:
    log = scored_with(164_594_398 / TOKENS, TOKENS)
    finding = judge("bpb-formula", tmp_path, log)
    assert finding.verdict is RuleVerdict.INFO
    assert "see caseops-sidecar" in finding.message
