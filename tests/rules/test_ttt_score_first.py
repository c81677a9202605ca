from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import pytest

from harness.audit.events import ProfileAudit
from harness.audit.run_profile import ProfileKind, Setting
from harness.audit.submission_audit import SubmissionAudit
from harness.finding import RuleVerdict
from harness.submission import Track
from tests.builders import findings_of, good_log
from tests.harness.audit.audit_builder import audit_of, audited_case, run_profile, val
from tests.rules.audited import judged, lines, primary_line
from tests.rules.log_builders import LOG, judge, line_of, score_lines
from tests.rules.order_events import (
    BACKWARD,
    FIRST,
    LEARN_CALL,
    PRINTED,
    READ,
    SCORE_CALL,
    SCORED,
    STEPPED,
    Trace,
    chunked,
    epochs,
    passes,
    plain,
    two_phases,
)

if TYPE_CHECKING:
    from pathlib import Path

    from harness.audit.events import Event
    from harness.finding import Finding

RULE = "ttt-score-first"
PHASE = "ttt:done elapsed=162.0s"
OTHER = "final_int6_roundtrip val_loss:2.10 val_bpb:1.2444 eval_time:2232ms"


def test_a_phase_that_ends_before_another_pass_asks_a_person(tmp_path: Path) -> None:
    log = good_log(13, peak=f"{PHASE}\n{OTHER}")
    finding = judge(RULE, tmp_path, log)
    assert finding.verdict is RuleVerdict.NEEDS_HUMAN
    assert "a test-time-training phase of 162 s ends at train_seed13.log:" in finding.message
    assert (finding.places[0].file, finding.places[0].line) == (LOG, line_of(log, "ttt:done"))


def test_a_phase_inside_the_counted_pass_is_left_to_the_static_audit(tmp_path: Path) -> None:
    log = good_log(13, peak=f"{OTHER}\n{PHASE}", **score_lines("final_ttt", 2.0261, 1.2, 200_000))
    assert judge(RULE, tmp_path, log).verdict is RuleVerdict.NOT_CHECKED


def test_adapting_to_all_of_validation_before_scoring_it_fails(tmp_path: Path) -> None:
    finding = judged(RULE, tmp_path, two_phases())
    assert finding.verdict is RuleVerdict.FAIL
    assert primary_line(finding) == STEPPED
    assert lines(finding) == [READ, LEARN_CALL, BACKWARD, STEPPED, SCORE_CALL, SCORED, PRINTED]
    assert "optimizer.step at train_gpt.py:40 (called from train_gpt.py:60, 10 epochs)" in finding.message


def test_scoring_before_adapting_passes_or_does_not_apply(tmp_path: Path) -> None:
    assert judged(RULE, tmp_path, two_phases(before=False)).verdict is RuleVerdict.PASS
    assert judged(RULE, tmp_path, plain()).verdict is RuleVerdict.NOT_APPLICABLE


def test_a_discarded_first_score_is_shown_with_the_printed_one(tmp_path: Path) -> None:
    finding = judged(RULE, tmp_path, two_phases(first_score="discarded"))
    assert finding.verdict is RuleVerdict.FAIL
    assert "the score taken before learning (train_gpt.py:37) is discarded" in finding.message
    assert {37, STEPPED, SCORE_CALL, PRINTED} <= set(lines(finding))


def test_a_first_pass_without_any_loss_is_shown_as_counting_for_nothing(tmp_path: Path) -> None:
    finding = judged(RULE, tmp_path, two_phases(first_score="untaken"))
    assert finding.verdict is RuleVerdict.FAIL
    assert "(train_gpt.py:37) counts for nothing: no loss is taken from its result" in finding.message
    assert {37, STEPPED, SCORE_CALL, PRINTED} <= set(lines(finding))


@pytest.mark.parametrize("edit", [{"swapped": True}, {"ahead": True}])
def test_a_chunk_loop_that_learns_too_early_fails(tmp_path: Path, edit: dict[str, bool]) -> None:
    assert judged(RULE, tmp_path, chunked(**edit)).verdict is RuleVerdict.FAIL
    assert judged(RULE, tmp_path, chunked()).verdict is RuleVerdict.PASS


