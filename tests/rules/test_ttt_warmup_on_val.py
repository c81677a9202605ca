from __future__ import annotations

from typing import TYPE_CHECKING

from harness.finding import RuleVerdict
from tests.builders import findings_of
from tests.harness.audit.audit_builder import audited_case
from tests.rules.audited import judged, lines, primary_line
from tests.rules.order_events import READ, chunked, warm_up

if TYPE_CHECKING:
    from pathlib import Path

RULE = "ttt-warmup-on-val"


def test_a_warm_up_step_that_is_undone_warns(tmp_path: Path) -> None:
    finding = judged(RULE, tmp_path, warm_up(kept=False))
    assert finding.verdict is RuleVerdict.WARN
    assert (primary_line(finding), lines(finding)) == (18, [READ, 17, 18, 19])


def test_a_warm_up_step_that_is_kept_breaches_score_first(tmp_path: Path) -> None:
    assert judged(RULE, tmp_path, warm_up(kept=True)).verdict is RuleVerdict.NOT_APPLICABLE
    stated = findings_of("ttt-score-first", audited_case(tmp_path, *warm_up(kept=True)))
    assert [finding.verdict for finding in stated] == [RuleVerdict.FAIL]


def test_steps_of_the_scored_pass_are_no_warm_up(tmp_path: Path) -> None:
    assert judged(RULE, tmp_path, chunked()).verdict is RuleVerdict.NOT_APPLICABLE
