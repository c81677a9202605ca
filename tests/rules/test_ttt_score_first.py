from __future__ import annotations

from typing import TYPE_CHECKING

from harness.finding import RuleVerdict
from tests.builders import good_log
from tests.rules.log_builders import LOG, judge, line_of, score_lines

if TYPE_CHECKING:
    from pathlib import Path

RULE = "ttt-score-first"
PHASE = "ttt:done elapsed=162.0s"
OTHER = "final_int6_roundtrip val_loss:2.10 val_bpb:1.2444 eval_time:2232ms"


def test_a_phase_that_ends_before_another_pass_asks_a_person(tmp_path: Path) -> None:
    log = good_log(13, peak=f"{PHASE}\n{OTHER}")
    finding = judge(RULE, tmp_path, log)
    assert finding.verdict is RuleVerdict.NEEDS_HUMAN
    assert "a test-time-training phase of 162 s ends at train_seed13.log:" in finding.message
    assert (finding.places[0].file, finding.places[0].line) == (LOG, line_of(log, "ttt:done"))


def test_a_phase_inside_the_counted_pass_is_left_to_the_static_audit(tmp_path: Path) -> None:
    log = good_log(13, peak=f"{OTHER}\n{PHASE}", **score_lines("final_ttt", 2.0261, 1.2, 200_000))
    assert judge(RULE, tmp_path, log).verdict is RuleVerdict.NOT_CHECKED
