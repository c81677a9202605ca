from __future__ import annotations

import numpy as np
import pytest

from harness.dynamic.probes.access_timeline import access_timeline
from harness.dynamic.probes.artifact_independence import artifact_independence
from harness.dynamic.probes.byte_denominator import byte_denominator
from harness.dynamic.probes.coverage import coverage
from harness.dynamic.probes.documents import batch_mates
from harness.dynamic.probes.doubled_stream import doubled_stream
from harness.dynamic.probes.prefix_invariance import prefix_invariance
from harness.dynamic.probes.processing_order import processing_order
from harness.dynamic.probes.replay import replay
from harness.probe_outcome import Outcome
from tests.harness.dynamic.rank_runs import scored_ranks
from tests.harness.dynamic.toy_runs import VAL_TOKENS, validation
from tests.programs.dynamic import rank_scripts as toys

CUT = 800  # inside a chunk of 128, inside the row of the first rank
BYTES = 1 + validation() % 4
REPLACED = np.arange(CUT, VAL_TOKENS)


def _pair(source):
    return scored_ranks(source), scored_ranks(source, replaced=range(CUT, VAL_TOKENS))


@pytest.mark.parametrize("name", ["SHARDED", "SCORE_FIRST", "SHARED_PAIRS", "EVERYONE_SCORES_ALL"])
def test_two_legal_ranks_are_clean_in_every_probe(name):
    base, changed = _pair(getattr(toys, name))
    results = [
        prefix_invariance(base, changed, cut=CUT),
        processing_order(base, changed, replaced=REPLACED),
        artifact_independence(base, changed, replaced=VAL_TOKENS - 1),
        coverage(base),
        byte_denominator(base, byte_counts=BYTES),
        *access_timeline(base),
    ]
    assert {result.outcome for result in results} == {Outcome.CLEAN}


@pytest.mark.parametrize(
    ("name", "condition", "changed"),
    [
        ("LEARN_FIRST", "c3-score-before-update", 31),
        ("OTHER_RANK_AHEAD", "c1-causal", 31),
        ("PAIRS_COUNTED_AHEAD", "c1-causal", 731),
    ],
)
def test_what_one_rank_learns_before_the_other_scores_it_is_a_breach(name, condition, changed):
    result = prefix_invariance(*_pair(getattr(toys, name)), cut=CUT)
    assert (result.outcome, result.condition) == (Outcome.BREACH, condition)
    assert result.numbers["prefix_changed"] == changed


def test_the_order_of_scores_over_both_ranks_shows_it_too():
    result = processing_order(*_pair(toys.LEARN_FIRST), replaced=REPLACED)
    assert (result.outcome, result.numbers["changed_before"]) == (Outcome.BREACH, 31)


def test_the_score_of_two_ranks_has_the_positions_of_both():
    base = scored_ranks(toys.SHARDED)
    assert sorted(base.score.positions) == list(range(1, VAL_TOKENS))
    assert base.metric.is_exact
    assert base.metric.denominator == BYTES[1:].sum()


def test_a_chunk_that_both_ranks_count_is_counted_twice():
    result = coverage(scored_ranks(toys.COUNTED_BY_BOTH))
    assert (result.outcome, result.numbers["again"]) == (Outcome.BREACH, 128)


def test_halves_that_learn_from_each_other_do_not_follow_the_stream():
    base, changed = _pair(toys.HALVES)
    assert prefix_invariance(base, changed, cut=CUT).outcome is Outcome.NO_POWER
    assert processing_order(base, changed, replaced=REPLACED).outcome is Outcome.CLEAN
    assert doubled_stream(base, changed, half=CUT).outcome is Outcome.NO_POWER


def test_a_row_may_know_what_another_rank_scores_when_it_stands_before_it_there():
    """The second rank scores 513 to 544, and the next window of the first has them as context."""
    base, changed = scored_ranks(toys.WINDOWS), scored_ranks(toys.WINDOWS, replaced=range(513, 545))
    result = processing_order(base, changed, replaced=np.arange(513, 545))
    assert result.outcome is Outcome.CLEAN
    assert result.numbers["changed_after"] > 32


def test_documents_beside_each_other_on_two_ranks_do_not_know_each_other():
    base, changed = _pair(toys.SHARED_PAIRS)
    assert batch_mates(base, changed, document=range(CUT, VAL_TOKENS)).outcome is Outcome.CLEAN
    base, changed = _pair(toys.LEARN_FIRST)
    assert batch_mates(base, changed, document=range(CUT, VAL_TOKENS)).outcome is Outcome.BREACH


def test_a_run_of_two_ranks_made_again_is_the_same_bit_for_bit():
    source = toys.SCORE_FIRST
    again = scored_ranks(source, number=1)
    assert replay(scored_ranks(source), again).outcome is Outcome.CLEAN
