"""Training data after the loop, network calls and parts of validation: twins of one edit."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.finding import RuleVerdict
from rules import no_network_at_eval, no_train_data_at_eval, val_full
from tests.harness.audit.scans.scan_builder import facts_of, scanned_case

if TYPE_CHECKING:
    from pathlib import Path

TRAIN = """\
import os, time
import torch

class Settings:
    files = "data/fineweb_train_*.bin"
    seconds = float(os.environ.get("SECONDS", 600.0))
    reserve = float(os.environ.get("RESERVE", {reserve}))

class Loader:
    def __init__(self, pattern):
        self.pattern = pattern
    def take(self, size):
        return torch.load(self.pattern)[:size]

def statistics(model, loader):
    return model(loader.take(16))

def main():
    args = Settings()
    limit = args.seconds - args.reserve
    loader = Loader(args.files)
    start = time.perf_counter()
    while True:
        if time.perf_counter() - start >= limit:
            break
        model(loader.take(64)).backward()
    {after}

main()
"""


def script(after: str = "pass", reserve: float = 0.0) -> str:
    """The training script with a line after its loop."""
    return TRAIN.replace("{after}", after).replace("{reserve}", str(reserve))


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


def test_a_download_after_training_asks(tmp_path: Path) -> None:
    late = "import urllib.request\n" + script('urllib.request.urlopen("https://example.org")')
    (found,) = no_network_at_eval.check(scanned_case(tmp_path, late))
    assert (found.rule, found.verdict) == ("no-network-at-eval", RuleVerdict.NEEDS_HUMAN)
    assert (found.places[0].file, found.places[0].line) == ("train_gpt.py", 28)


def test_a_download_of_what_is_missing_is_a_remark(tmp_path: Path) -> None:
    guarded = 'if not os.path.exists("x"): urllib.request.urlopen("https://example.org")'
    (found,) = no_network_at_eval.check(scanned_case(tmp_path, "import urllib.request\n" + script(guarded)))
    assert found.verdict is RuleVerdict.INFO


def test_a_script_without_network_calls_passes(tmp_path: Path) -> None:
    (found,) = no_network_at_eval.check(scanned_case(tmp_path, script()))
    assert found.verdict is RuleVerdict.PASS


PART = """\
import glob, os
import numpy as np

limit = int(os.environ.get("LIMIT", "{limit}"))
tokens = np.fromfile(glob.glob("data/fineweb_val_*.bin")[0])
if limit > 0:
    tokens = tokens[:limit]
"""


def test_a_limit_on_the_validation_stream_asks_when_it_is_set(tmp_path: Path) -> None:
    case = scanned_case(tmp_path, PART.replace("{limit}", "1048576"))
    found = [one for one in val_full.check(case) if one.verdict is RuleVerdict.NEEDS_HUMAN]
    assert [(one.rule, one.places[0].line) for one in found] == [("val-full", 7)]


def test_a_limit_of_zero_asks_nothing(tmp_path: Path) -> None:
    case = scanned_case(tmp_path, PART.replace("{limit}", "0"))
    assert all(one.verdict is RuleVerdict.PASS for one in val_full.check(case))


SAMPLE = """\
import torch

def batch(split):
    places = torch.randint(9, (3,))
    return places

def main():
    for _ in range(20):
        loss = model(batch("{split}"))

main()
"""


def test_random_minibatches_of_validation_ask(tmp_path: Path) -> None:
    case = scanned_case(tmp_path, SAMPLE.replace("{split}", "val"))
    found = [one for one in val_full.check(case) if one.verdict is RuleVerdict.NEEDS_HUMAN]
    assert [(one.rule, one.places[0].line) for one in found] == [("val-full", 8)]


def test_random_minibatches_of_training_are_no_matter_of_validation() -> None:
    assert facts_of(SAMPLE.replace("{split}", "train"))["validation_caps"] == []
