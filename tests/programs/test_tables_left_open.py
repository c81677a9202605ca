"""Tables of which not everything can be followed: what is decided all the same, and what must stay open."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from harness.finding import RuleVerdict
from tests.programs.all_twins import BASES
from tests.programs.judging import judged

if TYPE_CHECKING:
    from pathlib import Path

    from harness.finding import Finding

_KEY = "context = tuple(ids[max(0, pos - order) : pos].tolist())"
_COUNTED = "            counts[context][target] += 1\n            totals[context] += 1\n"
_PASSES = "    for seq in range((val_tokens.numel() - 1) // seq_len):\n"
# Which tokens are in it nobody knows: only their order says that all lie before the scored one.
_UNPLACED = "context = tuple(ids[np.argsort(ids[:pos])[:3]].tolist())"


def _edited(base: str, *edits: tuple[str, str]) -> str:
    script = BASES[base]
    for old, new in edits:
        assert script.count(old) == 1, (script.count(old), old)
        script = script.replace(old, new)
    return script


def _said(script: str, root: Path, rule: str) -> Finding:
    return next(each for each in judged(script, root) if each.rule == rule)


def _line(script: str, text: str) -> int:
    return next(n for n, line in enumerate(script.splitlines(), 1) if text in line)


def test_a_key_nobody_can_place_leaves_the_key_open_and_not_the_order(tmp_path: Path) -> None:
    script = _edited("dict-cache", (_KEY, _UNPLACED))
    key = _said(script, tmp_path / "key", "ngram-key-target")
    assert key.verdict is RuleVerdict.NOT_CHECKED
    assert "which tokens the key of the table holds" in key.message
    order = _said(script, tmp_path / "order", "c3-score-before-update")
    assert order.verdict is RuleVerdict.PASS, order.message


def test_a_table_under_such_a_key_that_counts_first_does_not_pass(tmp_path: Path) -> None:
    target = "            target = int(ids[pos])\n"
    script = _edited(
        "dict-cache",
        (_COUNTED, ""),
        (target + "            " + _KEY + "\n", target + f"            {_UNPLACED}\n" + _COUNTED),
    )
    assert _said(script, tmp_path, "c3-score-before-update").verdict is not RuleVerdict.PASS


def test_a_table_under_such_a_key_that_is_kept_for_a_second_pass_does_not_pass(tmp_path: Path) -> None:
    text = _edited("dict-cache", (_KEY, _UNPLACED))
    body = text[text.index(_PASSES) : text.index("    val_loss = loss_sum / token_count")]
    inner = "".join(f"    {line}\n" if line else "\n" for line in body.splitlines())
    fresh = "        loss_sum, token_count, byte_count = 0.0, 0, 0.0\n"
    script = text.replace(body, "    for epoch in range(2):\n" + fresh + inner)
    assert _said(script, tmp_path, "c3-score-before-update").verdict is not RuleVerdict.PASS


_HITS = "            hits = hits + totals[context]\n"


def _with_hits(*edits: tuple[str, str]) -> str:
    """A count that is looked up and goes nowhere near the score."""
    return _edited("dict-cache", ("    order = 4\n", "    order = 4\n    hits = 0\n"), *edits)


def test_a_lookup_that_is_lost_before_the_table_counts_leaves_the_order_decided(tmp_path: Path) -> None:
    seen = "            seen = totals[context]\n"
    finding = _said(_with_hits((seen, seen + _HITS)), tmp_path, "c3-score-before-update")
    assert finding.verdict is RuleVerdict.PASS, finding.message


def test_a_lookup_that_is_lost_after_the_table_counts_leaves_the_order_open(tmp_path: Path) -> None:
    script = _with_hits((_COUNTED, _COUNTED + _HITS))
    finding = _said(script, tmp_path, "c3-score-before-update")
    assert finding.verdict is RuleVerdict.NOT_CHECKED
    assert f"train_gpt.py:{_line(script, 'hits = hits')}" in finding.message


def _counting_elsewhere(key: str) -> str:
    """Something is stored in an attribute of a function, which nobody follows."""
    return _edited(
        "dict-cache",
        ("    order = 4\n", "    order = 4\n    eval_val_dict_cache.kept = {}\n"),
        (
            _COUNTED,
            _COUNTED + "            for name, _ in model.named_parameters():\n"
            f"                eval_val_dict_cache.kept[{key}] = 1\n",
        ),
    )


def test_names_of_tensors_stored_under_are_no_tokens(tmp_path: Path) -> None:
    script = _counting_elsewhere('name + ".q"')
    finding = _said(script, tmp_path, "ngram-key-target")
    assert finding.verdict is RuleVerdict.PASS, finding.message


@pytest.mark.parametrize("key", ["target", 'str(target) + ".q"', "ids[pos]", "val_tokens[pos]"])
def test_scored_tokens_stored_under_out_of_sight_leave_the_key_open(tmp_path: Path, key: str) -> None:
    script = _counting_elsewhere(key)
    finding = _said(script, tmp_path, "ngram-key-target")
    assert finding.verdict is RuleVerdict.NOT_CHECKED
    assert f"what tokens are counted into at train_gpt.py:{_line(script, 'kept[')}" in finding.message
