"""Documents that look at each other, orders of commit, and ranks."""

from __future__ import annotations

import itertools

import numpy as np

from harness.black_box import Outcome, Scorer, audit_scorer
from tests.harness.black_box import toy_scorers as toys
from tests.harness.black_box.toy_scorers import V


def _audited(score, **more):
    report = audit_scorer(Scorer(score=score, vocab_size=V, bos_id=0, **more), tokens=600)
    return {result.probe: result for result in report.results}


def _alone(tokens: np.ndarray) -> np.ndarray:
    """Each document by itself; a document's begin costs what chance costs."""
    losses = np.full(tokens.size - 1, np.log(V))
    starts = [*np.flatnonzero(tokens == 0), tokens.size]
    for begin, end in itertools.pairwise(starts):
        if end - begin > 1:
            losses[begin : end - 1] = toys.online(tokens[begin:end])
    return losses


def _longest_first(tokens: np.ndarray) -> np.ndarray:
    """Rank of each token when documents are committed by length."""
    starts = np.flatnonzero(tokens == 0)
    lengths = np.diff([*starts, tokens.size])
    ranks = np.zeros(tokens.size, dtype=np.int64)
    place = 0
    for document in np.argsort(-lengths, kind="stable"):
        span = slice(starts[document], starts[document] + lengths[document])
        ranks[span] = np.arange(place, place + lengths[document])
        place += int(lengths[document])
    return ranks


def _scored_longest_first(tokens: np.ndarray) -> np.ndarray:
    order = np.argsort(_longest_first(tokens), kind="stable")
    losses = np.full(tokens.size, np.log(V))
    losses[order[1:]] = toys.online(tokens[order])
    return losses[1:]


def test_documents_scored_alone_keep_their_losses_in_any_order():
    found = _audited(_alone, resets_at_documents=True)
    assert found["permuted-documents"].outcome == Outcome.CLEAN
    assert found["batch-mates"].outcome == Outcome.CLEAN


def test_a_scorer_that_says_it_resets_and_carries_over_is_caught():
    found = _audited(toys.online, resets_at_documents=True)
    assert found["permuted-documents"].outcome == Outcome.BREACH
    assert found["batch-mates"].condition == "doc-boundary-isolation"


def test_a_batch_that_shares_what_it_learned_is_caught_by_its_mates():
    def shared(tokens: np.ndarray) -> np.ndarray:
        return toys.two_pass(tokens)

    found = _audited(shared)["batch-mates"]
    assert (found.outcome, found.condition) == (Outcome.BREACH, "c1-causal")


def test_documents_committed_by_length_are_judged_in_their_own_order():
    found = _audited(_scored_longest_first, commit_order=_longest_first)
    assert found["suffix-swap"].outcome == Outcome.CLEAN
    assert found["batch-mates"].outcome == Outcome.CLEAN


def test_the_same_scorer_judged_in_stream_order_looks_at_later_documents():
    assert _audited(_scored_longest_first)["suffix-swap"].outcome == Outcome.BREACH


def test_an_order_of_commits_that_depends_on_content_is_a_breach():
    def by_first_token(tokens: np.ndarray) -> np.ndarray:
        return np.argsort(tokens, kind="stable").argsort()

    found = _audited(toys.online, commit_order=by_first_token)["suffix-swap"]
    assert "order of commits depends" in found.sentence


def test_a_rank_that_drops_the_tail_is_caught():
    def two_ranks(tokens: np.ndarray) -> np.ndarray:
        losses = toys.online(tokens)
        losses[-5:] = np.nan
        return losses

    assert _audited(toys.online, with_two_ranks=two_ranks)["two-ranks"].outcome == Outcome.BREACH
