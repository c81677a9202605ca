from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from harness.audit.events import Unresolved
from harness.finding import RuleVerdict
from tests.builders import findings_of
from tests.harness.audit.audit_builder import at, audit_of, audited_case
from tests.rules.audited import judged, lines
from tests.rules.order_events import (
    BACKWARD,
    FIRST,
    PRINTED,
    READ,
    SCORE_CALL,
    SCORED,
    SECOND,
    STEPPED,
    WHOLE,
    Trace,
    chunked,
    epochs,
    passes,
    plain,
    two_phases,
    warm_up,
)

if TYPE_CHECKING:
    from pathlib import Path

    from harness.audit.events import Event

RULE = "c3-score-before-update"

BROKEN = {
    "adapt then score": (two_phases(), "ttt-score-first"),
    "discarded score": (two_phases(first_score="discarded"), "ttt-score-first"),
    "rescore": (two_phases(first_score="reported"), "two-pass-rescore"),
    "prequant": (two_phases(through_file=True), "ttt-prequant"),
    "swapped": (chunked(swapped=True), "ttt-score-first"),
    "ahead": (chunked(ahead=True), "ttt-score-first"),
    "later epoch": (epochs(counted=1), "ttt-multi-epoch"),
    "lowest of passes": (passes("lowest"), "oracle-min"),
    "warm-up kept": (warm_up(kept=True), "ttt-score-first"),
}


@pytest.mark.parametrize("shape", BROKEN)
def test_every_breach_fails_here_and_names_the_rule_that_shows_it(tmp_path: Path, shape: str) -> None:
    events, rule = BROKEN[shape]
    finding = judged(RULE, tmp_path, events)
    assert finding.verdict is RuleVerdict.FAIL
    assert finding.message.endswith(f"the chain is at {rule}")
    assert any(f.verdict is RuleVerdict.FAIL for f in findings_of(rule, audited_case(tmp_path, *events))) or (
        rule == "oracle-min"
    )


def test_it_points_at_the_step_and_at_the_scored_pass(tmp_path: Path) -> None:
    assert lines(judged(RULE, tmp_path, two_phases())) == [STEPPED, SCORE_CALL]


@pytest.mark.parametrize(
    "events", [plain(), chunked(), two_phases(before=False), passes("first"), warm_up(kept=False)]
)
def test_legal_twins_pass(tmp_path: Path, events: tuple[Event, ...]) -> None:
    assert judged(RULE, tmp_path, events).verdict is RuleVerdict.PASS


def test_a_pass_shows_where_tokens_enter_score_update_and_printed_line(tmp_path: Path) -> None:
    assert lines(judged(RULE, tmp_path, chunked())) == [READ, SCORED, BACKWARD, STEPPED, PRINTED]


def test_no_claimed_number_is_no_pass(tmp_path: Path) -> None:
    trace = Trace()
    finding = judged(RULE, tmp_path, trace.printed(trace.score(), is_claim=False))
    assert finding.verdict is RuleVerdict.NOT_CHECKED
    assert "the printed score was not reached" in finding.message


def test_a_number_without_scores_is_no_pass(tmp_path: Path) -> None:
    assert judged(RULE, tmp_path, Trace().printed()).verdict is RuleVerdict.NOT_CHECKED


def test_something_unresolved_on_the_path_is_no_pass(tmp_path: Path) -> None:
    trace = Trace()
    trace.add(Unresolved(id=0, at=at(12), reason="exec", on_path=True))
    finding = judged(RULE, tmp_path, trace.printed(trace.score()))
    assert finding.verdict is RuleVerdict.NOT_CHECKED
    assert "exec at train_gpt.py:12" in finding.message


def test_an_unfinished_walk_is_no_pass(tmp_path: Path) -> None:
    audit = audit_of(*plain(), finished=False)
    assert judged(RULE, tmp_path, (), audit=audit).verdict is RuleVerdict.NOT_CHECKED


def test_adaptation_that_was_reached_but_not_seen_is_no_pass(tmp_path: Path) -> None:
    audit = audit_of(*plain(), configured=("adapt",))
    finding = judged(RULE, tmp_path, (), audit=audit)
    assert finding.verdict is RuleVerdict.NOT_CHECKED
    assert "adapt was reached" in finding.message


def test_an_update_that_no_later_score_uses_is_no_pass(tmp_path: Path) -> None:
    trace = Trace()
    trace.loop()
    one = trace.score(FIRST, loops=((1, 0),))
    trace.update(FIRST, loops=((1, 0),))
    two = trace.score(SECOND, loops=((1, 1),))
    finding = judged(RULE, tmp_path, trace.printed(one, two))
    assert finding.verdict is RuleVerdict.NOT_CHECKED


def test_something_unresolved_between_update_and_score_makes_it_a_question(tmp_path: Path) -> None:
    trace = Trace()
    step = trace.update(call=60)
    trace.add(Unresolved(id=0, at=at(65), reason="unknown-call", on_path=True))
    events = trace.printed(trace.score(WHOLE, step))
    assert judged(RULE, tmp_path, events).verdict is RuleVerdict.NOT_CHECKED
    assert judged("ttt-score-first", tmp_path, events).verdict is RuleVerdict.NEEDS_HUMAN


def test_a_gradient_of_validation_that_nothing_follows_is_no_pass(tmp_path: Path) -> None:
    trace = Trace()
    finding = judged(RULE, tmp_path, trace.printed(trace.score(has_gradient=True)))
    assert finding.verdict is RuleVerdict.NOT_CHECKED
    assert "no update was seen to follow the gradient" in finding.message


def test_a_script_that_ends_without_computing_a_loss_stays_open_and_says_so(tmp_path: Path) -> None:
    (finding,) = findings_of(RULE, audited_case(tmp_path, audit=audit_of()))
    assert finding.verdict is RuleVerdict.NOT_CHECKED
    assert "ends without computing a loss" in finding.message
