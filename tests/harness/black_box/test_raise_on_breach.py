"""A competitor's test is green only where something was looked at and all that it needs was seen clean."""

from __future__ import annotations

import numpy as np
import pytest

from harness.black_box import BlackBoxReport, BreachError, Scorer, audit_scorer
from tests.harness.black_box import toy_scorers as toys
from tests.harness.black_box.toy_scorers import V

LARGE_V = 1500


def _report(score, *only: str, **offered) -> BlackBoxReport:
    probes = {"only": only} if only else {}
    return audit_scorer(Scorer(score=score, **{"vocab_size": V, **offered}), tokens=128, **probes)


def _large_report(**offered) -> BlackBoxReport:
    """Of a vocabulary that is not summed whole; what token 2 on costs depends on the token before."""

    def uniform(tokens: np.ndarray) -> np.ndarray:
        losses = np.full(tokens.size - 1, np.log(LARGE_V))
        losses[1:] += 1e-5 * (tokens[:-2] % 2)
        return losses

    return _report(uniform, "suffix-swap", "distribution", "alternative-sum", vocab_size=LARGE_V, **offered)


def test_a_breach_is_raised_with_the_report():
    with pytest.raises(BreachError, match="noise-martingale"):
        _report(toys.memoriser).raise_on_breach()


def test_a_breach_is_raised_whatever_is_needed():
    with pytest.raises(BreachError, match="saw a breach"):
        _report(toys.lower_of_two).raise_on_breach(needs=["suffix-swap"])


def test_a_clean_scorer_passes():
    _report(toys.online).raise_on_breach()


def test_a_scorer_that_never_answers_is_not_passed():
    with pytest.raises(BreachError, match="no probe besides replay and coverage"):
        _report(lambda tokens: None).raise_on_breach()


def test_a_scorer_that_answers_for_its_first_stream_only_is_not_passed():
    streams: list[bytes] = []

    def first_stream_only(tokens: np.ndarray) -> np.ndarray:
        streams.append(tokens.tobytes())
        if streams[-1] != streams[0]:
            raise RuntimeError("another stream")
        return toys.online(tokens)

    with pytest.raises(BreachError, match="no probe besides replay and coverage"):
        _report(first_stream_only).raise_on_breach(needs=[])


def test_a_probe_that_is_needed_and_was_not_run_is_not_passed():
    with pytest.raises(BreachError, match=r"looked at: first-unit \(not-run\) must be clean"):
        _report(toys.online).raise_on_breach(needs=["suffix-swap", "first-unit"])


def test_a_probe_that_is_needed_and_was_left_out_is_not_passed():
    with pytest.raises(BreachError, match=r"canary \(left out\)"):
        _report(toys.online, "suffix-swap").raise_on_breach(needs=["canary"])


def test_a_need_that_is_no_probe_is_refused():
    with pytest.raises(ValueError, match="no probe suffix; there are replay"):
        _report(toys.online, "suffix-swap").raise_on_breach(needs=["suffix"])


def test_probes_that_nobody_asked_for_are_not_needed_by_default():
    _report(toys.online, "noise-martingale").raise_on_breach()


def test_a_vocabulary_that_is_not_summed_whole_is_not_passed():
    with pytest.raises(BreachError, match=r"alternative-sum \(no-power\) must be clean"):
        _large_report().raise_on_breach(needs=["suffix-swap", "alternative-sum"])


def test_a_vocabulary_that_is_not_summed_whole_is_not_passed_by_default():
    with pytest.raises(BreachError, match=r"alternative-sum \(no-power\) or distribution \(not-run\)"):
        _large_report().raise_on_breach()


def test_distributions_seen_clean_pass_for_a_vocabulary_that_is_not_summed_whole():
    def dist(tokens: np.ndarray, position: int) -> np.ndarray:
        return np.full(LARGE_V, 1 / LARGE_V)

    _large_report(dist=dist).raise_on_breach()


def test_who_needs_nothing_more_passes_with_any_clean_probe():
    _large_report().raise_on_breach(needs=[])
