"""The whole command on hostile folders: what stands in its report, and what it leaves behind."""

from __future__ import annotations

import json
import os
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from harness.cli_check import main
from tests.attacks.dynamic.audited_runs import CONDITIONS, living_of_audits
from tests.attacks.whole_runs import best_sandbox
from tests.programs.dynamic.audited_script import starting_with

if TYPE_CHECKING:
    from collections.abc import Mapping

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="sandboxes are of Linux")
LOWER = "F.cross_entropy = lambda *args, real=F.cross_entropy, **named: real(*args, **named) * 0.7"


@pytest.fixture
def checked(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Any:
    """Runs golf-check --dynamic on a script: the findings of its rules by id, as JSON has them."""
    pytest.importorskip("torch", reason="the dynamic audit needs the extra model")
    if isinstance(best_sandbox(), str):
        pytest.skip(f"no sandbox here: {best_sandbox()}")

    def check(script: str) -> Mapping[str, list[dict[str, Any]]]:
        folder = tmp_path / "2026-04-01_Mine"
        folder.mkdir()
        (folder / "train_gpt.py").write_text(script)
        main([str(folder), "--dynamic", "--no-cache", "--format", "json"])
        said = capsys.readouterr()
        assert "Traceback" not in said.out + said.err
        assert living_of_audits() == []
        assert list(Path(tempfile.gettempdir()).glob(f"golf-dynamic-{os.getpid()}*")) == []
        findings: dict[str, list[dict[str, Any]]] = {}
        for finding in json.loads(said.out)["findings"]:
            findings.setdefault(finding["rule"], []).append(finding)
        return findings

    return check


def test_losses_made_lower_fail_the_second_condition(checked: Any) -> None:
    findings = checked(starting_with(LOWER))
    failed = [one for one in findings["c2-normalized"] if one["verdict"] == "FAIL"]
    assert any("sum to" in one["message"] for one in failed)
    for rule in CONDITIONS:
        assert "PASS" not in {one["verdict"] for one in findings.get(rule, [])}


def test_a_script_that_breaks_off_is_not_checked_with_the_phase(checked: Any) -> None:
    (finding,) = checked(starting_with("import regex_of_mine"))["c1-causal"]
    assert finding["verdict"] == "NOT-CHECKED"
    assert "missing-module: ModuleNotFoundError: No module named 'regex_of_mine'" in finding["message"]
    assert "(before any known token went through a model)" in finding["message"]


def test_a_script_that_does_nothing_is_not_checked(checked: Any) -> None:
    findings = checked("# nothing\n")
    assert "without printing a score" in findings["c1-causal"][0]["message"]
