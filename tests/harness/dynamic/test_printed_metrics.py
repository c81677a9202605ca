from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import pytest

from harness.dynamic.event_record import EventRecord
from harness.dynamic.events import Event, IncrementEvent, LossEvent, PrintEvent, ReductionEvent, Segment
from harness.dynamic.explained_metrics import Metrics
from harness.dynamic.printed_metrics import claimed_number, plain_label
from tests.harness.dynamic.toy_runs import VAL_TOKENS, toy_run
from tests.programs.dynamic import toy_scripts as toys

if TYPE_CHECKING:
    from harness.dynamic.explained_metrics import ExplainedMetric

TOKENS = 101
BYTES = 230.0


class _Made:
    """A record in the making."""

    def __init__(self) -> None:
        self.events: list[Event] = []

    def _base(self) -> dict[str, float]:
        return {"number": len(self.events), "wall": 0.0, "virtual": 0.0}

    def loss(
        self, nll: np.ndarray, start: int, *, reduction: str = "none", value: float | None = None
    ) -> None:
        self.events.append(
            LossEvent(
                **self._base(),  # type: ignore[arg-type]
                function="cross_entropy",
                rows=(Segment(split="val", start=start, length=nll.size, offset=0),),
                size=nll.size,
                grad=False,
                reduction=reduction,
                value=value,
                nll=nll,
            )
        )

    def total(self, array: np.ndarray, op: str = "sum") -> float:
        value = float(array.sum() if op == "sum" else array.mean())
        self.events.append(
            ReductionEvent(
                **self._base(),
                site="a.py:9:0 nll.sum",
                op=op,
                value=value,
                size=array.size,
                array=array,  # type: ignore[arg-type]
            )
        )
        return value

    def add(self, name: str, value: float, before: float | None, op: str = "+") -> None:
        self.events.append(
            IncrementEvent(
                **self._base(), site=f"a.py:1:0 {name}", op=op, value=value, before=before,
                whole=float(value).is_integer(),
            )  # type: ignore[arg-type]
        )  # fmt: skip

    def say(self, text: str, *values: float) -> None:
        self.events.append(PrintEvent(**self._base(), text=text, to="stdout", values=values))  # type: ignore[arg-type]

    def metrics(self) -> Metrics:
        return Metrics(EventRecord(events=tuple(self.events)), TOKENS)

    def explained(self, unit: str = "bpb") -> ExplainedMetric | None:
        metrics = self.metrics()
        return metrics.explain([each for each in metrics.printed if each.unit == unit][-1])


def _nll(seed: int = 0, count: int = 100) -> np.ndarray:
    return np.random.default_rng(seed).uniform(1.0, 6.0, count)


def _bpb(total: float) -> float:
    return total / math.log(2.0) / BYTES


def test_a_mean_loss_times_its_tokens_is_the_losses_of_the_batch() -> None:
    made, nll = _Made(), _nll()
    made.loss(nll, 1, reduction="mean", value=float(nll.mean()))
    made.add("loss_sum", float(nll.mean()) * 100, 0.0)
    made.add("byte_count", BYTES, 0.0)
    made.say(f"final_exact val_bpb:{_bpb(nll.mean() * 100):.8f}", _bpb(nll.mean() * 100))
    found = made.explained()
    assert found is not None
    assert found.score.values.tolist() == nll.tolist()
    assert found.score.positions.tolist() == list(range(1, 101))
    assert (found.denominator, found.is_exact) == (BYTES, True)


def test_digits_alone_are_enough_where_nothing_was_formatted() -> None:
    made, nll = _Made(), _nll()
    made.loss(nll, 1)
    made.add("loss_sum", made.total(nll), 0.0)
    made.add("byte_count", BYTES, 0.0)
    made.say(f"final val_bpb:{_bpb(nll.sum()):.6f}")
    found = made.explained()
    assert found is not None
    assert not found.is_exact
    assert found.score.has_positions


