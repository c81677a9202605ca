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
