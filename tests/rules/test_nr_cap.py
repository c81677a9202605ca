from __future__ import annotations

from typing import TYPE_CHECKING

from harness.finding import RuleVerdict
from tests.builders import findings_of, make_case
from tests.rules.bytes_builders import SCRIPT_BYTES, sized_submission

if TYPE_CHECKING:
    from pathlib import Path

RULE = "nr-cap"
NON_RECORD = "records/track_non_record_16mb/2026-04-01_Example"
CAP = 16_000_000


def test_a_total_over_the_cap_is_a_warning(tmp_path: Path) -> None:
    submission = sized_submission(tmp_path, model=CAP - SCRIPT_BYTES + 1, entry=NON_RECORD)
    (finding,) = findings_of(RULE, make_case(submission))
    assert finding.verdict is RuleVerdict.WARN
    assert finding.message.startswith("16,000,001 bytes, 1 over the cap of 16,000,000")
    assert finding.places[0].file == "train_seed13.log"


def test_a_total_of_the_cap_passes(tmp_path: Path) -> None:
    submission = sized_submission(tmp_path, model=CAP - SCRIPT_BYTES, entry=NON_RECORD)
    assert findings_of(RULE, make_case(submission))[0].verdict is RuleVerdict.PASS
