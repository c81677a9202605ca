"""eval-clock-scope on the code: work on validation before the clock starts, and its legal twin."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.finding import RuleVerdict
from rules import eval_clock_scope
from tests.harness.audit.scans.scan_builder import facts_of, scanned_case

if TYPE_CHECKING:
    from pathlib import Path

    from harness.finding import Finding

SCRIPT = """\
import glob, os, time
import numpy as np

outside = bool(int(os.environ.get("OUTSIDE", "{outside}")))

def hints_of(tokens):
    return [tokens[max(i - 1, 0)] for i in range(len(tokens))]

def evaluate(model, tokens, hints):
    return sum(model(token, hint) for token, hint in zip(tokens, hints))

def main():
    tokens = np.fromfile(glob.glob("data/fineweb_val_*.bin")[0])
    started = time.perf_counter()
    while time.perf_counter() - started < 600:
        model(1).backward()
    hints = None
    {before}
    clock = time.perf_counter()
    {inside}
    loss = evaluate(model, tokens, hints)
    print(loss, time.perf_counter() - clock)

main()
"""
WORK = "if outside: hints = hints_of(tokens)"


def script(before: str = "pass", inside: str = "pass", outside: int = 1) -> str:
    """The script with the work before the clock, after it, or nowhere."""
    text = SCRIPT.replace("{before}", before).replace("{inside}", inside)
    return text.replace("{outside}", str(outside))


def warnings(root: Path, text: str) -> list[Finding]:
    """Warnings that point into the script."""
    found = eval_clock_scope.check(scanned_case(root, text))
    return [one for one in found if one.verdict is RuleVerdict.WARN]


def test_work_on_validation_before_the_clock_is_shown_at_its_call(tmp_path: Path) -> None:
    (found,) = warnings(tmp_path, script(before=WORK))
    assert [(place.file, place.line) for place in found.places] == [
        ("train_gpt.py", 18),
        ("train_gpt.py", 19),
    ]


def test_the_same_work_on_the_clock_is_not(tmp_path: Path) -> None:
    assert warnings(tmp_path, script(inside=WORK)) == []


def test_work_that_the_run_switches_off_is_not(tmp_path: Path) -> None:
    assert warnings(tmp_path, script(before=WORK, outside=0)) == []


def test_work_whose_result_the_evaluation_does_not_use_is_no_part_of_it() -> None:
    text = script(before=WORK.replace("hints = hints_of", "shown = hints_of"))
    assert facts_of(text)["before_the_clock"] == []
