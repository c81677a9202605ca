"""The score ledger: what it proves and what it refuses."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reference_model.evaluation.score_ledger import LedgerError, ScoreLedger


def score(ledger: ScoreLedger, first: int, end: int, *, version: int = 0, nats: float = 2.0) -> None:
    ledger.score(np.arange(first, end), np.full(end - first, nats), chunk=0, version=version)


def legal_ledger() -> ScoreLedger:
    ledger = ScoreLedger()
    score(ledger, 1, 11)
    ledger.update(1, 1, 9)
    score(ledger, 11, 21, version=1)
    return ledger


def test_scores_before_training_on_them_are_proven() -> None:
    legal_ledger().verify(20)


def test_scoring_after_adapting_is_caught() -> None:
    ledger = ScoreLedger()
    ledger.update(1, 1, 11)
    score(ledger, 1, 11, version=1)
    with pytest.raises(
        LedgerError, match="position 1 was trained on by update 1 and scored only after update 1"
    ):
        ledger.verify(10)


def test_an_update_that_reaches_one_token_too_far_is_caught() -> None:
    ledger = ScoreLedger()
    score(ledger, 1, 11)
    ledger.update(1, 1, 12)
    score(ledger, 11, 21, version=1)
    with pytest.raises(LedgerError, match="position 11 was trained on by update 1"):
        ledger.verify(20)


def test_an_update_beyond_the_scored_stream_is_caught() -> None:
    ledger = ScoreLedger()
    score(ledger, 1, 11)
    ledger.update(1, 5, 12)
    with pytest.raises(LedgerError, match="trained on positions up to 11; only 1 to 10"):
        ledger.verify(10)


def test_the_first_of_several_updates_counts() -> None:
    ledger = legal_ledger()
    ledger.update(2, 1, 21)
    ledger.update(3, 1, 21)
    ledger.verify(20)


def test_double_scoring_is_caught() -> None:
    ledger = legal_ledger()
    score(ledger, 15, 17, version=1)
    with pytest.raises(LedgerError, match="position 15 was scored twice"):
        ledger.verify(20)


def test_double_scoring_within_a_block_is_caught() -> None:
    ledger = ScoreLedger()
    ledger.score(np.array([1, 2, 2, 3]), np.ones(4), chunk=0, version=0)
    with pytest.raises(LedgerError, match="position 2 was scored twice"):
        ledger.verify(3)


def test_a_missing_tail_is_caught() -> None:
    with pytest.raises(LedgerError, match="position 21 was never scored, one of 2 missing of 22"):
        legal_ledger().verify(22)


def test_a_position_outside_the_stream_is_caught() -> None:
    with pytest.raises(LedgerError, match="position 20 was scored; the stream has positions 1 to 19"):
        legal_ledger().verify(19)


def test_a_score_that_is_no_number_names_its_position() -> None:
    nll = np.array([1.0, math.nan, 2.0])
    with pytest.raises(LedgerError, match="position 6 scored nan nats"):
        ScoreLedger().score(np.array([5, 6, 7]), nll, chunk=0, version=0)


def test_an_infinite_score_is_refused() -> None:
    with pytest.raises(LedgerError, match="scored inf nats"):
        ScoreLedger().score(np.array([5]), np.array([math.inf]), chunk=0, version=0)


def test_scores_that_claim_an_older_version_are_refused() -> None:
    ledger = legal_ledger()
    with pytest.raises(LedgerError, match="claims weights of version 0, but 1 updates are recorded"):
        score(ledger, 21, 23, version=0)


def test_skipping_a_version_is_refused() -> None:
    with pytest.raises(LedgerError, match="update 3 follows update 1"):
        legal_ledger().update(3, 1, 2)


def test_an_update_may_train_on_several_ranges() -> None:
    ledger = legal_ledger()
    ledger.update(1, 9, 11)
    ledger.verify(20)


def test_positions_need_not_be_contiguous() -> None:
    ledger = ScoreLedger()
    ledger.score(np.array([3, 4, 1, 2, 6]), np.array([3.0, 4, 1, 2, 6]), chunk=0, version=0)
    ledger.score(np.array([5]), np.array([5.0]), chunk=0, version=0)
    assert ledger.nats(6).tolist() == [1, 2, 3, 4, 5, 6]


def test_scores_are_means_in_float64() -> None:
    ledger = legal_ledger()
    assert ledger.val_loss() == 2.0
    assert ledger.val_bpb(np.full(20, 4)) == pytest.approx(2.0 / math.log(2) / 4, rel=1e-15)


def test_float32_scores_are_kept_as_they_are() -> None:
    ledger = ScoreLedger()
    ledger.score(np.array([1]), np.array([0.1], dtype=np.float32), chunk=0, version=0)
    assert ledger.blocks[0].nll.dtype == np.float32
    assert ledger.val_loss() == float(np.float32(0.1))


def test_the_seal_depends_on_every_score() -> None:
    first, second = ScoreLedger(clock=lambda: 0.0), ScoreLedger(clock=lambda: 0.0)
    score(first, 1, 5, nats=2.0)
    score(second, 1, 5, nats=np.nextafter(2.0, 3.0))
    assert first.seal != second.seal


def test_the_seal_depends_on_the_order() -> None:
    first, second = ScoreLedger(clock=lambda: 0.0), ScoreLedger(clock=lambda: 0.0)
    for ledger, starts in ((first, (1, 5)), (second, (5, 1))):
        for start in starts:
            score(ledger, start, start + 4)
    assert first.seal != second.seal


def test_the_summary_line_names_counts_and_seal() -> None:
    ledger = legal_ledger()
    assert ledger.summary() == f"score_ledger positions:20 blocks:2 updates:1 ranks:1 seal:{ledger.seal}"


@given(st.lists(st.integers(1, 9), min_size=1, max_size=12), st.randoms())
def test_blocks_in_any_order_prove_the_same_coverage(sizes: list[int], shuffler: object) -> None:
    starts = np.cumsum([1, *sizes])
    blocks = list(zip(starts[:-1].tolist(), starts[1:].tolist(), strict=True))
    shuffler.shuffle(blocks)  # type: ignore[attr-defined]
    ledger = ScoreLedger()
    for first, end in blocks:
        score(ledger, first, end)
    ledger.verify(sum(sizes))