def test_the_sum_of_the_last_pass_is_what_counts_where_an_inner_sum_is_set_back() -> None:
    made, total, bits = _Made(), 0.0, 0.0
    for chunk in range(2):
        for epoch in range(3):
            inner = 0.0
            for row in range(5):
                nll = _nll(100 * chunk + 10 * epoch + row, 10)
                made.loss(nll, 1 + 50 * chunk + 10 * row)
                made.add("inner", made.total(nll), inner)
                inner += float(nll.sum())
        made.add("loss_sum", inner, total)
        total += inner
        made.add("byte_count", BYTES / 2, bits)
        bits += BYTES / 2
    made.say(f"final val_bpb:{_bpb(total):.8f}", _bpb(total))
    found = made.explained()
    assert found is not None
    assert found.score.values.size == 100
    assert found.score.values[:10].tolist() == _nll(20, 10).tolist()
    assert found.score.has_positions


def test_an_inner_sum_that_is_never_set_back_is_cut_where_the_outer_one_took_it() -> None:
    made, total, inner = _Made(), 0.0, 0.0
    for chunk in range(2):
        began = inner
        for row in range(5):
            nll = _nll(10 * chunk + row, 10)
            made.loss(nll, 1 + 50 * chunk + 10 * row)
            made.add("inner", made.total(nll), inner)
            inner += float(nll.sum())
        made.add("loss_sum", inner - began, total)
        total += inner - began
    made.add("byte_count", BYTES, 0.0)
    made.say(f"final val_bpb:{_bpb(total):.8f}", _bpb(total))
    found = made.explained()
    assert found is not None
    assert found.score.positions.tolist() == list(range(1, 101))


def test_what_is_subtracted_is_counted_with_its_sign() -> None:
    made, nll, again = _Made(), _nll(), _nll(7, 4)
    made.loss(nll, 1)
    made.add("loss_sum", made.total(nll), 0.0)
    made.loss(again, 97)
    made.add("loss_sum", made.total(again), float(nll.sum()), op="-")
    made.add("byte_count", BYTES, 0.0)
    value = _bpb(float(nll.sum()) - float(again.sum()))
    made.say(f"final val_bpb:{value:.8f}", value)
    found = made.explained()
    assert found is not None
    assert found.score.values[-4:].tolist() == (-again).tolist()


def test_one_reduced_array_is_a_score() -> None:
    made, nll = _Made(), _nll()
    made.loss(nll, 1)
    mean = made.total(nll, "mean")
    made.add("byte_count", BYTES, 0.0)
    made.say(f"final val_loss:{mean:.8f} val_bpb:{_bpb(mean * 100):.8f}", mean, _bpb(mean * 100))
    for unit in ("loss", "bpb"):
        found = made.explained(unit)
        assert found is not None
        assert found.score.has_positions


def test_logarithms_to_base_two_need_no_ln_2() -> None:
    made, bits = _Made(), _nll()
    made.add("bits", made.total(bits), 0.0)
    made.add("byte_count", BYTES, 0.0)
    made.say(f"final val_bpb:{bits.sum() / BYTES:.8f}", float(bits.sum() / BYTES))
    found = made.explained()
    assert found is not None
    assert not found.in_bits
    assert found.score.values.size == 100


def test_the_longest_sum_that_fits_is_taken_and_not_the_last_batch() -> None:
    made, nll = _Made(), _nll()
    total = 0.0
    for at in range(0, 100, 50):
        made.loss(nll[at : at + 50], 1 + at)
        value = made.total(nll[at : at + 50])
        made.add("loss_sum", value, total)
        total += value
        made.add("token_count", 50.0, float(at))
    made.say(f"final val_loss:{total / 100:.8f} val_bpb:1.0", total / 100)
    found = made.explained("loss")
    assert found is not None
    assert found.numerator == "a.py:1:0 loss_sum"
    assert found.score.values.size == 100


