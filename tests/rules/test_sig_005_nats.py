"""sig-005-nats: 0.005 nats per token over the record, as a point estimate."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.case import Profile
from harness.evidence.standing_record import Reference
from harness.finding import RuleVerdict
from tests.builders import findings_of
from tests.rules.scored_submission import case_of, with_scores

if TYPE_CHECKING:
    from pathlib import Path

RULE = "sig-005-nats"
# Own mean 1.2006; 0.005 nats per sp1024 token are 0.00296 BPB.
JUST_ENOUGH = Reference(name="#7", scores=(1.2036,), source="a test")
NOT_ENOUGH = Reference(name="#7", scores=(1.2035,), source="a test")


def test_a_gain_of_the_margin_passes(tmp_path: Path) -> None:
    (finding,) = findings_of(RULE, case_of(with_scores(tmp_path), reference=JUST_ENOUGH))
    assert finding.verdict is RuleVerdict.PASS
    assert "+0.0051 nats/token" in finding.message


def test_a_gain_below_the_margin_fails_by_the_text(tmp_path: Path) -> None:
    case = case_of(with_scores(tmp_path), reference=NOT_ENOUGH, profile=Profile.TEXT)
    (finding,) = findings_of(RULE, case)
    assert finding.verdict is RuleVerdict.FAIL
    assert finding.places[0].file == "train_seed13.log"
    assert finding.places[0].line == 25


def test_in_practice_a_person_decides_on_a_small_gain(tmp_path: Path) -> None:
    (finding,) = findings_of(RULE, case_of(with_scores(tmp_path), reference=NOT_ENOUGH))
    assert finding.verdict is RuleVerdict.NEEDS_HUMAN
    assert finding.ask is not None
    assert "0.005" in finding.ask


def test_all_three_units_are_printed(tmp_path: Path) -> None:
    (finding,) = findings_of(RULE, case_of(with_scores(tmp_path), reference=NOT_ENOUGH))
    assert (
        "0.00290 BPB lower (+0.0049 nats/token at 2.4359 bytes/token, +0.0020 nats/byte)" in finding.message
    )


def test_where_the_chain_decides_a_small_gain_is_a_remark(tmp_path: Path) -> None:
    (finding,) = findings_of(RULE, case_of(with_scores(tmp_path, pr=1494), reference=NOT_ENOUGH))
    assert finding.verdict is RuleVerdict.INFO


def test_the_pull_request_before_the_chain_is_not_covered_by_it(tmp_path: Path) -> None:
    (finding,) = findings_of(RULE, case_of(with_scores(tmp_path, pr=1493), reference=NOT_ENOUGH))
    assert finding.verdict is RuleVerdict.NEEDS_HUMAN


def test_without_a_record_it_is_not_checked(tmp_path: Path) -> None:
    (finding,) = findings_of(RULE, case_of(with_scores(tmp_path), reference=None))
    assert finding.verdict is RuleVerdict.NOT_CHECKED
    assert "--reference" in finding.message
