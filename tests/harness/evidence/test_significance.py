"""The statistics reproduce the leaderboard's published numbers and say when nothing can be tested."""

from __future__ import annotations

import math

import pytest

from harness.evidence.significance import (
    NotTestable,
    Welch,
    bpb_to_nats_per_token,
    bytes_per_token,
    compare,
    mean,
    nats_per_byte_to_bpb,
    nats_per_token_to_bpb,
    one_sample,
    one_sided_welch,
    p_in_words,
    population_std,
    sample_std,
)

SP1024 = 2.43593

# Per-seed scores in bits per byte that the accepted rows of these pull requests state.
ROWS = {
    1413: (1.08209788, 1.083148, 1.08313564),
    1477: (1.08261339, 1.082226, 1.0816993),
    1493: (1.08079, 1.08103, 1.08118),
    1514: (1.07928348, 1.07996676, 1.08024795),
    1530: (1.07258208, 1.07324696, 1.07426259),
    1610: (1.07216564, 1.07300174, 1.07325147),
    1626: (1.0728, 1.07134, 1.07164),
    1667: (1.07221, 1.07057, 1.07139),
    1729: (1.0680582, 1.06806595, 1.06727867),
    1736: (1.0661, 1.06473, 1.06563),
    1769: (1.06356801, 1.0641313, 1.06466993, 1.06509678, 1.06516558),
    1787: (1.064, 1.06308, 1.06297),
    1868: (1.06128183, 1.06086831, 1.06220261),
    1855: (1.05989454, 1.06124613, 1.06208695),
}


@pytest.mark.parametrize(
    ("new", "old", "p"),
    [
        (1514, 1493, 0.0204),  # the README's row says 0.020
        (1769, 1736, 0.0625),  # 0.063, five seeds against three
        (1530, 1514, 0.0005),
        (1610, 1530, 0.2021),
        (1626, 1610, 0.0966),
        (1667, 1626, 0.2277),
        (1729, 1667, 0.0031),
        (1736, 1729, 0.0062),
        (1787, 1769, 0.0227),
        (1868, 1787, 0.0110),
    ],
)
def test_welch_without_margin_gives_the_published_p(new: int, old: int, p: float) -> None:
    test = one_sided_welch(ROWS[new], ROWS[old])
    assert isinstance(test, Welch)
    assert round(test.p, 4) == pytest.approx(p, abs=1e-4)


def test_the_stated_p_of_1855_needs_more_runs_than_its_own_three() -> None:
    test = one_sided_welch(ROWS[1855], ROWS[1868])
    assert isinstance(test, Welch)
    assert test.p == pytest.approx(0.324, abs=1e-3)


def test_the_readme_margin_leaves_close_rows_far_from_p_001() -> None:
    comparison = compare(ROWS[1514], ROWS[1493], margin_nats=0.005, bytes_per_token=3.72663)
    assert isinstance(comparison.with_margin, Welch)
    assert comparison.with_margin.p == pytest.approx(0.95, abs=0.005)
    assert comparison.gain.nats_per_token == pytest.approx(0.0030, abs=5e-5)


@pytest.mark.parametrize(
    ("per_token", "bpb"), [(SP1024, 0.00296), (3.31968, 0.00217), (3.72663, 0.00194), (3.15736, 0.00228)]
)
def test_the_margin_in_bits_per_byte_depends_on_the_tokenizer(per_token: float, bpb: float) -> None:
    assert nats_per_token_to_bpb(0.005, per_token) == pytest.approx(bpb, abs=5e-6)


def test_the_margin_per_byte_is_the_same_for_all_tokenizers() -> None:
    assert nats_per_byte_to_bpb(0.005) == pytest.approx(0.00721, abs=5e-6)


def test_conversions_undo_each_other() -> None:
    assert bpb_to_nats_per_token(nats_per_token_to_bpb(0.005, SP1024), SP1024) == pytest.approx(0.005)


def test_loss_and_score_give_bytes_per_token() -> None:
    assert bytes_per_token(2.0 * math.log(2) * SP1024, 2.0) == pytest.approx(SP1024)


@pytest.mark.parametrize(("loss", "bpb"), [(1.0, 0.0), (float("nan"), 1.0), (400.0, 1.0), (0.01, 1.0)])
def test_a_senseless_pair_gives_no_bytes_per_token(loss: float, bpb: float) -> None:
    assert bytes_per_token(loss, bpb) is None


def test_without_bytes_per_token_the_stricter_margin_counts() -> None:
    comparison = compare(ROWS[1514], ROWS[1493], margin_nats=0.005, bytes_per_token=None)
    assert comparison.gain.nats_per_token is None
    assert comparison.margin_bpb == pytest.approx(0.00721, abs=5e-6)


def test_sample_deviation_divides_by_one_less_than_the_runs() -> None:
    assert sample_std(ROWS[1610]) == pytest.approx(0.00056868, abs=1e-7)
    assert population_std(ROWS[1610]) == pytest.approx(0.00046433, abs=1e-7)


def test_one_run_has_no_deviation() -> None:
    assert sample_std((1.1,)) is None
    assert population_std((1.1,)) is None


def test_the_mean_of_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="no scores"):
        mean(())


@pytest.mark.parametrize(
    ("new", "old", "reason"),
    [
        ((1.1,), (1.2, 1.3), "the new side has 1 run"),
        ((1.1, 1.2), (1.2,), "the standing side has 1 run"),
        ((1.1, 1.1), (1.2, 1.2), "same score"),
    ],
)
def test_too_few_or_equal_runs_are_not_testable(
    new: tuple[float, ...], old: tuple[float, ...], reason: str
) -> None:
    test = one_sided_welch(new, old)
    assert isinstance(test, NotTestable)
    assert reason in test.reason


def test_a_record_of_one_run_is_tested_as_an_exact_number() -> None:
    comparison = compare((1.2, 1.201, 1.202), (1.21,), margin_nats=0.005, bytes_per_token=SP1024)
    assert isinstance(comparison.with_margin, NotTestable)
    assert isinstance(comparison.one_sample, Welch)
    assert comparison.one_sample.p < 0.01


def test_one_sample_needs_two_different_runs() -> None:
    assert isinstance(one_sample((1.0,), 1.1), NotTestable)
    assert isinstance(one_sample((1.0, 1.0), 1.1), NotTestable)


def test_p_values_are_written_for_people() -> None:
    assert p_in_words(Welch(margin_bpb=0, t=1, degrees=2, p=0.02034)) == "p = 0.0203"
    assert p_in_words(Welch(margin_bpb=0, t=9, degrees=2, p=2e-7)) == "p = 2.0e-07"
    assert p_in_words(NotTestable(reason="1 run")) == "not testable (1 run)"
