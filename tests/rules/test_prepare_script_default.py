from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from harness.finding import RuleVerdict
from tests.builders import findings_of, make_case, make_submission

if TYPE_CHECKING:
    from pathlib import Path

RULE = "prepare-script-default"
SCRIPT = """import argparse

HELD_OUT = 50_000
parser = argparse.ArgumentParser()
parser.add_argument("--val-docs", type=int, default={default})
"""


def verdict_of(tmp_path: Path, default: str) -> RuleVerdict:
    case = make_case(make_submission(tmp_path, prepare__py=SCRIPT.format(default=default)))
    return findings_of(RULE, case)[0].verdict


@pytest.mark.parametrize(
    ("default", "verdict"),
    [
        ("50_000", RuleVerdict.PASS),
        ("HELD_OUT", RuleVerdict.PASS),
        ("49_999", RuleVerdict.WARN),
        ("10_000", RuleVerdict.WARN),
    ],
)
def test_only_fifty_thousand_documents_are_a_safe_default(
    tmp_path: Path, default: str, verdict: RuleVerdict
) -> None:
    assert verdict_of(tmp_path, default) is verdict


def test_the_warning_names_script_line_and_documents(tmp_path: Path) -> None:
    case = make_case(make_submission(tmp_path, prepare__py=SCRIPT.format(default="10_000")))
    (finding,) = findings_of(RULE, case)
    assert "prepare.py:5 holds out 10,000 validation documents by default, not 50,000" in finding.message
    assert "documents 10,000 to 49,999 become training data" in finding.message
    assert (finding.places[0].file, finding.places[0].line) == ("prepare.py", 5)


def test_a_script_that_does_not_parse_is_no_crash(tmp_path: Path) -> None:
    case = make_case(make_submission(tmp_path, prepare__py="val docs ((("))
    assert findings_of(RULE, case)[0].verdict is RuleVerdict.NOT_APPLICABLE
