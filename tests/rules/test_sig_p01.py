"""sig-p01: the margin is shown at p < 0.01."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.case import Profile
from harness.evidence.standing_record import Reference
from harness.finding import RuleVerdict
from tests.builders import findings_of
from tests.rules.scored_submission import case_of, with_scores

if TYPE_CHECKING:
    from pathlib import Path

RULE = "sig-p01"
CLOSE = Reference(name="#7", scores=(1.2040, 1.2046, 1.2052), source="a test")
FAR = Reference(name="#7", scores=(1.2100, 1.2106, 1.2112), source="a test")


def test_a_large_gain_is_significant(tmp_path: Path) -> None:
    (finding,) = findings_of(RULE, case_of(with_scores(tmp_path), reference=FAR, profile=Profile.TEXT))
    assert finding.verdict is RuleVerdict.PASS


def test_a_gain_just_above_the_margin_is_not_significant(tmp_path: Path) -> None:
    (finding,) = findings_of(RULE, case_of(with_scores(tmp_path), reference=CLOSE, profile=Profile.TEXT))
    assert finding.verdict is RuleVerdict.FAIL
    assert "p = 0.0507 for a gain of 0.005 nats" in finding.message
    assert finding.places[0].file == "train_seed13.log"


def test_in_practice_it_only_warns(tmp_path: Path) -> None:
    (finding,) = findings_of(RULE, case_of(with_scores(tmp_path), reference=CLOSE))
    assert finding.verdict is RuleVerdict.WARN


def test_one_seed_cannot_be_tested(tmp_path: Path) -> None:
    (finding,) = findings_of(RULE, case_of(with_scores(tmp_path, {13: 1.2}), reference=FAR))
    assert finding.verdict is RuleVerdict.NOT_CHECKED
    assert "1 run: no variance" in finding.message


def test_a_record_of_one_run_is_taken_as_exact(tmp_path: Path) -> None:
    one = Reference(name="#7", scores=(1.2106,), source="a test")
    (finding,) = findings_of(RULE, case_of(with_scores(tmp_path), reference=one, profile=Profile.TEXT))
    assert finding.verdict is RuleVerdict.PASS
    assert "taken as exact" in finding.message
