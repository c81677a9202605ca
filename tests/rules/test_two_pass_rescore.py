from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from harness.audit.events import StateKind
from harness.audit.run_profile import ProfileKind
from harness.finding import RuleVerdict
from tests.builders import good_json, good_log
from tests.harness.audit.audit_builder import audit_of, run_profile
from tests.rules.audited import judged, primary_line
from tests.rules.log_builders import LOG, judge, line_of
from tests.rules.order_events import STEPPED, chunked, plain, two_phases

if TYPE_CHECKING:
    from pathlib import Path

RULE = "two-pass-rescore"


def test_a_counted_label_that_names_two_passes_asks(tmp_path: Path) -> None:
    log = good_log(13, final="", exact="ngram_two_pass_exact val_loss:2.02 val_bpb:1.20000000")
    finding = judge(RULE, tmp_path, log)
    assert finding.verdict is RuleVerdict.NEEDS_HUMAN
    assert (finding.places[0].file, finding.places[0].line) == (LOG, line_of(log, "ngram_two_pass"))


@pytest.mark.parametrize(
    ("name", "verdict"),
    [
        ("Multi-pass streaming", RuleVerdict.NEEDS_HUMAN),
        ("No second pass, only streaming", RuleVerdict.NOT_CHECKED),
        ("Streaming", RuleVerdict.NOT_CHECKED),
    ],
)
def test_a_name_asks_unless_it_denies(tmp_path: Path, name: str, verdict: RuleVerdict) -> None:
    document = json.dumps(good_json(name=name))
    assert judge(RULE, tmp_path, good_log(13), submission__json=document).verdict is verdict


def test_scoring_again_with_the_adapted_weights_fails(tmp_path: Path) -> None:
    finding = judged(RULE, tmp_path, two_phases(first_score="reported"))
    assert finding.verdict is RuleVerdict.FAIL
    assert primary_line(finding) == STEPPED
    assert "(train_gpt.py:37, then optimizer.step at train_gpt.py:40" in finding.message


def test_a_table_filled_before_its_tokens_are_scored_fails(tmp_path: Path) -> None:
    finding = judged(RULE, tmp_path, chunked(StateKind.TABLE, swapped=True))
    assert finding.verdict is RuleVerdict.FAIL
    assert "a table is filled from validation tokens before they are scored with it" in finding.message


def test_a_table_filled_after_the_score_passes(tmp_path: Path) -> None:
    assert judged(RULE, tmp_path, chunked(StateKind.TABLE)).verdict is RuleVerdict.PASS


@pytest.mark.parametrize(
    ("kind", "verdict"),
    [(ProfileKind.LOG, RuleVerdict.PASS), (ProfileKind.DEFAULTS, RuleVerdict.NEEDS_HUMAN)],
)
def test_code_followed_under_the_settings_of_a_log_answers_a_name_defaults_do_not(
    tmp_path: Path, kind: ProfileKind, verdict: RuleVerdict
) -> None:
    audit = audit_of(*plain(), run=run_profile(kind=kind))
    readme = "# A two-pass script\n"
    assert judged(RULE, tmp_path, (), audit=audit, README__md=readme).verdict is verdict
