"""val-full on the code: limits on the validation stream, random minibatches."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.finding import RuleVerdict
from rules import val_full
from tests.harness.audit.scans.scan_builder import facts_of, scanned_case

if TYPE_CHECKING:
    from pathlib import Path

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
