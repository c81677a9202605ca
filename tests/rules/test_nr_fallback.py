from __future__ import annotations

from typing import TYPE_CHECKING

from harness.evidence.standing_record import Reference
from harness.finding import RuleVerdict
from tests.builders import findings_of, make_case, make_submission

if TYPE_CHECKING:
    from pathlib import Path

RULE = "nr-fallback"


def test_a_missed_record_may_be_filed_as_non_record(tmp_path: Path) -> None:
    reference = Reference(name="Standing", scores=(1.19, 1.19, 1.19), source="--reference")
    (finding,) = findings_of(RULE, make_case(make_submission(tmp_path), reference=reference))
    assert finding.verdict is RuleVerdict.INFO
    assert "1.20000000 is not below the record to beat, 1.19000000 (Standing)" in finding.message


def test_a_beaten_record_needs_no_fallback(tmp_path: Path) -> None:
    reference = Reference(name="Standing", scores=(1.21, 1.21, 1.21), source="--reference")
    (finding,) = findings_of(RULE, make_case(make_submission(tmp_path), reference=reference))
    assert finding.verdict is RuleVerdict.NOT_APPLICABLE
