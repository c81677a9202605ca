from __future__ import annotations

import numpy as np
import pytest

from harness.dynamic.event_lines import BUILDERS

VALUES = np.array([1.0, 2.0, 0.0, 5.0])


class Kept:
    def cited(self, at):
        return None if at is None else VALUES


def reduction(op, value):
    line = {"n": 1, "w": 0.0, "vt": 0.0, "site": "s", "op": op, "value": value, "size": 4, "array": [0, 4]}
    return BUILDERS["red"](line, Kept())


def loss(kind, value):
    line = {
        "n": 1, "w": 0.0, "vt": 0.0, "fn": "cross_entropy", "rows": [], "size": 4, "grad": False,
        "reduction": kind, "value": value, "nll": [0, 4], "norm": None,
    }  # fmt: skip
    return BUILDERS["ce"](line, Kept())


@pytest.mark.parametrize(("op", "value"), [("sum", 8.0), ("mean", 2.0), ("sum", 8.00001)])
def test_a_sum_that_its_values_give_keeps_them(op, value):
    assert reduction(op, value).array is VALUES


@pytest.mark.parametrize(("op", "value"), [("sum", 7.2), ("mean", 1.8)])
def test_a_sum_that_its_values_do_not_give_has_none(op, value):
    assert reduction(op, value).array is None


def test_a_mean_of_losses_may_leave_ignored_ones_out_and_nothing_else():
    assert loss("mean", 2.0).value == 2.0
    assert loss("mean", 8.0 / 3.0).value == 8.0 / 3.0
    assert loss("mean", 1.8).value is None
