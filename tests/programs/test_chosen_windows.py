"""Windows that `narrow` or an array of positions takes, learned after their score or before it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from harness.finding import RuleVerdict
from tests.programs.loss_script import said_of, scored_by

if TYPE_CHECKING:
    from pathlib import Path

_LEARN = """
def learn(x, y):
    with torch.enable_grad():
        optimizer.zero_grad()
        F.cross_entropy(model(x), y).backward()
        optimizer.step()
"""
_SCORE = "loss_sum += F.cross_entropy(model(x), y, reduction='sum').item()\n"
_ORDINARY = "x, y = tokens[i * 1024 : (i + 1) * 1024], tokens[i * 1024 + 1 : (i + 1) * 1024 + 1]\n"
_AT = "at = torch.arange({i} * 1024, ({i} + 1) * 1024, device=device)\n"
_CHOSEN = {
    "positions": _AT + "    x, y = tokens[at], tokens[at + 1]\n",
    "narrow": "x, y = tokens.narrow(0, {i} * 1024, 1024), tokens.narrow(0, {i} * 1024 + 1, 1024)\n",
    "torch.narrow": (
        "x = torch.narrow(tokens, 0, {i} * 1024, 1024)\n"
        "    y = torch.narrow(input=tokens, dim=0, start={i} * 1024 + 1, length=1024)\n"
    ),
}


def _said(tmp_path: Path, how: str, *, ahead: bool) -> RuleVerdict:
    script = scored_by(_SCORE, before=_LEARN).replace(_ORDINARY, _CHOSEN[how].format(i="i"))
    window = _CHOSEN[how].format(i="(i + 1)") if ahead else ""
    learning = f"    count += y.numel()\n    {window}".rstrip() + "\n    learn(x, y)\n"
    script = script.replace("    count += y.numel()\n", learning)
    return said_of(script, tmp_path, "c3-score-before-update").verdict


@pytest.mark.parametrize("how", _CHOSEN)
def test_a_window_that_a_function_chose_may_be_learned_after_its_score(tmp_path: Path, how: str) -> None:
    assert _said(tmp_path, how, ahead=False) is RuleVerdict.PASS


@pytest.mark.parametrize("how", _CHOSEN)
def test_a_window_that_a_function_chose_must_not_be_learned_before(tmp_path: Path, how: str) -> None:
    assert _said(tmp_path, how, ahead=True) is RuleVerdict.FAIL


def test_positions_moved_on_by_a_window_are_of_a_later_one(tmp_path: Path) -> None:
    chosen = _CHOSEN["positions"].format(i="i")
    script = scored_by(_SCORE, before=_LEARN).replace(_ORDINARY, chosen)
    learning = "    count += y.numel()\n    learn(tokens[at + 1024], tokens[at + 1025])\n"
    script = script.replace("    count += y.numel()\n", learning)
    assert said_of(script, tmp_path, "c3-score-before-update").verdict is RuleVerdict.FAIL
