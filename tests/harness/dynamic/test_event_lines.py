from __future__ import annotations

import numpy as np
import pytest

from harness.dynamic.event_lines import BUILDERS

VALUES = np.array([1.0, 2.0, 0.0, 5.0])


class Kept:
    def __init__(self, values):
        self.values = values

    def cited(self, at):
        return None if at is None else self.values


def reduction(op, value, values=VALUES, size=None):
    line = {
        "n": 1, "w": 0.0, "vt": 0.0, "site": "s", "op": op, "value": value, "array": [0, 4],
        "size": values.size if size is None else size,
    }  # fmt: skip
    return BUILDERS["red"](line, Kept(values))


def loss(kind, value, values=VALUES, size=4):
    line = {
        "n": 1, "w": 0.0, "vt": 0.0, "fn": "cross_entropy", "rows": [], "size": size, "grad": False,
        "reduction": kind, "value": value, "nll": [0, 4], "norm": None,
    }  # fmt: skip
    return BUILDERS["ce"](line, Kept(values))


@pytest.mark.parametrize(("op", "value"), [("sum", 8.0), ("mean", 2.0), ("sum", 8.00001)])
def test_a_sum_that_its_values_give_keeps_them(op, value):
    assert reduction(op, value).array is VALUES


@pytest.mark.parametrize(("op", "value"), [("sum", 7.2), ("mean", 1.8)])
def test_a_sum_that_its_values_do_not_give_has_none(op, value):
    assert reduction(op, value).array is None


def test_a_sum_of_nothing_has_no_values():
    assert reduction("sum", 2000.0, VALUES[:0]).array is None


def test_a_sum_of_another_size_than_its_values_is_no_event():
    with pytest.raises(ValueError, match="4 values of 3"):
        reduction("sum", 8.0, size=3)


@pytest.mark.parametrize(("size", "told"), [(0, "0 losses"), (1 << 30, "losses"), (1 << 60, "no count")])
def test_losses_in_a_number_that_the_child_does_not_tell_are_no_event(size, told):
    with pytest.raises(ValueError, match=told):
        loss("sum", None, VALUES[:0], size=size)


def test_a_mean_of_losses_may_leave_ignored_ones_out_and_nothing_else():
    assert loss("mean", 2.0).value == 2.0
    assert loss("mean", 8.0 / 3.0).value == 8.0 / 3.0
    assert loss("mean", 1.8).value is None
