from __future__ import annotations

from typing import TYPE_CHECKING

from harness.finding import RuleVerdict
from tests.builders import SEEDS, findings_of, good_log, make_case, make_submission
from tests.harness.audit.audit_builder import audited_case
from tests.rules.audited import judged, lines
from tests.rules.log_builders import LOG, judge, line_of
from tests.rules.order_events import chunked, two_phases

if TYPE_CHECKING:
    from pathlib import Path

RULE = "ttt-prequant"
LABELLED = "prequant_ttt:done total_time=523.6s"


def test_a_labelled_phase_before_the_artifact_fails(tmp_path: Path) -> None:
    log = good_log(13, peak=LABELLED)
    finding = judge(RULE, tmp_path, log)
    assert finding.verdict is RuleVerdict.FAIL
    assert "seed 13 trains on validation tokens for 523.6 s (train_seed13.log:" in finding.message
    assert (finding.places[0].file, finding.places[0].line) == (LOG, line_of(log, "prequant_ttt"))


def test_a_score_after_such_a_phase_is_evidence_enough(tmp_path: Path) -> None:
    log = good_log(13, peak="post-prequant-ttt val_loss:2.01 val_bpb:1.1900 eval_time:8850ms")
    assert judge(RULE, tmp_path, log).verdict is RuleVerdict.FAIL


def test_a_score_before_quantisation_is_not(tmp_path: Path) -> None:
    log = good_log(13, peak="pre-quantization post-ema val_loss:2.01 val_bpb:1.1900 eval_time:8850ms")
    assert judge(RULE, tmp_path, log).verdict is RuleVerdict.PASS


def test_an_unlabelled_phase_before_the_artifact_asks(tmp_path: Path) -> None:
    log = good_log(13, peak="ttt:done elapsed=162.0s")
    assert judge(RULE, tmp_path, log).verdict is RuleVerdict.NEEDS_HUMAN


def test_the_same_phase_after_the_artifact_does_not(tmp_path: Path) -> None:
    good = good_log(13)
    total = next(line for line in good.splitlines() if line.startswith("Total submission"))
    log = good.replace(total, f"{total}\nttt:done elapsed=162.0s")
    assert judge(RULE, tmp_path, log).verdict is RuleVerdict.PASS


def test_logs_that_cannot_be_read_are_not_silent_logs(tmp_path: Path) -> None:
    files = {f"train_seed{seed}__log": b"\x00\x01\x02\x03" * 500 for seed in SEEDS}
    findings = findings_of(RULE, make_case(make_submission(tmp_path, **files)))
    assert [finding.verdict for finding in findings] == [RuleVerdict.NOT_CHECKED]


def test_what_goes_through_the_artifact_fails_with_both_file_lines(tmp_path: Path) -> None:
    finding = judged(RULE, tmp_path, two_phases(through_file=True))
    assert finding.verdict is RuleVerdict.FAIL
    assert {40, 70, 75, 80} <= set(lines(finding))
    assert "before the artifact is written (train_gpt.py:70)" in finding.message


def test_the_same_phase_after_the_score_does_not_fail(tmp_path: Path) -> None:
    events = two_phases(through_file=True, before=False)
    case = audited_case(tmp_path, *events)
    assert {finding.verdict for finding in findings_of(RULE, case)} == {RuleVerdict.PASS}


def test_code_that_was_followed_whole_answers_an_unlabelled_phase(tmp_path: Path) -> None:
    files = {"train_seed13__log": good_log(13, peak="ttt:done elapsed=162.0s")}
    case = audited_case(tmp_path, *chunked(), **files)
    assert {finding.verdict for finding in findings_of(RULE, case)} == {RuleVerdict.PASS}
