from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from harness.finding import RuleVerdict
from tests.builders import findings_of, good_json, good_log, make_case, make_submission
from tests.rules.log_builders import LOG, judge, line_of, stop_line

if TYPE_CHECKING:
    from pathlib import Path

RULE = "train-time-cap"


def stopped_at(milliseconds: int) -> str:
    return good_log(13, stop=stop_line(milliseconds))


@pytest.mark.parametrize(
    ("milliseconds", "verdict"),
    [
        (600_000, RuleVerdict.PASS),
        (600_001, RuleVerdict.INFO),
        (600_200, RuleVerdict.INFO),
        (600_201, RuleVerdict.NEEDS_HUMAN),
        (605_000, RuleVerdict.NEEDS_HUMAN),
        (605_001, RuleVerdict.FAIL),
    ],
)
def test_the_bands_of_the_training_clock_end_where_the_catalogue_says(
    tmp_path: Path, milliseconds: int, verdict: RuleVerdict
) -> None:
    assert judge(RULE, tmp_path, stopped_at(milliseconds)).verdict is verdict


def test_a_failure_names_seconds_excess_step_and_line(tmp_path: Path) -> None:
    log = stopped_at(2_400_010)
    finding = judge(RULE, tmp_path, log)
    assert finding.message.startswith(
        "seed 13 trained for 2,400.01 s, 1,800.01 s over the cap of 600 s (stop at step 13,920)"
    )
    assert (finding.places[0].file, finding.places[0].line) == (LOG, line_of(log, "stopping_early"))


def test_a_submission_without_logs_is_not_checked(tmp_path: Path) -> None:
    files = {f"train_seed{seed}__log": None for seed in (13, 1337, 1111)}
    findings = findings_of(RULE, make_case(make_submission(tmp_path, **files)))
    assert {finding.verdict for finding in findings} == {RuleVerdict.NOT_CHECKED}


def test_a_slow_run_that_the_headline_does_not_rest_on_is_a_warning(tmp_path: Path) -> None:
    slow = good_log(13, val_bpb=1.21, stop=stop_line(2_400_010))
    document = good_json({13: 1.21, 1337: 1.2, 1111: 1.203}, val_bpb=1.2)
    other = good_log(1111, val_bpb=1.203)
    finding = judge(RULE, tmp_path, slow, submission__json=json.dumps(document), train_seed1111__log=other)
    assert finding.verdict is RuleVerdict.WARN
    assert "the headline comes from another run" in finding.message


def clocked(*seconds: int) -> str:
    """A log whose clock reads these seconds at steps 5,000, 10,000 and so on, and at the stop."""
    steps = [
        f"step:{5000 * number}/20000 train_loss:2.1 train_time:{value}000ms"
        for number, value in enumerate(seconds[:-1], 1)
    ]
    return good_log(13, step_last="\n".join(steps), step_val="", stop=stop_line(seconds[-1] * 1000, 15_000))


def test_a_clock_that_only_rises_passes(tmp_path: Path) -> None:
    assert judge(RULE, tmp_path, clocked(200, 400, 590)).verdict is RuleVerdict.PASS


def test_a_clock_set_back_is_asked_about_with_both_lines_and_the_sum(tmp_path: Path) -> None:
    log = clocked(590, 100, 400)
    finding = judge(RULE, tmp_path, log)
    assert finding.verdict is RuleVerdict.NEEDS_HUMAN
    assert "its longest reading is 590 s, all its parts are 990 s" in finding.message
    lines = [line_of(log, "step:5000/"), line_of(log, "step:10000/")]
    assert [place.line for place in finding.places] == lines


def test_a_stop_line_below_the_last_step_is_a_clock_set_back(tmp_path: Path) -> None:
    assert judge(RULE, tmp_path, clocked(300, 590, 400)).verdict is RuleVerdict.NEEDS_HUMAN
