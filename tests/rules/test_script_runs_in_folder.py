from __future__ import annotations

from typing import TYPE_CHECKING

from harness.finding import RuleVerdict
from tests.builders import findings_of, make_case, make_submission

if TYPE_CHECKING:
    from pathlib import Path

RULE = "script-runs-in-folder"


def test_a_script_that_parses_passes_with_a_remark_that_it_was_not_run(tmp_path: Path) -> None:
    (finding,) = findings_of(RULE, make_case(make_submission(tmp_path)))
    assert finding.verdict is RuleVerdict.PASS
    assert "nothing was run" in finding.message


def test_a_script_that_does_not_parse_fails(tmp_path: Path) -> None:
    submission = make_submission(tmp_path, train_gpt__py="import torch\nprint('train'\n")
    finding = findings_of(RULE, make_case(submission))[0]
    assert finding.verdict is RuleVerdict.FAIL
    assert finding.places[0].file == "train_gpt.py"
    assert finding.places[0].line == 2


def test_no_script_is_left_to_the_required_files(tmp_path: Path) -> None:
    (finding,) = findings_of(RULE, make_case(make_submission(tmp_path, train_gpt__py=None)))
    assert finding.verdict is RuleVerdict.NOT_CHECKED
