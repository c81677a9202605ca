"""Attacks that state a number twice: the true one, and a better one for whoever reads the last line."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from harness.check import CheckOptions, check_target
from harness.finding import RuleVerdict
from harness.targets import Target

LEGAL = Path(__file__).parents[2] / "submissions/legal/records/track_10min_16mb/2026-04-20_OwnBytes"
MODEL = r"(?m)^(Serialized model int8\+zlib: )15(963\d{3} bytes)$"
TOTAL = r"(?m)^(Total submission size int8\+zlib: )15(96\d{4} bytes)$"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    copy = tmp_path / "records" / "track_10min_16mb" / "2026-04-20_Twice"
    shutil.copytree(LEGAL, copy)
    return copy


def rewrite(folder: Path, pattern: str, by: str) -> None:
    """Change every log; the pattern must stand in each."""
    for log in folder.glob("*.log"):
        text, count = re.subn(pattern, by, log.read_text())
        assert count
        log.write_text(text)


def outcome(folder: Path, rule: str) -> RuleVerdict:
    report = check_target(Target(folder=folder), None, CheckOptions())
    assert report.error is None
    assert not report.rule_errors
    return report.outcomes[rule]


def test_a_smaller_total_printed_after_the_true_one_does_not_replace_it(folder: Path) -> None:
    rewrite(folder, MODEL, r"\g<1>17\2")
    rewrite(folder, TOTAL, r"\g<1>17\2\nTotal submission size int8+zlib: 15900000 bytes")
    assert outcome(folder, "artifact-cap") is RuleVerdict.FAIL


def test_a_smaller_total_of_a_smaller_model_replaces_the_first(folder: Path) -> None:
    rewrite(folder, MODEL, r"\g<1>17\2\nTotal submission size int8+zlib: 17968843 bytes\n\g<0>")
    assert outcome(folder, "artifact-cap") is RuleVerdict.PASS


def test_sizes_behind_a_script_that_the_log_pretends_to_print_are_read(folder: Path) -> None:
    script = "import io\nimport os\nimport re\nimport sys\n"
    rewrite(folder, MODEL, script + r"\g<1>17\2")
    rewrite(
        folder,
        TOTAL,
        r"\g<1>17\2\n" + "=" * 60 + r"\nTotal submission size int8+zlib: 15900000 bytes",
    )
    assert outcome(folder, "artifact-cap") is RuleVerdict.FAIL


def test_a_stop_line_hidden_in_a_pretended_script_is_read(folder: Path) -> None:
    stop = r"(?m)^stopping_early: .*$"
    late = "stopping_early: wallclock_cap train_time:1999950ms step:13696/20000"
    script = "import io\nimport os\nimport re\nimport sys\n"
    rewrite(folder, stop, script + late + "\n" + "=" * 60 + r"\n\g<0>")
    assert outcome(folder, "train-time-cap") is RuleVerdict.FAIL


def test_training_that_goes_on_after_the_stop_line_is_on_the_clock(folder: Path) -> None:
    more = "step:15000/20000 train_loss:2.0412 train_time:999000ms"
    rewrite(folder, r"(?m)^stopping_early: .*$", r"\g<0>\n" + more)
    assert outcome(folder, "train-time-cap") is RuleVerdict.FAIL


def test_a_score_line_repeated_with_a_shorter_time_does_not_shorten_the_pass(folder: Path) -> None:
    line = r"(?m)^(final_int8_zlib_roundtrip val\S+ val\S+) eval_time:\d+ms$"
    rewrite(folder, line, r"\1 eval_time:900000ms\n\1 eval_time:10000ms")
    assert outcome(folder, "eval-time-cap") is RuleVerdict.FAIL


def test_an_evaluation_of_no_seconds_proves_nothing(folder: Path) -> None:
    rewrite(folder, r"eval_time:\d+ms", "eval_time:0ms")
    assert outcome(folder, "eval-time-cap") is RuleVerdict.NOT_CHECKED


def test_adaptation_longer_than_the_timer_of_the_pass_is_not_inside_it(folder: Path) -> None:
    line = r"(?m)^final_int8_zlib_roundtrip val"
    rewrite(folder, line, r"ttt:start\nttt_adapt done elapsed=700.0s\n\g<0>")
    assert outcome(folder, "eval-time-cap") is RuleVerdict.FAIL


def test_adaptation_within_the_timer_of_the_pass_is_not_counted_twice(folder: Path) -> None:
    rewrite(folder, r"eval_time:\d+ms", "eval_time:590000ms")
    line = r"(?m)^final_int8_zlib_roundtrip val"
    rewrite(folder, line, r"ttt:start\nttt_adapt done elapsed=400.0s\n\g<0>")
    assert outcome(folder, "eval-time-cap") is RuleVerdict.PASS


def test_a_second_claim_file_in_other_case_does_not_replace_submission_json(folder: Path) -> None:
    (folder / "Submission.json").write_text('{"val_bpb": 1.0, "track": "non-record"}')
    report = check_target(Target(folder=folder), None, CheckOptions())
    assert report.submission.track == "record"
    assert any(text.startswith("Submission.json stands beside") for text in report.unseen)


def test_lines_cut_from_a_huge_log_are_named_among_what_was_not_seen(folder: Path) -> None:
    log = folder / "train_seed1111.log"
    log.write_text("x\n" * 260_000 + log.read_text() + "x\n" * 60_000)
    report = check_target(Target(folder=folder), None, CheckOptions())
    assert any("train_seed1111.log" in text and "were not read" in text for text in report.unseen)
