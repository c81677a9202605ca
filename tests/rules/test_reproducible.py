from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from harness.finding import RuleVerdict
from rules import reproducible
from tests.harness.audit.scans.scan_builder import scanned_case

if TYPE_CHECKING:
    from pathlib import Path

    from harness.finding import Finding

SCRIPT = """\
import os, time, torch
seed = int(os.environ.get("SEED", "1"))
torch.manual_seed(seed)
model = torch.nn.Linear(1, 1)
began = time.perf_counter()
while time.perf_counter() - began < 600:
    model(torch.ones(1)).backward()
"""
SEEDED = "torch.manual_seed(seed)"


def said(root: Path, new: str, more: str = "") -> Finding:
    (found,) = reproducible.check(scanned_case(root, SCRIPT.replace(SEEDED, new) + more))
    return found


@pytest.mark.parametrize(("new", "line"), [("torch.manual_seed(7)", 3), ("print(seed)", 2)])
def test_a_seed_that_does_not_reach_the_network_warns(tmp_path: Path, new: str, line: int) -> None:
    found = said(tmp_path, new)
    assert (found.verdict, found.places[0].line) == (RuleVerdict.WARN, line)


def test_a_seed_that_does_is_left_to_a_second_run(tmp_path: Path) -> None:
    found = said(tmp_path, SEEDED)
    assert found.verdict is RuleVerdict.NOT_CHECKED
    assert "second run" in found.message


def test_a_script_that_runs_hidden_code_is_not_accused(tmp_path: Path) -> None:
    assert said(tmp_path, "print(seed)", "exec(open('x').read())\n").verdict is RuleVerdict.NOT_CHECKED
