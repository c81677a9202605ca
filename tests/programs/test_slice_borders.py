"""Updates and scores whose tokens a border in the middle of a chunk, or a random draw, may keep apart."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from harness.audit.regions import Cut, Region, Split
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
snapshot = {name: value.clone() for name, value in model.state_dict().items()}
"""
_FIRST = "loss_sum += F.cross_entropy(model(x[:half]), y[:half], reduction='sum').item()\n"
_SECOND = "loss_sum += F.cross_entropy(model(x[half:]), y[half:], reduction='sum').item()\n"
_RESTORE = "model.load_state_dict(snapshot)\n"


@pytest.mark.parametrize("half", ["512", "x.numel() // 2"])
def test_learning_from_a_scored_half_before_the_other_half_is_asked(tmp_path: Path, half: str) -> None:
    score = f"half = {half}\n" + _FIRST + "learn(x[:half], y[:half])\n" + _SECOND + _RESTORE
    finding = said_of(scored_by(score, before=_LEARN), tmp_path, "ttt-score-first")
    assert finding.verdict is RuleVerdict.NEEDS_HUMAN
    assert "border" in finding.message


@pytest.mark.parametrize("half", ["512", "x.numel() // 2"])
def test_learning_from_both_halves_before_the_second_is_scored_fails(tmp_path: Path, half: str) -> None:
    score = f"half = {half}\n" + _FIRST + "learn(x, y)\n" + _SECOND + _RESTORE
    finding = said_of(scored_by(score, before=_LEARN), tmp_path, "ttt-score-first")
    assert finding.verdict is RuleVerdict.FAIL


def test_learning_from_the_half_that_is_scored_next_fails(tmp_path: Path) -> None:
    score = "half = 512\nlearn(x[half:], y[half:])\n" + _SECOND + _RESTORE
    finding = said_of(scored_by(score, before=_LEARN), tmp_path, "ttt-score-first")
    assert finding.verdict is RuleVerdict.FAIL


@pytest.mark.parametrize(("first", "size"), [("k", "i + 1"), ("(k + 1)", "i + 1"), ("k", "i + 2")])
def test_replay_of_chunks_drawn_below_a_moving_bound_is_asked(tmp_path: Path, first: str, size: str) -> None:
    replay = f"""
    for k in torch.randperm({size}).tolist()[:2]:
        at = {first} * 1024
        learn(tokens[at : at + 1024], tokens[at + 1 : at + 1025])
"""
    score = "loss_sum += F.cross_entropy(model(x), y, reduction='sum').item()\n"
    script = scored_by(score, before=_LEARN).replace(
        "    count += y.numel()\n", "    count += y.numel()" + replay
    )
    assert said_of(script, tmp_path, "ttt-score-first").verdict is RuleVerdict.NEEDS_HUMAN


def test_chunks_drawn_from_all_of_validation_fail(tmp_path: Path) -> None:
    warm = """
for k in torch.randperm(60_000).tolist():
    learn(tokens[k * 1024 : k * 1024 + 1024], tokens[k * 1024 + 1 : k * 1024 + 1025])
"""
    score = "loss_sum += F.cross_entropy(model(x), y, reduction='sum').item()\n"
    finding = said_of(scored_by(score, before=_LEARN + warm), tmp_path, "ttt-score-first")
    assert finding.verdict is RuleVerdict.FAIL


def test_the_parts_of_a_split_are_cut_from_each_other_but_still_overlap() -> None:
    before = Region(split=Split.VALIDATION, cuts=frozenset({Cut("border 1", True), Cut("4000000", True)}))
    behind = Region(split=Split.VALIDATION, cuts=frozenset({Cut("border 1", False), Cut("512", False)}))
    assert before.is_cut_from(behind)
    assert behind.is_cut_from(before)
    assert before.overlaps(behind)
    assert not before.is_cut_from(behind.uncut())
    assert not before.is_cut_from(before)
