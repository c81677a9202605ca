"""Weights fitted to the losses of the window whose score they weigh, beside those of earlier windows."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from harness.finding import RuleVerdict
from tests.programs.loss_script import line_of, said_of, scored_by

if TYPE_CHECKING:
    from pathlib import Path

_BOTH = """\
p = F.softmax(model(x), -1).gather(1, y[:, None])
q = F.softmax(other(x), -1).gather(1, y[:, None])
"""
_MIXED = "loss_sum += -torch.log((1 - w) * p + w * q).sum().item()\n"
_FIT = "w = (q > p).float().mean()\n"


def test_a_weight_fitted_to_the_window_it_weighs_asks(tmp_path: Path) -> None:
    script = scored_by(_BOTH + _FIT + _MIXED, before="w = 0.5")
    finding = said_of(script, tmp_path, "ngram-target-gate")
    assert finding.verdict is RuleVerdict.NEEDS_HUMAN
    assert line_of(script, "(1 - w) * p") in {place.line for place in finding.places}


def test_a_weight_fitted_to_the_window_before_asks_nothing(tmp_path: Path) -> None:
    script = scored_by(_BOTH + _MIXED + _FIT, before="w = 0.5")
    assert said_of(script, tmp_path, "ngram-target-gate").verdict is RuleVerdict.NOT_APPLICABLE


def test_an_average_weight_updated_first_asks(tmp_path: Path) -> None:
    fit = "gains = gains + (p - q).mean()\nw = torch.sigmoid(gains)\n"
    finding = said_of(scored_by(_BOTH + fit + _MIXED, before="gains = 0.0"), tmp_path, "ngram-target-gate")
    assert finding.verdict is RuleVerdict.NEEDS_HUMAN


@pytest.mark.parametrize("loop", ["for s in starts:", "for s in range(0, tokens.numel() - 1025, 1024):"])
def test_an_average_weight_updated_afterwards_asks_nothing(tmp_path: Path, loop: str) -> None:
    score = _BOTH + "w = torch.sigmoid(gains)\n" + _MIXED + "gains = gains + (p - q).mean()\n"
    before = "gains = torch.zeros(1, device=device)\nstarts = list(range(0, tokens.numel() - 1025, 1024))"
    script = scored_by(score, before=before)
    script = script.replace("for i in range((tokens.numel() - 1) // 1024):", loop)
    script = script.replace(
        "tokens[i * 1024 : (i + 1) * 1024], tokens[i * 1024 + 1 : (i + 1) * 1024 + 1]",
        "tokens[s : s + 1024], tokens[s + 1 : s + 1025]",
    )
    finding = said_of(script, tmp_path, "ngram-target-gate")
    assert finding.verdict is RuleVerdict.NOT_APPLICABLE, finding.message
