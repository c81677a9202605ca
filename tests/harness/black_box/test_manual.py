"""What docs/black_box.md tells a competitor to copy runs, and its numbers are those of the toy scorers."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from harness.black_box import BreachError, Scorer, audit_scorer
from tests.harness.black_box import toy_scorers as toys
from tests.harness.black_box.toy_scorers import CHUNK, V

if TYPE_CHECKING:
    from collections.abc import Callable

ROOT = Path(__file__).parents[3]
MANUAL = (ROOT / "docs" / "black_box.md").read_text(encoding="utf-8")
OWN_LOOP, INTERFACE = re.findall(r"```python\n(.*?)```", MANUAL, re.DOTALL)

SCORES = "        counted.append(losses.detach())  # a chunk is scored first,\n"
LEARNS = "        optimizer.step()  # then learned from\n"
SCORES_AGAIN = (
    '        counted.append(F.cross_entropy(model(x[chunk]), y[chunk], reduction="none").detach())\n'
)

TOYS = {
    "online": toys.online,
    "score, then three epochs": toys.score_then_adapt,
    "three epochs, then score": toys.adapt_then_score,
    "lower of two": toys.lower_of_two,
    "weight by the token it scores": toys.target_gate,
    "token in the key of a table": toys.target_in_key,
}
# All that golf-harness or its extras install beside numpy and that an audit might reach for.
NOT_NEEDED = ("torch", "sentencepiece", "scipy", "git", "rich", "inotify_simple", "jinja2", "matplotlib")


def _test_of(source: str) -> tuple[Callable[[], None], dict[str, Any]]:
    """The test of a file to copy, and the names of that file."""
    names: dict[str, Any] = {}
    exec(source, names)
    (test,) = (value for name, value in names.items() if name.startswith("test_"))
    return test, names


@pytest.mark.parametrize("source", [OWN_LOOP, INTERFACE], ids=["own loop", "interface"])
def test_the_test_to_copy_passes_as_it_stands(source: str):
    _test_of(source)[0]()


def test_the_test_to_copy_fails_where_a_chunk_is_learned_before_it_is_scored():
    turned = OWN_LOOP.replace(SCORES, "").replace(LEARNS, LEARNS + SCORES_AGAIN)
    test, _ = _test_of(turned)
    with pytest.raises(BreachError, match=r"suffix-swap .* depend on tokens scored later"):
        test()


def test_the_test_to_copy_costs_the_calls_that_are_told():
    test, names = _test_of(OWN_LOOP)
    score, calls = names["my_losses"], []

    def counted(tokens, *settings, **more):
        calls.append(tokens.size)
        return score(tokens, *settings, **more)

    names["my_losses"] = counted
    test()
    assert f"makes {len(calls)} calls" in MANUAL


def test_an_audit_needs_numpy_and_nothing_else_that_is_installed():
    blocked = f"import sys\nsys.modules.update(dict.fromkeys({NOT_NEEDED!r}))\n"
    call = "test_my_evaluation_breaks_no_rule_through_the_interface()\n"
    command = [sys.executable, "-c", blocked + INTERFACE + call]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr


@pytest.mark.parametrize("name", TOYS)
def test_the_table_has_what_is_measured_of_each_toy_scorer(name: str):
    scorer = Scorer(score=TOYS[name], vocab_size=V, first_unit=CHUNK)
    results = {result.probe: result for result in audit_scorer(scorer, tokens=400).results}
    swap = results["suffix-swap"]
    moved = swap.numbers["largest_difference"]
    seen = f"{swap.outcome}, {moved:.2f} nats" if moved else str(swap.outcome)
    total = results["alternative-sum"].numbers["sum"]
    excess = results["noise-martingale"].numbers["excess_nats"]
    assert f"| {name} | {seen} | {total:.3g} | {excess:.1f} |" in MANUAL
