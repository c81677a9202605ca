from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from harness.finding import RuleVerdict
from tests.rules.audited import judged, primary_line
from tests.rules.log_builders import judge_readme
from tests.rules.order_events import passes, plain

if TYPE_CHECKING:
    from pathlib import Path

RULE = "oracle-min"


@pytest.mark.parametrize(
    ("sentence", "verdict"),
    [
        ("The score is the minimum NLL over all passes.", RuleVerdict.NEEDS_HUMAN),
        ("The score is never the minimum NLL over all passes.", RuleVerdict.NOT_CHECKED),
        ("The score is the mean NLL of one pass.", RuleVerdict.NOT_CHECKED),
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


def test_keeping_the_lower_loss_of_two_passes_fails(tmp_path: Path) -> None:
    finding = judged(RULE, tmp_path, passes("lowest"))
    assert finding.verdict is RuleVerdict.FAIL
    assert primary_line(finding) == 50


def test_keeping_the_first_does_not(tmp_path: Path) -> None:
    assert judged(RULE, tmp_path, passes("first")).verdict is not RuleVerdict.FAIL


def test_labels_alone_never_pass(tmp_path: Path) -> None:
    finding = judged(RULE, tmp_path, plain())
    assert finding.verdict is RuleVerdict.NOT_CHECKED
    assert "single tokens were not followed" in finding.message
