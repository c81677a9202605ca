"""Losses of one chunk of which one is counted, beside those that are counted whatever they are."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from harness.finding import RuleVerdict
from tests.programs.loss_script import line_of, said_of, scored_by

if TYPE_CHECKING:
    from pathlib import Path

_TWO = """\
a = F.cross_entropy(model(x), y, reduction="sum").item()
b = F.cross_entropy(other(x), y, reduction="sum").item()
"""
_BY_SCALE = "{t: F.cross_entropy(model(x) * t, y, reduction='sum').item() for t in (1.0, 1.1)}"

_LOWER = {
    "a conditional expression": (_TWO + "loss_sum += a if a < b else b", "a if a < b"),
    "the lowest of several scales": (
        "loss_sum += min(F.cross_entropy(model(x) * t, y, reduction='sum').item() for t in (1.0, 1.1))",
        "min(",
    ),
    "the scale with the lowest loss": (
        f"by_scale = {_BY_SCALE}\nloss_sum += by_scale[min(by_scale, key=by_scale.get)]",
        "min(",
    ),
}


@pytest.mark.parametrize("how", _LOWER)
def test_counting_the_lower_loss_of_a_chunk_asks(tmp_path: Path, how: str) -> None:
    score, text = _LOWER[how]
    script = scored_by(score)
    finding = said_of(script, tmp_path, "oracle-min")
    assert finding.verdict is RuleVerdict.NEEDS_HUMAN
    assert line_of(script, text) in {place.line for place in finding.places}


def test_counting_the_lower_loss_of_a_chunk_is_no_single_pass(tmp_path: Path) -> None:
    finding = said_of(scored_by(_LOWER["a conditional expression"][0]), tmp_path, "c4-single-pass")
    assert finding.verdict is RuleVerdict.NOT_CHECKED
    assert "oracle-min" in finding.message


@pytest.mark.parametrize(
    "score",
    [
        _TWO + "loss_sum += a",
        _TWO + "loss_sum += a if i % 2 else b",
        _TWO + "print(i, min(a, b))\nloss_sum += a",
        f"by_scale = {_BY_SCALE}\nloss_sum += by_scale[1.0]",
    ],
)
def test_a_loss_chosen_without_looking_at_it_passes(tmp_path: Path, score: str) -> None:
    for rule in ("oracle-min", "c4-single-pass"):
        finding = said_of(scored_by(score), tmp_path / rule, rule)
        assert finding.verdict is RuleVerdict.PASS, finding.message


def test_a_list_of_losses_given_to_a_function_is_left_open(tmp_path: Path) -> None:
    losses = "[F.cross_entropy(model(x) * t, y, reduction='sum').item() for t in (1.0, 1.1)]"
    finding = said_of(scored_by(f"loss_sum += np.sort({losses})[0]"), tmp_path, "oracle-min")
    assert finding.verdict is RuleVerdict.NOT_CHECKED
    assert "several losses of the same tokens" in finding.message
