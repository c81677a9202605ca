from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from harness.finding import RuleVerdict
from tests.builders import good_log
from tests.rules.log_builders import judge

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
    finding = judge(RULE, tmp_path, good_log(13), README__md=f"# Example\n\n{sentence}\n")
    assert finding.verdict is verdict


def test_the_question_points_at_the_sentence(tmp_path: Path) -> None:
    readme = "# Example\n\nThe gate was tuned on the dumped validation distributions.\n"
    finding = judge(RULE, tmp_path, good_log(13), README__md=readme)
    assert (finding.places[0].file, finding.places[0].line) == ("README.md", 3)
