from __future__ import annotations

import pytest

from harness.evidence.significance import compare
from harness.leaderboard.p_values import any_gain_cell, margin_cell


def numbers(new, old):
    return compare(new, old, margin_nats=0.005, bytes_per_token=3.7)


def test_against_several_runs_the_cell_is_welchs_p():
    found = numbers((1.0792827, 1.07996699, 1.08024799), (1.08079352, 1.08103132, 1.08118402))
    assert any_gain_cell(found) == "0.0203"


def test_against_one_run_the_cell_is_the_marked_one_sample_p():
    assert any_gain_cell(numbers((1.0598951, 1.0612459, 1.0620873), (1.06128,))) == "0.3899¹"
    assert margin_cell(numbers((1.05, 1.051, 1.052), (1.07,))).endswith("¹")


@pytest.mark.parametrize(
    ("new", "old", "cell"),
    [
        ((1.06,), (1.07, 1.08), "1 run"),
        ((1.06,), (1.07,), "1 run"),
        ((1.06, 1.06), (1.07, 1.07), "no spread"),
    ],
)
def test_where_nothing_can_be_tested_the_cell_says_why(new, old, cell):
    assert any_gain_cell(numbers(new, old)) == cell


def test_without_a_record_to_beat_there_is_nothing_to_say():
    assert any_gain_cell(None) == margin_cell(None) == "-"
