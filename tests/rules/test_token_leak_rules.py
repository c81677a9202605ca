"""The rules about n-gram tables and mixtures on events written by hand."""

from __future__ import annotations

import dataclasses
import importlib
from typing import TYPE_CHECKING, Any

import pytest

from harness.audit.events import KeyPart, Lookup, Mixed, Score, Selected, Sink, StateKind, Update
from harness.finding import RuleVerdict
from tests.harness.audit.audit_builder import at, audit_of, audited_case, val

if TYPE_CHECKING:
    from pathlib import Path

    from harness.finding import Finding

C, T = KeyPart.CONTEXT, KeyPart.TARGET


def mixture(key: tuple[KeyPart, ...] = (C,), row: bool = False, **facts: Any) -> list:
    already = facts.pop("already", ())
    return [
        Score(id=1, at=at(10), region=val(), forward=at(10)),
        Update(id=2, at=at(20), state=7, kind=StateKind.TABLE, name="", region=val(), how="+="),
        Lookup(id=3, at=at(30), state=7, name="", key=key, row_target=row, is_hashed=True, already=already),
        Mixed(id=4, at=at(40), score=4, scores=(1,), lookups=(3,), **facts),
        Sink(id=9, at=at(90), label="final", scores=(1, 4)),
    ]


def judged(root: Path, rule: str, token_events: list, claimed: bool = True) -> Finding:
    sink = Sink(id=1, at=at(90 if claimed else 60), label="final", scores=(), is_claim=True)
    audit = audit_of(sink)
    profile = dataclasses.replace(audit.profiles[0], token_events=tuple(token_events), tokens_followed=True)
    case = audited_case(root, audit=dataclasses.replace(audit, profiles=(profile,)))
    module = importlib.import_module(f"rules.{rule.replace('-', '_')}")
    return next(iter(module.check(case)))


LEAKS = [
    ("ngram-key-target", mixture((T, C)), mixture((C,)), 40),
    ("ngram-target-gate", mixture((T,), row=True, weight_parts=(T,)), mixture((C,), weight_parts=(C,)), 40),
    ("mixer-hedge", mixture((C,), pseudo=True), mixture((C,)), 40),
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


def test_a_target_cell_alone_is_a_question(tmp_path: Path) -> None:
    assert judged(tmp_path, "ngram-cache", mixture((T,), row=True)).verdict is RuleVerdict.NEEDS_HUMAN


def test_a_leak_into_another_number_is_a_question(tmp_path: Path) -> None:
    finding = judged(tmp_path, "ngram-key-target", mixture((T, C)), claimed=False)
    assert finding.verdict is RuleVerdict.NEEDS_HUMAN


def test_a_table_whose_use_was_lost_is_not_called_clean(tmp_path: Path) -> None:
    lost = [event for event in mixture((C,)) if not isinstance(event, Mixed)]
    assert judged(tmp_path, "c2-normalized", lost).verdict is RuleVerdict.NOT_CHECKED
