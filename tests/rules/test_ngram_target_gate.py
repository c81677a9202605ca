from __future__ import annotations

from typing import TYPE_CHECKING

from harness.finding import RuleVerdict
from rules import ngram_target_gate as rule
from tests.builders import good_log
from tests.harness.audit.scans.scan_builder import scanned_case
from tests.rules.log_builders import LOG, judge, judge_all, line_of

if TYPE_CHECKING:
    from pathlib import Path

RULE = "ngram-target-gate"


def gated(within: int, word: int = 0, agree: int = 0) -> str:
    counters = (
        f"ngram_tilt:hints total=62021632 gated=628130 token_gate=628130 within_gate={within} "
        f"word_gate={word} agree2plus={agree}"
    )
    return good_log(13, peak=counters)


def test_hints_gated_on_the_scored_token_fail(tmp_path: Path) -> None:
    log = gated(9_867_233, word=12)
    finding = judge(RULE, tmp_path, log)
    assert finding.verdict is RuleVerdict.FAIL
    assert finding.message.startswith("seed 13: within_gate=9,867,233, word_gate=12: these hints depend")
    assert (finding.places[0].file, finding.places[0].line) == (LOG, line_of(log, "ngram_tilt"))


def test_only_the_token_gate_passes(tmp_path: Path) -> None:
    finding = judge(RULE, tmp_path, gated(0))
    assert finding.verdict is RuleVerdict.PASS
    assert "628,130 hints through the token gate" in finding.message


def test_agreement_alone_fails_too(tmp_path: Path) -> None:
    assert judge(RULE, tmp_path, gated(0, agree=1)).verdict is RuleVerdict.FAIL


def test_a_superseded_log_is_a_remark(tmp_path: Path) -> None:
    old = good_log(13, val_bpb=1.25, peak="ngram_tilt:hints total=9 token_gate=3 within_gate=4 word_gate=0")
    findings = judge_all(RULE, tmp_path, gated(0), old___superseded__log=old)
    assert [finding.verdict for finding in findings] == [RuleVerdict.PASS, RuleVerdict.INFO]


def test_without_counters_code_that_was_not_followed_leaves_it_open(tmp_path: Path) -> None:
    assert judge(RULE, tmp_path, good_log(13)).verdict is RuleVerdict.NOT_CHECKED


def test_gates_that_fired_are_shown_with_the_boosts_of_their_channels(tmp_path: Path) -> None:
    script = """
import os
within_boost = float(os.environ.get("WITHIN_BOOST", "1.0"))
word_boost = float(os.environ.get("WORD_BOOST", "0.0"))
agree_boost = float(os.environ.get("AGREE_ADD_BOOST", "0.5"))
"""
    case = scanned_case(tmp_path, script, **{LOG.replace(".", "__"): gated(4, agree=1)})
    (finding,) = rule.check(case)
    shown = [place.line for place in finding.places if place.file == "train_gpt.py"]
    assert [script.split("\n")[line - 1].split(" ", maxsplit=1)[0] for line in shown if line] == [
        "within_boost",
        "agree_boost",
    ]
