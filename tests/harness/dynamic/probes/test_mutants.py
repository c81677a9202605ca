"""Edits of small submissions that differ by what they break: each pair is told apart by the probe named."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest

from harness.dynamic.probes.coverage import coverage
from harness.dynamic.probes.first_unit import first_unit
from harness.dynamic.probes.noise_martingale import noise_martingale
from harness.dynamic.probes.prefix_invariance import prefix_invariance, telling_cut
from harness.dynamic.probes.probe import ScoredRun, scored_run
from harness.probe_outcome import Outcome
from tests.harness.dynamic.toy_runs import VAL_TOKENS, run_toy, toy_run, validation
from tests.programs.dynamic.mutant_bases import small
from tests.programs.dynamic.mutants import MUTANTS

CUT = 820  # inside a chunk of 128 and of 48, inside a row of 64
SOURCES = {each.name: small(each.source()) for each in MUTANTS}


def _scored(name: str, *, replaced_from: int | None = None) -> ScoredRun:
    run = toy_run(SOURCES[name], replaced_from=replaced_from)
    return scored_run(f"from {replaced_from}", run, stream_tokens=VAL_TOKENS, label=None)


CHANCES = np.full(VAL_TOKENS, np.log(128))
CHANCES[0] = 0.0  # BOS was not drawn


@cache
def _run_on(name: str, kind: str) -> ScoredRun:
    """A run on tokens drawn by chance, or one with adaptation off."""
    import tempfile
    from pathlib import Path

    tokens, edits = validation(), {}
    if kind == "noise":
        tokens = np.random.default_rng(4).integers(0, 128, VAL_TOKENS)
        tokens[0] = 1
    else:
        edits = {"adapts": False}
    with tempfile.TemporaryDirectory() as folder:
        run = run_toy(SOURCES[name], Path(folder) / "run", tokens, plan_edits=edits)
    return scored_run(kind, run, stream_tokens=VAL_TOKENS, label=None)


@pytest.mark.parametrize(
    ("illegal", "legal", "condition"),
    [
        (
            "a chunk is learned before it is scored",
            "three epochs after the score",
            "c3-score-before-update",
        ),
        (
            "the last row is scored after its chunk is learned",
            "the last row is scored after the others are learned",
            "c3-score-before-update",
        ),
        (
            "running mean updated before it is used",
            "running mean updated after it is used",
            "c1-causal",
        ),
        ("counted before it is looked up", "counts are halved from time to time", "c1-causal"),
    ],
)
def test_scores_that_know_later_tokens_are_told_from_those_that_do_not(illegal, legal, condition):
    def said(name: str) -> tuple[Outcome, str]:
        base = _scored(name)
        cut = telling_cut(base) or CUT
        result = prefix_invariance(base, _scored(name, replaced_from=cut), cut=cut)
        return result.outcome, result.condition

    assert said(legal)[0] is Outcome.CLEAN
    assert said(illegal) == (Outcome.BREACH, condition)


@pytest.mark.parametrize(
    ("illegal", "legal"),
    [
        ("counts are added without a share taken away", "ngram as it is"),
        ("mixed only where the count knows the target", "mixed only where the count knows the context"),
        ("losses cut at a maximum", "sliding as it is"),
    ],
)
def test_who_gains_by_the_token_itself_gains_on_noise(illegal, legal):
    outcomes = [
        noise_martingale(_run_on(name, "noise"), chances=CHANCES).outcome for name in (illegal, legal)
    ]
    assert outcomes == [Outcome.BREACH, Outcome.CLEAN]


def test_positions_chosen_by_their_loss_are_told_from_all_positions():
    def said(name: str) -> tuple[Outcome, str]:
        result = coverage(_scored(name), _scored(name, replaced_from=CUT))
        return result.outcome, result.condition

    assert said("sliding as it is")[0] is Outcome.CLEAN
    assert said("hard tokens left out of sum and counts") == (Outcome.BREACH, "val-full")


def test_with_adaptation_taken_back_the_first_scores_stay_where_they_came_first():
    legal, illegal = (
        first_unit(_scored(name), _run_on(name, "unadapted"))
        for name in ("score-first as it is", "a chunk is learned before it is scored")
    )
    assert (legal.outcome, legal.numbers["first_changed"]) == (Outcome.CLEAN, 128)
    assert illegal.outcome is Outcome.BREACH


def test_every_mutant_is_a_script_of_its_own():
    assert len({each.source() for each in MUTANTS}) == len(MUTANTS) == len(SOURCES)
