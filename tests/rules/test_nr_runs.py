from __future__ import annotations

from typing import TYPE_CHECKING

from harness.finding import RuleVerdict
from tests.builders import SEEDS, findings_of, make_case, make_submission

if TYPE_CHECKING:
    from pathlib import Path

RULE = "nr-runs"
NON_RECORD = "records/track_non_record_16mb/2026-04-01_Example"
NO_LOGS: dict[str, str | bytes | None] = {f"train_seed{seed}__log": None for seed in SEEDS}


def test_a_run_with_a_score_passes(tmp_path: Path) -> None:
    (finding,) = findings_of(RULE, make_case(make_submission(tmp_path, NON_RECORD)))
    assert finding.verdict is RuleVerdict.PASS


def test_a_stated_score_without_a_log_is_a_warning(tmp_path: Path) -> None:
    (finding,) = findings_of(RULE, make_case(make_submission(tmp_path, NON_RECORD, **NO_LOGS)))
    assert finding.verdict is RuleVerdict.WARN
    assert finding.places[0].file == "submission.json"


def test_neither_log_nor_score_fails(tmp_path: Path) -> None:
    files: dict[str, str | bytes | None] = {**NO_LOGS, "submission__json": None, "README__md": "# An idea\n"}
    (finding,) = findings_of(RULE, make_case(make_submission(tmp_path, NON_RECORD, **files)))
    assert finding.verdict is RuleVerdict.FAIL
