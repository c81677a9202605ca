"""What goes into the logits and under which name: every pair differs by the smallest edit."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from harness.finding import RuleVerdict
from tests.programs.answer_twins import (
    COUNTED_AFTER,
    LEGAL,
    PREDICTED,
    RENAMED,
    STATISTICS,
    TARGET_INSIDE,
    Pair,
    script,
)
from tests.programs.judging import ACCUSING, judged

if TYPE_CHECKING:
    from pathlib import Path

    from harness.finding import Finding

ORDER = ("c3-score-before-update", "c4-single-pass")
CLEAN = (*ORDER, "c2-normalized")


def by_rule(text: str, root: Path) -> dict[str, Finding]:
    """The first finding of each rule."""
    found: dict[str, Finding] = {}
    for finding in judged(text, root):
        found.setdefault(finding.rule, finding)
    return found


def assert_fails_at(finding: Finding, text: str, part: str) -> None:
    """The finding fails, and shows a line with this part."""
    assert finding.verdict is RuleVerdict.FAIL, finding.message
    lines = text.splitlines()
    shown = [(place.file, lines[place.line - 1]) for place in finding.places if place.line]
    assert any(file == "train_gpt.py" and part in line for file, line in shown), shown


@pytest.mark.parametrize("name", TARGET_INSIDE)
def test_logits_that_hold_their_target_fail_where_they_are_scored(tmp_path: Path, name: str) -> None:
    pair: Pair = TARGET_INSIDE[name]
    assert_fails_at(by_rule(pair.illegal, tmp_path)["c2-normalized"], pair.illegal, pair.line)


@pytest.mark.parametrize("name", STATISTICS)
def test_logits_that_hold_later_validation_are_never_clean(tmp_path: Path, name: str) -> None:
    found = by_rule(STATISTICS[name].illegal, tmp_path)
    assert {rule: found[rule].verdict for rule in CLEAN if found[rule].verdict is RuleVerdict.PASS} == {}
    assert "train_gpt.py:" in found["c3-score-before-update"].message


@pytest.mark.parametrize("name", RENAMED)
def test_validation_under_a_training_name_fails_where_it_is_learned(tmp_path: Path, name: str) -> None:
    pair: Pair = RENAMED[name]
    assert_fails_at(by_rule(pair.illegal, tmp_path)["no-val-in-training"], pair.illegal, pair.line)


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        (kind, name)
        for kind, pairs in (("target", TARGET_INSIDE), ("later", STATISTICS), ("name", RENAMED))
        for name in pairs
    ],
)
def test_the_twin_is_not_accused(tmp_path: Path, kind: str, name: str) -> None:
    pair = {"target": TARGET_INSIDE, "later": STATISTICS, "name": RENAMED}[kind][name]
    found = by_rule(pair.legal, tmp_path)
    assert {rule: one.message for rule, one in found.items() if one.verdict is RuleVerdict.FAIL} == {}
    assert found["c3-score-before-update"].verdict is RuleVerdict.PASS


@pytest.mark.parametrize("name", LEGAL)
def test_what_legal_scripts_do_to_logits_passes(tmp_path: Path, name: str) -> None:
    found = by_rule(LEGAL[name], tmp_path)
    assert {rule: one.message for rule, one in found.items() if one.verdict in ACCUSING} == {}
    assert [found[rule].verdict for rule in ORDER] == [RuleVerdict.PASS, RuleVerdict.PASS]


def test_a_prior_counted_after_each_chunk_was_scored_is_not_accused(tmp_path: Path) -> None:
    found = by_rule(COUNTED_AFTER, tmp_path)
    assert {rule: one.message for rule, one in found.items() if one.verdict in ACCUSING} == {}


def test_targets_that_the_network_chose_are_never_clean(tmp_path: Path) -> None:
    found, legal = by_rule(PREDICTED.illegal, tmp_path / "one"), by_rule(PREDICTED.legal, tmp_path / "two")
    assert [found[rule].verdict for rule in CLEAN] == [RuleVerdict.NOT_CHECKED] * len(CLEAN)
    assert [legal[rule].verdict for rule in CLEAN] == [RuleVerdict.PASS] * len(CLEAN)


@pytest.mark.parametrize("inside", ["pass", "logits = logits + 9.0 * F.one_hot(y, 1024)"])
def test_batches_of_a_data_loader_prove_nothing_and_clear_nothing(tmp_path: Path, inside: str) -> None:
    text = script(inside=inside).replace(
        "for i in range((tokens.numel() - 1) // 1024):\n"
        "    x, y = tokens[i * 1024 : (i + 1) * 1024], tokens[i * 1024 + 1 : (i + 1) * 1024 + 1]\n",
        "from torch.utils.data import DataLoader, TensorDataset\n"
        "rows = TensorDataset(tokens[:-1].view(-1, 1024), tokens[1:].view(-1, 1024))\n"
        "for x, y in DataLoader(rows, batch_size=None):\n",
    )
    assert "for x, y in DataLoader" in text
    found = by_rule(text, tmp_path)
    assert {rule: found[rule].verdict for rule in CLEAN} == dict.fromkeys(CLEAN, RuleVerdict.NOT_CHECKED)
    assert "unknown-slices at train_gpt.py:" in found["c3-score-before-update"].message
