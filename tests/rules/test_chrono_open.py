"""chrono-open: rows are given in order of creation, so an earlier better row stands in the way."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.case import Profile
from harness.evidence.standing_record import Reference
from harness.finding import RuleVerdict
from tests.builders import findings_of
from tests.rules.scored_submission import case_of, with_scores

if TYPE_CHECKING:
    from pathlib import Path

RULE = "chrono-open"
WORSE = Reference(name="#7", scores=(1.2007,), source="a test", pr=7)
BETTER = Reference(name="#7", scores=(1.2005,), source="a test", pr=7)


def test_a_better_score_is_ahead(tmp_path: Path) -> None:
    (finding,) = findings_of(RULE, case_of(with_scores(tmp_path), reference=WORSE))
    assert finding.verdict is RuleVerdict.PASS


def test_a_worse_score_is_behind_by_the_text(tmp_path: Path) -> None:
    (finding,) = findings_of(RULE, case_of(with_scores(tmp_path), reference=BETTER, profile=Profile.TEXT))
    assert finding.verdict is RuleVerdict.FAIL
    assert finding.message.startswith("behind #7: mean 1.20060 of 3 logged scores")
    assert finding.places[0].file == "train_seed13.log"


def test_in_practice_a_person_decides_about_novelty(tmp_path: Path) -> None:
    (finding,) = findings_of(RULE, case_of(with_scores(tmp_path), reference=BETTER))
    assert finding.verdict is RuleVerdict.NEEDS_HUMAN
    assert finding.ask is not None
    assert "novelty" in finding.ask
