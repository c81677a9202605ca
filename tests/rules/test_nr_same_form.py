from __future__ import annotations

from typing import TYPE_CHECKING

from harness.finding import RuleVerdict
from tests.builders import findings_of, good_json, make_case, make_submission

if TYPE_CHECKING:
    from pathlib import Path

RULE = "nr-same-form"


def test_the_non_record_folder_passes(tmp_path: Path) -> None:
    submission = make_submission(tmp_path, "records/track_non_record_16mb/2026-04-01_Example")
    assert findings_of(RULE, make_case(submission))[0].verdict is RuleVerdict.PASS


def test_a_non_record_claim_in_the_record_folder_is_a_warning(tmp_path: Path) -> None:
    import json

    document = json.dumps(good_json(track="non-record-16mb"), indent=2)
    submission = make_submission(
        tmp_path, "records/track_10min_16mb/2026-04-01_Example", submission__json=document
    )
    (finding,) = findings_of(RULE, make_case(submission))
    assert finding.verdict is RuleVerdict.WARN
    assert "move it to records/track_non_record_16mb" in finding.message
