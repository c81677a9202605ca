"""seeds-three: three seeds are shown, or their absence is said."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.finding import RuleVerdict
from tests.builders import findings_of
from tests.rules.scored_submission import SCORES, case_of, stated, with_scores

if TYPE_CHECKING:
    from pathlib import Path

RULE = "seeds-three"
ONE = {13: 1.2}


def test_three_logged_seeds_pass(tmp_path: Path) -> None:
    (finding,) = findings_of(RULE, case_of(with_scores(tmp_path)))
    assert finding.verdict is RuleVerdict.PASS
    assert finding.message == "logs prove 3 seeds (seed 13, seed 1337, seed 1111)"


def test_three_claimed_seeds_with_one_log_fail(tmp_path: Path) -> None:
    submission = with_scores(tmp_path, ONE, submission__json=stated(SCORES))
    (finding,) = findings_of(RULE, case_of(submission))
    assert finding.verdict is RuleVerdict.FAIL
    assert "no log of seed 1337, seed 1111 is shipped" in finding.message
    assert (finding.places[0].file, finding.places[0].line) == ("train_seed13.log", 25)


def test_one_seed_without_further_claims_asks_a_person(tmp_path: Path) -> None:
    (finding,) = findings_of(RULE, case_of(with_scores(tmp_path, ONE)))
    assert finding.verdict is RuleVerdict.NEEDS_HUMAN
    assert finding.message.startswith("logs prove 1 seed of 3 (seed 13)")


def test_a_false_declaration_of_three_seeds_fails(tmp_path: Path) -> None:
    declared = stated(ONE, compliance={"three_seeds": True})
    (finding,) = findings_of(RULE, case_of(with_scores(tmp_path, ONE, submission__json=declared)))
    assert finding.verdict is RuleVerdict.FAIL
    assert "declares three seeds" in finding.message


def test_a_log_that_cannot_be_read_is_no_proof_against_the_claim(tmp_path: Path) -> None:
    submission = with_scores(
        tmp_path, ONE, submission__json=stated(SCORES), train_seed1337__log=b"\x00\x01\x02" * 400
    )
    (finding,) = findings_of(RULE, case_of(submission))
    assert finding.verdict is RuleVerdict.NEEDS_HUMAN


def test_without_logs_it_is_not_checked(tmp_path: Path) -> None:
    (finding,) = findings_of(RULE, case_of(with_scores(tmp_path, {}, submission__json=stated(SCORES))))
    assert finding.verdict is RuleVerdict.NOT_CHECKED
    assert "states scores for 3 seeds" in finding.message


def test_one_log_under_two_names_is_one_seed(tmp_path: Path) -> None:
    first = with_scores(tmp_path / "first", ONE)
    copy = (tmp_path / "first" / first.origin.entry).resolve()
    text = next(copy.rglob("train_seed13.log")).read_text()
    (finding,) = findings_of(RULE, case_of(with_scores(tmp_path / "second", ONE, train__log=text)))
    assert "logs prove 1 seed of 3" in finding.message
