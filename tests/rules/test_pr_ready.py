from __future__ import annotations

import json
from typing import TYPE_CHECKING

from harness.finding import RuleVerdict
from tests.builders import findings_of, good_json, make_case, make_submission, with_origin

if TYPE_CHECKING:
    from pathlib import Path

    from harness.submission import Submission

RULE = "pr-ready"


def _titled(root: Path, title: str) -> Submission:
    submission = make_submission(root)
    return with_origin(submission, title=title)


def test_a_title_that_says_wip_is_a_remark(tmp_path: Path) -> None:
    (finding,) = findings_of(RULE, make_case(_titled(tmp_path, "[WIP] Example")))
    assert finding.verdict is RuleVerdict.INFO
    assert "the title says 'WIP'" in finding.message


def test_a_finished_title_passes(tmp_path: Path) -> None:
    (finding,) = findings_of(RULE, make_case(_titled(tmp_path, "Record: Example")))
    assert finding.verdict is RuleVerdict.PASS


def test_a_placeholder_in_the_json_is_a_remark_with_its_line(tmp_path: Path) -> None:
    document = json.dumps(good_json(github_id="YOUR_GITHUB_ID"), indent=2)
    (finding,) = findings_of(RULE, make_case(make_submission(tmp_path, submission__json=document)))
    assert finding.verdict is RuleVerdict.INFO
    assert (finding.places[0].file, finding.places[0].line) == ("submission.json", 3)
