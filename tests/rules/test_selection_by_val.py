from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from harness.finding import RuleVerdict
from tests.rules.log_builders import judge_readme

if TYPE_CHECKING:
    from pathlib import Path

RULE = "selection-by-val"


@pytest.mark.parametrize(
    ("sentence", "verdict"),
    [
        ("The gate was tuned on the dumped validation distributions.", RuleVerdict.NEEDS_HUMAN),
        ("The gate was not tuned on the dumped validation distributions.", RuleVerdict.NOT_CHECKED),
        ("The gate was tuned on training text.", RuleVerdict.NOT_CHECKED),
    ],
)
def test_only_tuning_on_validation_output_asks(tmp_path: Path, sentence: str, verdict: RuleVerdict) -> None:
    finding = judge_readme(RULE, tmp_path, sentence)
    assert finding.verdict is verdict


def test_the_question_points_at_the_sentence(tmp_path: Path) -> None:
    finding = judge_readme(RULE, tmp_path, "The gate was tuned on the dumped validation distributions.")
    assert (finding.places[0].file, finding.places[0].line) == ("README.md", 3)
