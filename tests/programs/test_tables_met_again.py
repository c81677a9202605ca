"""Tables that have counted the tokens they are asked for in an earlier pass over the same tokens."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from harness.finding import RuleVerdict
from tests.programs.all_twins import BASES
from tests.programs.judging import judged

if TYPE_CHECKING:
    from pathlib import Path

_PASSES = "    for seq in range((val_tokens.numel() - 1) // seq_len):\n"
_LISTED = "    windows = list(range((val_tokens.numel() - 1) // seq_len))\n    for seq in {over}:\n"
_SUMS = "        loss_sum, token_count, byte_count = 0.0, 0, 0.0\n"
_TABLES = "        counts = defaultdict(lambda: defaultdict(int))\n        totals = defaultdict(int)\n"


def _order(script: str, root: Path) -> RuleVerdict:
    return next(each for each in judged(script, root) if each.rule == "c3-score-before-update").verdict


def _in_epochs(fresh: str) -> str:
    text = BASES["dict-cache"]
    body = text[text.index(_PASSES) : text.index("    val_loss = loss_sum / token_count")]
    inner = "".join(f"    {line}\n" if line else "\n" for line in body.splitlines())
    return text.replace(body, "    for epoch in range(2):\n" + fresh + inner)


def test_a_table_kept_over_epochs_is_asked_about_and_a_fresh_one_passes(tmp_path: Path) -> None:
    assert _order(_in_epochs(_SUMS), tmp_path / "kept") is RuleVerdict.NEEDS_HUMAN
    assert _order(_in_epochs(_SUMS + _TABLES), tmp_path / "fresh") is RuleVerdict.PASS


@pytest.mark.parametrize(
    ("over", "said"),
    [
        ("windows * 2", RuleVerdict.NEEDS_HUMAN),
        ("windows + windows", RuleVerdict.NEEDS_HUMAN),
        ("windows", RuleVerdict.PASS),
    ],
)
def test_windows_that_a_list_holds_twice_are_met_again(tmp_path: Path, over: str, said: RuleVerdict) -> None:
    assert _order(BASES["dict-cache"].replace(_PASSES, _LISTED.format(over=over)), tmp_path) is said


_COUNTED = "            counts[context][target] += 1\n            totals[context] += 1\n"
_BESIDE = """\
            beside = tuple(ids[max(0, pos {by} - order) : pos {by}].tolist())
            counts[beside][int(ids[pos {by}])] += 1
            totals[beside] += 1
"""


@pytest.mark.parametrize(("by", "said"), [("+ 1", RuleVerdict.NEEDS_HUMAN), ("- 1", RuleVerdict.PASS)])
def test_counting_the_token_after_the_scored_one_is_asked_about(
    tmp_path: Path, by: str, said: RuleVerdict
) -> None:
    assert _order(BASES["dict-cache"].replace(_COUNTED, _BESIDE.format(by=by)), tmp_path) is said
