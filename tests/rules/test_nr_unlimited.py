from __future__ import annotations

from typing import TYPE_CHECKING

from harness.finding import RuleVerdict
from tests.builders import findings_of, good_log, make_case, make_submission
from tests.rules.log_builders import stop_line

if TYPE_CHECKING:
    from pathlib import Path

RULE = "nr-unlimited"
NON_RECORD = "records/track_non_record_16mb/2026-04-01_Example"
LONG = good_log(13, stop=stop_line(14_400_000))


def test_a_long_run_that_the_readme_does_not_mention_is_a_warning(tmp_path: Path) -> None:
    submission = make_submission(tmp_path, NON_RECORD, train_seed13__log=LONG)
    (finding,) = findings_of(RULE, make_case(submission))
    assert finding.verdict is RuleVerdict.WARN
    assert finding.message.startswith("trained for 14,400 s, but README.md names no training time")
    assert finding.places[0].file == "train_seed13.log"


def test_a_stated_training_time_passes(tmp_path: Path) -> None:
    readme = "# Example\n\nTrained for 4 hours on 8xH100.\n"
    submission = make_submission(tmp_path, NON_RECORD, train_seed13__log=LONG, README__md=readme)
    (finding,) = findings_of(RULE, make_case(submission))
    assert finding.verdict is RuleVerdict.PASS
    assert finding.places[0].line == 3


def test_ten_minutes_need_no_statement(tmp_path: Path) -> None:
    (finding,) = findings_of(RULE, make_case(make_submission(tmp_path, NON_RECORD)))
    assert finding.verdict is RuleVerdict.NOT_APPLICABLE
