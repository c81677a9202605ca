from __future__ import annotations

from typing import TYPE_CHECKING

from harness.finding import RuleVerdict
from tests.builders import findings_of, make_case, make_submission

if TYPE_CHECKING:
    from pathlib import Path

RULE = "readme-detail"


def test_fifty_nine_words_are_a_warning(tmp_path: Path) -> None:
    (finding,) = findings_of(RULE, make_case(make_submission(tmp_path, README__md="word " * 59)))
    assert finding.verdict is RuleVerdict.WARN
    assert finding.message.startswith("README.md has 59 words")


def test_sixty_words_pass(tmp_path: Path) -> None:
    (finding,) = findings_of(RULE, make_case(make_submission(tmp_path, README__md="word " * 60)))
    assert finding.verdict is RuleVerdict.PASS


def test_words_of_a_code_block_explain_nothing(tmp_path: Path) -> None:
    readme = "```\n" + "word " * 60 + "\n```\n"
    (finding,) = findings_of(RULE, make_case(make_submission(tmp_path, README__md=readme)))
    assert finding.verdict is RuleVerdict.WARN