def test_a_number_that_was_not_added_up_is_not_explained() -> None:
    made, nll = _Made(), _nll()
    made.loss(nll, 1)
    made.add("loss_sum", made.total(nll), 0.0)
    made.add("byte_count", BYTES, 0.0)
    made.say("final val_bpb:0.95810000", 0.9581)
    assert made.explained() is None


def test_a_sum_that_nothing_takes_apart_is_coarse() -> None:
    made = _Made()
    for chunk in range(4):
        made.add("loss_sum", 90.125 + chunk, sum(90.125 + each for each in range(chunk)))
        made.add("token_count", 25.0, 25.0 * chunk)
    made.add("byte_count", BYTES, 0.0)
    total = sum(90.125 + each for each in range(4))
    made.say(f"final val_loss:{total / 100:.8f} val_bpb:{_bpb(total):.8f}", total / 100, _bpb(total))
    found = made.explained("loss")
    assert found is not None
    assert found.score.tokens.tolist() == [25.0] * 4
    assert found.score.resolution == 25.0


def test_evaluations_that_share_a_line_come_apart() -> None:
    made = _Made()
    for seed in (1, 2):
        nll = _nll(seed)
        made.loss(nll, 1)
        made.add("loss_sum", made.total(nll), 0.0)
        made.add("byte_count", BYTES, 0.0)
        made.say(f"pass val_bpb:{_bpb(nll.sum()):.8f}", _bpb(float(nll.sum())))
    metrics = made.metrics()
    for seed, metric in zip((1, 2), metrics.printed, strict=True):
        found = metrics.explain(metric)
        assert found is not None
        assert found.score.values.tolist() == _nll(seed).tolist()


def test_a_line_written_to_console_and_file_is_one_number() -> None:
    made = _Made()
    made.say("final val_bpb:1.2345", 1.2345)
    made.say("final val_bpb:1.2345", 1.2345)
    assert len(made.metrics().printed) == 1


@pytest.mark.parametrize(
    ("label", "value"),
    [("legal_ttt_exact", 1.1), ("final_int6_roundtrip_exact", 1.2), (None, 1.1), ("ngram", None)],
)
def test_the_claim_is_the_number_with_its_label(label: str | None, value: float | None) -> None:
    made = _Made()
    made.say("final_int6_roundtrip_exact val_loss:2.0 val_bpb:1.20000000", 1.2)
    made.say("legal_ttt val_bpb:1.1000", 1.1)
    made.say("legal_ttt_exact val_loss:1.9 val_bpb:1.10000000", 1.1)
    found = claimed_number(made.metrics().printed, label)
    assert (found.value if found is not None else None) == value


def test_labels_are_compared_without_numbers() -> None:
    assert plain_label("ttt_sliding [4/4]:") == plain_label("TTT sliding (12/12)") == "ttt sliding"


@pytest.mark.parametrize(
    "source", [toys.SCORE_FIRST, toys.TWO_PASS, toys.MULTI_EPOCH_LAST_SCORE, toys.WINDOW_MIXER]
)
def test_every_printed_score_of_a_toy_is_explained_to_the_token(source: str) -> None:
    metrics = Metrics(toy_run(source).events, VAL_TOKENS)
    assert len(metrics.printed) == 2
    for metric in metrics.printed:
        found = metrics.explain(metric)
        assert found is not None
        assert found.is_exact
        assert found.score.values.size == 1024
        assert sorted(found.score.positions.tolist()) == list(range(1, 1025))


def test_thousands_of_equal_sums_are_told_apart_by_what_came_last() -> None:
    made, nll, total = _Made(), np.full(50, 2.53125), 0.0
    for at in range(0, 100, 50):
        for _ in range(1500):
            made.total(nll)
        made.loss(nll, 1 + at)
        made.add("loss_sum", made.total(nll), total)
        total += float(nll.sum())
    made.add("byte_count", BYTES, 0.0)
    made.say(f"final val_bpb:{_bpb(total):.8f}", _bpb(total))
    found = made.explained()
    assert found is not None
    assert found.score.positions.tolist() == list(range(1, 101))
