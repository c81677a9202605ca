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
