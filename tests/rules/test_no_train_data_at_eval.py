from __future__ import annotations

from typing import TYPE_CHECKING

from harness.finding import RuleVerdict
from rules import no_train_data_at_eval
from tests.harness.audit.scans.scan_builder import scanned_case
from tests.rules.late_read_scripts import script

if TYPE_CHECKING:
    from pathlib import Path


def test_training_data_read_after_a_loop_without_reserve_asks(tmp_path: Path) -> None:
    late = script("statistics(model, Loader(args.files))")
    (found,) = no_train_data_at_eval.check(scanned_case(tmp_path, late))
    assert (found.rule, found.verdict) == ("no-train-data-at-eval", RuleVerdict.NEEDS_HUMAN)
    assert (found.places[0].file, found.places[0].line) == ("train_gpt.py", 27)


def test_the_same_read_inside_a_reserve_passes(tmp_path: Path) -> None:
    late = script("statistics(model, Loader(args.files))", reserve=14.0)
    (found,) = no_train_data_at_eval.check(scanned_case(tmp_path, late))
    assert found.verdict is RuleVerdict.PASS


def test_calibration_on_generated_tokens_passes(tmp_path: Path) -> None:
    (found,) = no_train_data_at_eval.check(scanned_case(tmp_path, script("model(torch.randint(9, (3,)))")))
    assert found.verdict is RuleVerdict.PASS


def test_a_script_without_a_training_loop_is_not_checked(tmp_path: Path) -> None:
    (found,) = no_train_data_at_eval.check(scanned_case(tmp_path, "print(1)\n"))
    assert found.verdict is RuleVerdict.NOT_CHECKED


def test_executed_text_leaves_late_reads_unresolved(tmp_path: Path) -> None:
    (found,) = no_train_data_at_eval.check(scanned_case(tmp_path, script("exec(args.files)")))
    assert found.verdict is RuleVerdict.NOT_CHECKED


TIMED_STEP = """\
import glob, os, time
import numpy as np

class Loader:
    def __init__(self, pattern):
        self.files = sorted(glob.glob(pattern))

    def next_batch(self):
        return np.fromfile(self.files[0])

def main():
    cap = float(os.environ.get("MAX_WALLCLOCK_SECONDS", "600"))
    loader = Loader("data/fineweb_train_*.bin")

    def step():
        started = time.perf_counter()
        model(loader.next_batch()).backward()
        return time.perf_counter() - started

    for _ in range(20):
        step()
    model.load_state_dict(initial)
    started = time.perf_counter()
    while True:
        step()
        if time.perf_counter() - started > cap:
            break
    {after}

main()
"""


def test_a_warm_up_whose_steps_time_themselves_is_not_the_training_loop(tmp_path: Path) -> None:
    case = scanned_case(tmp_path, TIMED_STEP.replace("{after}", "evaluate()"))
    assert all(one.verdict is not RuleVerdict.NEEDS_HUMAN for one in no_train_data_at_eval.check(case))


def test_a_read_after_the_loop_that_looks_at_the_clock_asks(tmp_path: Path) -> None:
    case = scanned_case(tmp_path, TIMED_STEP.replace("{after}", "calibrate(loader.next_batch())"))
    found = [one for one in no_train_data_at_eval.check(case) if one.verdict is RuleVerdict.NEEDS_HUMAN]
    assert [one.places[0].line for one in found] == [28]
