"""Rules about tables and mixtures that read logs too: what events of the code add."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import pytest

from harness.audit.events import Selected
from harness.finding import RuleVerdict
from tests.builders import findings_of
from tests.harness.audit.audit_builder import at, audit_of, audited_case
from tests.rules.order_events import chunked
from tests.rules.token_leak_events import C, T, in_turn, judged, mixture

if TYPE_CHECKING:
    from pathlib import Path

LEAKS = [
    ("ngram-target-gate", mixture((T,), row=True, weight_parts=(T,)), mixture((C,), weight_parts=(C,)), 40),
    ("byte-ppm-mixture", mixture((C,), spread=True), mixture((C,)), 40),
    (
        "oracle-min",
        [*mixture((C,)), Selected(id=5, at=at(50), score=5, scores=(1, 4), by="loss", per_token=True)],
        mixture((C,)),
        50,
    ),
    ("two-pass-rescore", mixture((C,), already=(2,)), mixture((C,)), 40),
    ("c3-score-before-update", mixture((C,), already=(2,)), mixture((C,)), 40),
]


@pytest.mark.parametrize(("rule", "illegal", "_legal", "line"), LEAKS, ids=[leak[0] for leak in LEAKS])
def test_a_leak_is_told_at_its_line(
    tmp_path: Path, rule: str, illegal: list, _legal: list, line: int
) -> None:
    finding = judged(tmp_path, rule, illegal)
    primary = next(place for place in finding.places if place.role.value == "primary")
    assert (finding.verdict, primary.file, primary.line) == (RuleVerdict.FAIL, "train_gpt.py", line)


@pytest.mark.parametrize(("rule", "_illegal", "legal", "_line"), LEAKS, ids=[leak[0] for leak in LEAKS])
def test_its_legal_twin_is_not_accused(
    tmp_path: Path, rule: str, _illegal: list, legal: list, _line: int
) -> None:
    assert judged(tmp_path, rule, legal).verdict not in {RuleVerdict.FAIL, RuleVerdict.NEEDS_HUMAN}


@pytest.mark.parametrize(
    ("rule", "verdict"),
    [("byte-ppm-mixture", RuleVerdict.PASS), ("ngram-target-gate", RuleVerdict.NOT_APPLICABLE)],
)
def test_labels_and_followed_code_together_clear(tmp_path: Path, rule: str, verdict: RuleVerdict) -> None:
    assert judged(tmp_path, rule, mixture((C,))).verdict is verdict


def test_a_gate_on_the_target_keeps_the_choice_of_a_lower_loss_open(tmp_path: Path) -> None:
    finding = judged(tmp_path, "oracle-min", mixture((T,), row=True, weight_parts=(T,)))
    assert finding.verdict is RuleVerdict.NOT_CHECKED
    assert "ngram-target-gate" in finding.message


@pytest.mark.parametrize(("counted_first", "verdict"), [(True, "NEEDS-HUMAN"), (False, "PASS")])
def test_a_table_that_counts_before_the_lookup_of_each_pass_asks(
    tmp_path: Path, counted_first: bool, verdict: str
) -> None:
    audit = audit_of(*chunked())
    events = in_turn(counted_first=counted_first)
    profile = dataclasses.replace(audit.profiles[0], token_events=events, tokens_followed=True)
    case = audited_case(tmp_path, audit=dataclasses.replace(audit, profiles=(profile,)))
    finding = findings_of("c3-score-before-update", case)[0]
    assert finding.verdict.value == verdict


def test_a_table_that_was_not_followed_keeps_the_order_unchecked(tmp_path: Path) -> None:
    audit = audit_of(*chunked())
    profile = dataclasses.replace(audit.profiles[0], token_events=in_turn(counted_first=False))
    case = audited_case(tmp_path, audit=dataclasses.replace(audit, profiles=(profile,)))
    finding = findings_of("c3-score-before-update", case)[0]
    assert finding.verdict is RuleVerdict.NOT_CHECKED