@pytest.mark.parametrize(
    ("events", "rule"),
    [
        (two_phases(first_score="reported"), "two-pass-rescore"),
        (two_phases(through_file=True), "ttt-prequant"),
        (epochs(counted=1), "ttt-multi-epoch"),
        (passes("lowest"), "oracle-min"),
    ],
)
def test_a_breach_with_a_rule_of_its_own_is_stated_there(
    tmp_path: Path, events: tuple[Event, ...], rule: str
) -> None:
    finding = judged(RULE, tmp_path, events)
    assert finding.verdict is RuleVerdict.NOT_APPLICABLE
    assert rule in finding.message


def test_rules_of_the_record_track_are_stated_here_on_the_other(tmp_path: Path) -> None:
    case = audited_case(tmp_path, *two_phases(through_file=True))
    case = dataclasses.replace(case, submission=dataclasses.replace(case.submission, track=Track.NON_RECORD))
    assert [finding.verdict for finding in findings_of(RULE, case)] == [RuleVerdict.FAIL]


@pytest.mark.parametrize(
    ("learned", "verdict"),
    [((0, 0), RuleVerdict.NEEDS_HUMAN), ((0, 1), RuleVerdict.FAIL)],
    ids=["tokens of the pass before", "the next tokens too"],
)
def test_a_scored_window_that_reaches_back_over_learned_tokens_asks_which_count(
    tmp_path: Path, learned: tuple[int, int], verdict: RuleVerdict
) -> None:
    trace = Trace()
    trace.loop()
    first = trace.score(FIRST, loops=((1, 0),))
    update = trace.update(val((1, learned)), loops=((1, 0),))
    window = trace.score(val((1, (-6, 1))), update, loops=((1, 1),))
    assert judged(RULE, tmp_path, trace.printed(first, window)).verdict is verdict


def test_a_documented_command_that_adapts_is_asked_about(tmp_path: Path) -> None:
    finding = _with_command(tmp_path, claimed_by=ProfileKind.DEFAULTS)
    assert finding.verdict is RuleVerdict.NEEDS_HUMAN
    assert "With TTT_ENABLED=1 from README.md:31 the verdict differs" in finding.message
    assert finding.ask == "Was the claimed score produced with TTT_ENABLED=1 from README.md:31?"


def test_a_log_that_shows_the_claim_makes_it_a_remark(tmp_path: Path) -> None:
    assert _with_command(tmp_path, claimed_by=ProfileKind.LOG).verdict is RuleVerdict.INFO


def _with_command(root: Path, claimed_by: ProfileKind) -> Finding:
    """The first finding where the claimed profile does nothing and a command adapts first."""
    claim = run_profile("claim", claimed_by)
    setting = Setting(value="1", source="README.md:31", file="README.md", line=31)
    command = run_profile(
        "command", ProfileKind.COMMAND, environment={"TTT_ENABLED": setting}, is_claim=False
    )
    audit = SubmissionAudit(
        profiles=(
            ProfileAudit(profile="claim", events=plain()),
            ProfileAudit(profile="command", events=two_phases()),
        ),
        run_profiles=(claim, command),
    )
    return findings_of(RULE, audited_case(root, audit=audit))[0]


def test_words_without_log_or_code_are_asked_about(tmp_path: Path) -> None:
    readme = "# Example\n\nWe use TTT on every document.\n"
    finding = judged(RULE, tmp_path, plain(), README__md=readme)
    assert finding.verdict is RuleVerdict.NEEDS_HUMAN
    assert finding.places[0].line == 3


def test_the_same_words_with_a_log_of_the_claim_are_not(tmp_path: Path) -> None:
    readme = "# Example\n\nWe use TTT on every document.\n"
    audit = audit_of(*plain(), run=run_profile(kind=ProfileKind.LOG))
    assert judged(RULE, tmp_path, (), audit=audit, README__md=readme).verdict is RuleVerdict.NOT_APPLICABLE
