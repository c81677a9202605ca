from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from harness.audit.events import StateKind
from harness.finding import RuleVerdict
from tests.builders import CODE, good_log
from tests.harness.audit.audit_builder import train
from tests.rules.audited import judged, primary_line
from tests.rules.log_builders import LOG, judge, line_of
from tests.rules.order_events import WHOLE, Trace

if TYPE_CHECKING:
    from pathlib import Path

    from harness.audit.events import Event
    from harness.audit.regions import Region

RULE = "val-calibration"
GPTQ = CODE + "# gptq calibration\n"


def calibrated_on(data: str) -> str:
    return good_log(13, peak=f"gptq:calibrated 66 layers on {data} in 6.8s")


def test_a_log_line_that_names_validation_data_fails(tmp_path: Path) -> None:
    log = calibrated_on("val tokens")
    finding = judge(RULE, tmp_path, log, train_gpt__py=GPTQ)
    assert finding.verdict is RuleVerdict.FAIL
    assert (finding.places[0].file, finding.places[0].line) == (LOG, line_of(log, "gptq:calibrated"))


def test_one_that_names_training_data_does_not(tmp_path: Path) -> None:
    finding = judge(RULE, tmp_path, calibrated_on("training data"), train_gpt__py=GPTQ)
    assert finding.verdict is RuleVerdict.NOT_CHECKED


@pytest.mark.parametrize(
    ("sentence", "verdict"),
    [
        ("GPTQ is calibrated on validation data.", RuleVerdict.NEEDS_HUMAN),
        ("GPTQ is never calibrated on validation data.", RuleVerdict.NOT_CHECKED),
    ],
)
def test_readme_words_only_ask(tmp_path: Path, sentence: str, verdict: RuleVerdict) -> None:
    readme = f"# Example\n\n{sentence}\n"
    finding = judge(RULE, tmp_path, good_log(13), train_gpt__py=GPTQ, README__md=readme)
    assert finding.verdict is verdict


def _calibrated(region: Region) -> tuple[Event, ...]:
    trace = Trace()
    statistics = trace.update(region, StateKind.STATISTICS, line=55)
    trace.export(statistics)
    trace.reload(statistics)
    return trace.printed(trace.score(WHOLE, statistics))


def test_statistics_of_validation_tokens_fail(tmp_path: Path) -> None:
    finding = judged(RULE, tmp_path, _calibrated(WHOLE))
    assert finding.verdict is RuleVerdict.FAIL
    assert primary_line(finding) == 55


def test_statistics_of_training_tokens_pass(tmp_path: Path) -> None:
    finding = judged(RULE, tmp_path, _calibrated(train()))
    assert finding.verdict is RuleVerdict.PASS
    assert primary_line(finding) == 55
