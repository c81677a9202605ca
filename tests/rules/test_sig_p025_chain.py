"""sig-p025-chain: p < 0.25 against the frontier, from #1494 on."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.evidence.standing_record import Reference
from harness.finding import RuleVerdict
from tests.builders import findings_of
from tests.rules.scored_submission import case_of, with_scores

if TYPE_CHECKING:
    from pathlib import Path

RULE = "sig-p025-chain"
BEATEN = Reference(name="#1493", scores=(1.2005, 1.2010, 1.2015), source="a test")
LEVEL = Reference(name="#1493", scores=(1.2002, 1.2007, 1.2012), source="a test")


def test_p_below_a_quarter_passes(tmp_path: Path) -> None:
    (finding,) = findings_of(RULE, case_of(with_scores(tmp_path, pr=1600), reference=BEATEN))
    assert finding.verdict is RuleVerdict.PASS
    assert "p = 0.2133 below 0.25" in finding.message


def test_p_above_a_quarter_asks_for_more_runs(tmp_path: Path) -> None:
    (finding,) = findings_of(RULE, case_of(with_scores(tmp_path, pr=1600), reference=LEVEL))
    assert finding.verdict is RuleVerdict.NEEDS_HUMAN
    assert finding.ask == "Do further runs of this code bring p below 0.25 against #1493?"
    assert finding.places[0].file == "train_seed13.log"


def test_an_older_pull_request_is_left_alone(tmp_path: Path) -> None:
    (finding,) = findings_of(RULE, case_of(with_scores(tmp_path, pr=1493), reference=LEVEL))
    assert finding.verdict is RuleVerdict.NOT_APPLICABLE


def test_without_a_number_the_date_decides(tmp_path: Path) -> None:
    submission = with_scores(tmp_path)
    (march,) = findings_of(RULE, case_of(submission, reference=LEVEL, as_of="2026-04-08"))
    (april,) = findings_of(RULE, case_of(submission, reference=LEVEL, as_of="2026-04-09"))
    assert march.verdict is RuleVerdict.NOT_APPLICABLE
    assert april.verdict is RuleVerdict.NEEDS_HUMAN


def test_claims_without_logs_are_no_evidence(tmp_path: Path) -> None:
    logs = {f"train_seed{seed}__log": None for seed in (13, 1337, 1111)}
    (finding,) = findings_of(RULE, case_of(with_scores(tmp_path, pr=1600, **logs), reference=BEATEN))
    assert finding.verdict is RuleVerdict.NOT_CHECKED
    assert "claimed (not logged)" in finding.message
