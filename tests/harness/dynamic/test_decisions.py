"""How what was executed and what was read stand together in a report."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from harness.case import needs_human, not_applicable, not_checked, passed
from harness.dynamic.decisions import powerless_words, why_not_clean, with_executed
from harness.dynamic.dynamic_audit import DynamicAudit
from harness.dynamic.probes.probe import ProbeResult
from harness.finding import RuleVerdict
from harness.probe_outcome import Outcome

C1, C2, C3, C4 = "c1-causal", "c2-normalized", "c3-score-before-update", "c4-single-pass"


def _result(probe: str, condition: str, outcome: Outcome = Outcome.CLEAN) -> ProbeResult:
    return ProbeResult(
        probe=probe,
        condition=condition,
        outcome=outcome,
        sentence=f"{probe} said so",
        runs=("base", "suffix"),
    )


CLEAN = (
    _result("replay", "reproducible"),
    _result("prefix-invariance", C1),
    _result("normalisation", C2),
    _result("coverage", C4),
)


def _audit(*results: ProbeResult, **more) -> DynamicAudit:
    return DynamicAudit(
        **{
            "results": results or CLEAN,
            "step": "small",
            "adapts": True,
            "learns_between_scores": True,
            "is_claim_sure": True,
            **more,
        }
    )


def _verdicts(audit: DynamicAudit, rule: str, *said) -> list[RuleVerdict]:
    return [one.verdict for one in with_executed(audit, rule, said or [not_checked(rule, "open")])]


@pytest.mark.parametrize("rule", [C1, C2, C3, C4])
def test_clean_probes_with_power_pass_what_reading_left_open(rule):
    assert _verdicts(_audit(), rule) == [RuleVerdict.PASS]


@pytest.mark.parametrize(
    ("lacking", "rule"), [("prefix-invariance", C1), ("normalisation", C2), ("coverage", C4), ("replay", C1)]
)
def test_without_the_probe_a_rule_needs_it_stays_open_with_the_reason(lacking, rule):
    audit = _audit(*(one for one in CLEAN if one.probe != lacking))
    (finding,) = with_executed(audit, rule, [not_checked(rule, "open")])
    assert finding.verdict is RuleVerdict.NOT_CHECKED
    assert finding.message.startswith("open; executed")


def test_an_executed_breach_fails_whatever_reading_said():
    audit = _audit(*CLEAN[:1], _result("prefix-invariance", C3, Outcome.BREACH))
    found = with_executed(audit, C3, [passed(C3, "looks clean")])
    assert [one.verdict for one in found] == [RuleVerdict.FAIL]
    assert "runs base and suffix" in found[0].message


def test_an_executed_breach_names_the_options_its_runs_were_made_with():
    breach = _result("prefix-invariance", C3, Outcome.BREACH)
    (found,) = with_executed(_audit(breach, settings={"ranks": 2}), C3, [])
    assert "golf-check --dynamic --dynamic-ranks 2 makes them again" in found.message


def test_a_question_of_reading_stays_beside_an_executed_breach():
    audit = _audit(*CLEAN[:1], _result("prefix-invariance", C3, Outcome.BREACH))
    said = needs_human(C3, "a table", ask="Is it?")
    assert _verdicts(audit, C3, said) == [RuleVerdict.FAIL, RuleVerdict.NEEDS_HUMAN]


def test_a_clean_run_takes_back_no_question():
    said = needs_human(C2, "a gate", ask="Is it?")
    assert _verdicts(_audit(), C2, said) == [RuleVerdict.NEEDS_HUMAN, RuleVerdict.INFO]


def test_a_breach_of_one_condition_clears_no_other():
    audit = _audit(*CLEAN, _result("processing-order", C3, Outcome.BREACH))
    assert "not cleared" in (why_not_clean(audit, C1) or "")


def test_a_run_that_did_not_adapt_says_nothing_of_learning():
    (finding,) = with_executed(
        _audit(adapts=False, learns_between_scores=False), C3, [not_checked(C3, "open")]
    )
    assert finding.verdict is RuleVerdict.NOT_CHECKED
    assert "nothing was learned" in finding.message


def test_a_run_under_the_defaults_of_the_script_clears_nothing():
    assert _verdicts(_audit(step="defaults"), C1) == [RuleVerdict.NOT_CHECKED]


def test_a_breach_under_the_defaults_of_the_script_is_a_question():
    audit = _audit(*CLEAN[:1], _result("prefix-invariance", C3, Outcome.BREACH), step="defaults")
    assert _verdicts(audit, C3) == [RuleVerdict.NEEDS_HUMAN]


def test_a_run_whose_claimed_score_is_a_guess_clears_nothing():
    audit = _audit(is_claim_sure=False, is_claim_guessed=True)
    assert _verdicts(audit, C1) == [RuleVerdict.NOT_CHECKED]
    assert "no log says which" in (why_not_clean(audit, C1) or "")


def test_a_score_taken_for_the_claimed_one_under_another_name_clears_nothing():
    told = why_not_clean(_audit(is_claim_sure=False, label="final_int8"), C1)
    assert told == "executed: no printed score is called as the claimed one is, final_int8 was taken for it"


def test_a_claimed_score_that_was_not_printed_is_told_before_anything_else():
    base = SimpleNamespace(why_not="base: the claimed score (ttt) was not printed")
    told = why_not_clean(_audit(is_claim_sure=False, base=base), C1)
    assert told == "executed without power: base: the claimed score (ttt) was not printed"


def test_what_could_not_be_driven_is_no_failure_of_the_submission():
    audit = DynamicAudit(failure="cuda-module: no mamba_ssm here")
    assert _verdicts(audit, C1) == [RuleVerdict.NOT_CHECKED]
    assert powerless_words(audit) == ["dynamic audit: cuda-module: no mamba_ssm here"]


def test_probes_without_power_are_told():
    audit = _audit(_result("replay", "reproducible"), _result("prefix-invariance", C1, Outcome.NO_POWER))
    assert powerless_words(audit) == [
        "dynamic audit: prefix-invariance had no power: prefix-invariance said so"
    ]


def test_an_artifact_that_holds_validation_tokens_breaks_the_rule_on_training():
    audit = _audit(_result("artifact-independence", "no-val-in-artifact", Outcome.BREACH))
    assert _verdicts(audit, "no-val-in-training") == [RuleVerdict.FAIL]


@pytest.mark.parametrize(("rule", "probe"), [("reproducible", "replay"), ("bpb-formula", "byte-denominator")])
def test_what_only_a_run_shows_passes_when_a_run_showed_it(rule, probe):
    condition = "bytes" if rule == "bpb-formula" else rule
    assert _verdicts(_audit(_result(probe, condition)), rule) == [RuleVerdict.PASS]


def test_one_run_without_network_does_not_pass_the_rule():
    rule = "no-network-at-eval"
    audit = _audit(_result("access-timeline", rule))
    assert _verdicts(audit, rule) == [RuleVerdict.NOT_CHECKED, RuleVerdict.INFO]


def test_a_run_under_other_settings_passes_nothing():
    audit = _audit(_result("replay", "reproducible"), step="defaults")
    assert _verdicts(audit, "reproducible") == [RuleVerdict.NOT_CHECKED, RuleVerdict.INFO]


def test_a_breach_of_a_score_that_may_not_be_the_claimed_one_is_a_question():
    audit = _audit(_result("prefix-invariance", C3, Outcome.BREACH), is_claim_guessed=True, label="final_x")
    (finding,) = with_executed(audit, C3, [not_checked(C3, "open")])
    assert finding.verdict is RuleVerdict.NEEDS_HUMAN
    assert finding.ask == "Is final_x the claimed score?"


@pytest.mark.parametrize("rule", [C3, C4])
def test_what_was_learned_and_came_to_no_score_clears_no_order(rule):
    (finding,) = with_executed(_audit(learns_between_scores=False), rule, [not_checked(rule, "open")])
    assert finding.verdict is RuleVerdict.NOT_CHECKED
    assert finding.message.endswith("came to no other score at this size")


def test_tokens_that_were_looked_at_before_leave_their_single_pass_open():
    (finding,) = with_executed(_audit(looked_before=2_048), C4, [not_checked(C4, "open")])
    assert finding.verdict is RuleVerdict.NOT_CHECKED
    assert "2,048 counted tokens had been looked at in an earlier pass" in finding.message
    assert _verdicts(_audit(looked_before=2_048), C3) == [RuleVerdict.PASS]


BOUNDARY = "doc-boundary-isolation"


def _seen_across(*more: ProbeResult) -> DynamicAudit:
    return _audit(*CLEAN, _result("document-boundary", BOUNDARY, Outcome.BREACH), *more)


def test_a_look_at_the_document_before_fails_where_isolation_is_claimed():
    said = needs_human(BOUNDARY, "no mask", ask="Does it?")
    assert _verdicts(_seen_across(), BOUNDARY, said) == [RuleVerdict.FAIL, RuleVerdict.NEEDS_HUMAN]


def test_a_look_at_the_document_before_is_free_where_nobody_claims_isolation():
    said = not_applicable(BOUNDARY, "nothing isolates")
    assert _verdicts(_seen_across(), BOUNDARY, said) == [RuleVerdict.NOT_APPLICABLE, RuleVerdict.INFO]


def test_a_look_at_the_document_before_leaves_the_four_conditions_as_they_are():
    assert _verdicts(_seen_across(), C1) == [RuleVerdict.PASS]


def test_bytes_of_a_score_that_is_a_guess_pass_nothing():
    counted = _result("byte-denominator", "bytes")
    sure = _audit(*CLEAN, counted)
    guessed = _audit(*CLEAN, counted, is_claim_sure=False, is_claim_guessed=True)
    assert _verdicts(sure, "bpb-formula") == [RuleVerdict.PASS]
    assert _verdicts(guessed, "bpb-formula") == [RuleVerdict.NOT_CHECKED, RuleVerdict.INFO]
