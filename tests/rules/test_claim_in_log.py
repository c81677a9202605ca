"""claim-in-log: what is claimed for a seed stands in the log of that seed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.finding import RuleVerdict
from tests.builders import findings_of, good_log
from tests.rules.scored_submission import SCORES, case_of, stated, with_scores

if TYPE_CHECKING:
    from pathlib import Path

    from harness.finding import Finding

RULE = "claim-in-log"


def worst(findings: list[Finding]) -> Finding:
    (finding,) = [each for each in findings if each.verdict is not RuleVerdict.PASS]
    return finding


def test_claims_that_stand_in_their_logs_pass_seed_by_seed(tmp_path: Path) -> None:
    findings = findings_of(RULE, case_of(with_scores(tmp_path)))
    assert [finding.verdict for finding in findings] == [RuleVerdict.PASS] * 3


def test_a_claim_better_than_its_own_log_fails(tmp_path: Path) -> None:
    claimed = stated({**SCORES, 13: 1.1950})
    finding = worst(findings_of(RULE, case_of(with_scores(tmp_path, submission__json=claimed))))
    assert finding.verdict is RuleVerdict.FAIL
    assert "seed 13 claims 1.19500 BPB, but its log ends at 1.20000" in finding.message
    assert (finding.places[0].file, finding.places[0].line) == ("train_seed13.log", 25)


def test_a_claim_worse_than_its_own_log_asks(tmp_path: Path) -> None:
    claimed = stated({**SCORES, 13: 1.2150})
    finding = worst(findings_of(RULE, case_of(with_scores(tmp_path, submission__json=claimed))))
    assert finding.verdict is RuleVerdict.NEEDS_HUMAN


def test_a_claim_that_is_off_by_less_than_a_thousandth_warns(tmp_path: Path) -> None:
    claimed = stated({**SCORES, 13: 1.1995})
    finding = worst(findings_of(RULE, case_of(with_scores(tmp_path, submission__json=claimed))))
    assert finding.verdict is RuleVerdict.WARN


def test_a_claim_that_stands_in_another_seeds_log_asks(tmp_path: Path) -> None:
    claimed = stated({**SCORES, 13: 1.2012, 1111: 1.2012})
    finding = worst(findings_of(RULE, case_of(with_scores(tmp_path, submission__json=claimed))))
    assert finding.verdict is RuleVerdict.NEEDS_HUMAN
    assert "stands only in train_seed1111.log" in finding.message


def test_a_seed_without_log_is_not_checked(tmp_path: Path) -> None:
    submission = with_scores(tmp_path, train_seed13__log=None)
    finding = worst(findings_of(RULE, case_of(submission)))
    assert finding.verdict is RuleVerdict.NOT_CHECKED
    assert "no log of it is shipped" in finding.message


def test_a_later_and_worse_final_score_is_a_warning(tmp_path: Path) -> None:
    later = "final_int8_zlib_roundtrip_exact val_loss:2.10000000 val_bpb:1.24373000\n"
    log = good_log(13, val_bpb=SCORES[13]) + later
    finding = worst(findings_of(RULE, case_of(with_scores(tmp_path, train_seed13__log=log))))
    assert finding.verdict is RuleVerdict.WARN
    assert "is not the run's last final score, which is 1.24373" in finding.message


def test_a_headline_that_no_log_shows_asks(tmp_path: Path) -> None:
    document = stated(val_bpb=1.15, seed_results=None)
    submission = with_scores(tmp_path, submission__json=document, README__md="# Example\n")
    (finding,) = findings_of(RULE, case_of(submission))
    assert finding.verdict is RuleVerdict.NEEDS_HUMAN
    assert "1.15000 BPB is claimed, but the logs end at" in finding.message
