"""val-order: the plain script and twins that take its sequences in another order."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from harness.finding import RuleVerdict
from tests.harness.audit.scans.scan_builder import facts_of
from tests.programs.all_twins import BASES
from tests.programs.judging import judged

if TYPE_CHECKING:
    from pathlib import Path

    from harness.finding import Finding

RULE = "val-order"
PLAIN = BASES["plain"]
LOOP = "for seq in range(total_seqs):"


def said(root: Path, text: str) -> Finding:
    """What the rule says of a script."""
    return next(one for one in judged(text, root) if one.rule == RULE)


def test_sequences_in_the_order_of_the_stream_are_left_to_a_run(tmp_path: Path) -> None:
    finding = said(tmp_path, PLAIN)
    assert finding.verdict is RuleVerdict.NOT_CHECKED
    assert "no call sorts or shuffles" in finding.message


@pytest.mark.parametrize(
    ("loop", "word"),
    [
        ("for seq in sorted(range(total_seqs), key=lambda one: -one):", "sorts"),
        ("for seq in torch.randperm(total_seqs).tolist():", "shuffles"),
        ("for seq in reversed(range(total_seqs)):", "round"),
    ],
)
def test_another_order_of_what_is_scored_is_shown_at_its_call(tmp_path: Path, loop: str, word: str) -> None:
    text = PLAIN.replace(LOOP, loop)
    finding = said(tmp_path, text)
    assert (finding.verdict, finding.places[0].file) == (RuleVerdict.WARN, "train_gpt.py")
    assert loop in text.splitlines()[(finding.places[0].line or 0) - 1]
    assert word in finding.message


def test_another_order_of_training_is_no_matter_of_validation(tmp_path: Path) -> None:
    text = PLAIN.replace(
        "        self.files = [Path(p) for p in sorted(glob.glob(pattern))]\n",
        "        self.files = [Path(p) for p in sorted(glob.glob(pattern), key=len)]\n",
    )
    assert text != PLAIN
    assert said(tmp_path, text).verdict is RuleVerdict.NOT_CHECKED


def test_an_order_in_a_function_that_makes_no_claimed_score_is_no_matter(tmp_path: Path) -> None:
    main = "def main() -> None:\n"
    other = "def show(val_tokens):\n    print(sorted(val_tokens.tolist(), key=abs)[:3])\n\n\n"
    call = "    luts = build_sentencepiece_luts("
    text = PLAIN.replace(main, other + main).replace(call, "    show(val_tokens)\n" + call)
    assert facts_of(text)["validation_order"] != []
    finding = said(tmp_path, text)
    assert finding.verdict is RuleVerdict.NOT_CHECKED
    assert "whether train_gpt.py:" in finding.message


QUEUE = """\
import fcntl

def claim(path):
    with open(path, "r+") as counter:
        fcntl.flock(counter, fcntl.LOCK_EX)
        return int(counter.read())

def score():
    return claim("queue")

score()
"""


def test_a_queue_under_a_lock_names_the_functions_that_ask_it() -> None:
    (fact,) = facts_of(QUEUE)["validation_order"]
    assert (fact["kind"], fact["line"]) == ("claimed", 5)
    assert [begin for _, begin, _ in fact["within"]] == [3, 8]
