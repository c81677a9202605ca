from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from harness.finding import RuleVerdict
from tests.rules.log_builders import judge_readme

if TYPE_CHECKING:
    from pathlib import Path

RULE = "oracle-min"


@pytest.mark.parametrize(
    ("sentence", "verdict"),
    [
        ("The score is the minimum NLL over all passes.", RuleVerdict.NEEDS_HUMAN),
        ("The score is never the minimum NLL over all passes.", RuleVerdict.PASS),
        ("The score is the mean NLL of one pass.", RuleVerdict.PASS),
    ],
)
def test_readme_words_ask_unless_they_deny(tmp_path: Path, sentence: str, verdict: RuleVerdict) -> None:
    finding = judge_readme(RULE, tmp_path, sentence)
    assert finding.verdict is verdict


def test_the_question_points_at_the_sentence(tmp_path: Path) -> None:
    finding = judge_readme(RULE, tmp_path, "The score is the minimum NLL over all passes.")
    assert (finding.places[0].file, finding.places[0].line) == ("README.md", 3)
    assert finding.ask is not None
    assert finding.ask.endswith("?")
