"""sig-waiver-systems: who claims systems work only is compared by a reader."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.finding import RuleVerdict
from tests.builders import findings_of
from tests.rules.scored_submission import case_of, with_scores

if TYPE_CHECKING:
    from pathlib import Path

RULE = "sig-waiver-systems"


def test_a_claim_of_systems_work_asks_for_a_reader(tmp_path: Path) -> None:
    readme = "# Faster kernels\n\nThis is a systems-only submission.\n"
    (finding,) = findings_of(RULE, case_of(with_scores(tmp_path, README__md=readme)))
    assert finding.verdict is RuleVerdict.NEEDS_HUMAN
    assert (finding.places[0].file, finding.places[0].line) == ("README.md", 3)


def test_a_denial_is_no_claim(tmp_path: Path) -> None:
    readme = "# Faster kernels\n\nThis is not a systems-only submission.\n"
    (finding,) = findings_of(RULE, case_of(with_scores(tmp_path, README__md=readme)))
    assert finding.verdict is RuleVerdict.NOT_APPLICABLE
