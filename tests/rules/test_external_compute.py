from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from harness.finding import RuleVerdict
from tests.rules.log_builders import judge_readme

if TYPE_CHECKING:
    from pathlib import Path

RULE = "external-compute"


@pytest.mark.parametrize(
    ("sentence", "verdict"),
    [
        ("The student is distilled from a larger teacher.", RuleVerdict.NEEDS_HUMAN),
        ("The student is not distilled from a larger teacher.", RuleVerdict.NOT_CHECKED),
        ("Learning rates were tuned on another machine.", RuleVerdict.NOT_CHECKED),
    ],
)
def test_only_compute_that_enters_the_artifact_asks(
    tmp_path: Path, sentence: str, verdict: RuleVerdict
) -> None:
    finding = judge_readme(RULE, tmp_path, sentence)
    assert finding.verdict is verdict
