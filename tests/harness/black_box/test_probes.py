"""Each way of breaking a rule is seen by the probe that is there for it, and legal scorers by none."""

from __future__ import annotations

import numpy as np
import pytest

from harness.black_box import Outcome, ProbeResult, Scorer, audit_scorer
from tests.harness.black_box import toy_scorers as toys
from tests.harness.black_box.toy_scorers import CHUNK, V


def _audited(score, **more) -> dict[str, ProbeResult]:
    report = audit_scorer(Scorer(score=score, vocab_size=V, **more), tokens=400)
    return {result.probe: result for result in report.results}


def _breaches(score, **more) -> set[str]:
    return {name for name, result in _audited(score, **more).items() if result.outcome == Outcome.BREACH}


def test_an_online_scorer_breaks_nothing_and_every_probe_it_offers_for_has_power():
    offered = {
        "dist": toys.online_distribution,
        "without_adaptation": toys.without_counts,
        "first_unit": 2,
        "with_two_ranks": toys.online,
        "bos_id": 0,
    }
    found = _audited(toys.online, **offered)
    unseen = {name for name, result in found.items() if result.outcome != Outcome.CLEAN}
    assert unseen == {"permuted-documents"}
    assert "resets_at_documents" in found["permuted-documents"].sentence


def test_several_epochs_after_the_score_break_nothing():
    assert not _breaches(toys.score_then_adapt, without_adaptation=toys.without_counts, first_unit=CHUNK)


def test_adapting_before_the_score_is_seen_by_cuts_inside_a_chunk_and_by_the_first_unit():
    breaches = _breaches(toys.adapt_then_score, without_adaptation=toys.without_counts, first_unit=CHUNK)
    assert {"suffix-swap", "prefix", "first-unit", "alternative-sum", "noise-martingale"} <= breaches


def test_a_table_of_the_whole_stream_is_seen_by_what_comes_later():
    assert {"suffix-swap", "prefix", "alternative-sum", "noise-martingale"} <= _breaches(toys.two_pass)


def test_the_lower_of_two_losses_is_seen_by_the_sum_and_not_by_causality():
    breaches = _breaches(toys.lower_of_two)
    assert {"alternative-sum", "noise-martingale"} <= breaches
    assert not breaches & {"suffix-swap", "prefix", "doubled-stream"}


@pytest.mark.parametrize("score", [toys.target_gate, toys.target_in_key])
def test_a_score_that_looks_at_its_token_is_seen_by_the_sum_and_the_noise_and_not_by_causality(score):
    breaches = _breaches(score)
    assert {"alternative-sum", "noise-martingale"} <= breaches
    assert not breaches & {"suffix-swap", "prefix", "doubled-stream"}


def test_a_schedule_over_the_length_is_no_breach_and_leaves_two_probes_without_power():
    found = _audited(toys.scheduled)
    assert found["suffix-swap"].outcome == Outcome.CLEAN
    assert found["prefix"].outcome == found["doubled-stream"].outcome == Outcome.NO_POWER
    assert "schedule over the length" in found["prefix"].sentence


def test_only_the_probes_asked_for_run():
    report = audit_scorer(Scorer(score=toys.online, vocab_size=V), tokens=128, only=["canary"])
    assert [result.probe for result in report.results] == ["replay", "coverage", "canary"]


def test_an_unknown_probe_is_refused_with_those_there_are():
    with pytest.raises(ValueError, match="no probe suffix; there are suffix-swap"):
        audit_scorer(Scorer(score=toys.online, vocab_size=V), only=["suffix"])


def test_a_sum_below_one_is_no_distribution_either():
    assert _breaches(toys.half_normalised) == {"alternative-sum"}


def test_knowing_drawn_tokens_is_seen_by_the_canary_and_the_noise():
    assert {"canary", "noise-martingale"} <= _breaches(toys.memoriser)


def test_a_dist_that_is_not_what_is_counted_is_a_breach():
    def uniform(tokens, position):
        return np.full(V, 1 / V)

    found = _audited(toys.online, dist=uniform)["distribution"]
    assert found.outcome == Outcome.BREACH
    assert "counted with probability" in found.sentence


def test_a_dist_that_looks_at_its_token_is_a_breach():
    def peeking(tokens, position):
        sure = np.full(V, 0.1 / V)
        sure[tokens[position]] += 0.9
        return sure

    found = _audited(toys.online, dist=peeking)["distribution"]
    assert "looks at what it predicts" in found.sentence


def test_a_token_without_a_loss_is_not_covered():
    def skipping(tokens):
        losses = toys.online(tokens)
        losses[-7:] = np.nan
        return losses

    found = _audited(skipping)["coverage"]
    assert (found.outcome, found.numbers["not_counted"]) == (Outcome.BREACH, 7.0)


def test_one_seed_draws_the_same_audit_again():
    assert str(audit_scorer(Scorer(score=toys.online, vocab_size=V), tokens=128, seed=3)) == str(
        audit_scorer(Scorer(score=toys.online, vocab_size=V), tokens=128, seed=3)
    )
