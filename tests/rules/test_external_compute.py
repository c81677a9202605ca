from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from harness.finding import RuleVerdict
from tests.builders import good_log
from tests.rules.log_builders import judge

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
    finding = judge(RULE, tmp_path, good_log(13), README__md=f"# Example\n\n{sentence}\n")
    assert finding.verdict is verdict
