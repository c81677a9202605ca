from __future__ import annotations

from typing import TYPE_CHECKING

from harness.finding import RuleVerdict
from tests.builders import good_log
from tests.rules.log_builders import LOG, judge, line_of, stop_line

if TYPE_CHECKING:
    from pathlib import Path

RULE = "artifact-creation-timed"
GENERATED = "gptq:generated 32 sequences in 187.5s"


def test_generated_calibration_after_the_budget_asks_a_person(tmp_path: Path) -> None:
    log = good_log(13, peak=GENERATED)
    finding = judge(RULE, tmp_path, log)
    assert finding.verdict is RuleVerdict.NEEDS_HUMAN
    assert "187.5 s of calibration on self-generated data after 599.9 s of training" in finding.message
    assert (finding.places[0].file, finding.places[0].line) == (LOG, line_of(log, "gptq:generated"))


def test_generated_calibration_inside_the_budget_passes(tmp_path: Path) -> None:
    stop = stop_line(400_000, step=9_000)
    log = good_log(13, peak=GENERATED, stop=stop, step_last="", step_val="")
    assert judge(RULE, tmp_path, log).verdict is RuleVerdict.PASS


def test_compression_alone_is_a_remark_with_its_seconds(tmp_path: Path) -> None:
    log = good_log(13, peak="Serialize: per-group compression done in 95.4s")
    finding = judge(RULE, tmp_path, log)
    assert finding.verdict is RuleVerdict.INFO
    assert "95.4 s of quantising and compressing" in finding.message


def test_silence_after_the_stop_is_not_checked(tmp_path: Path) -> None:
    assert judge(RULE, tmp_path, good_log(13)).verdict is RuleVerdict.NOT_CHECKED
