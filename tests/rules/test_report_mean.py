"""report-mean: the headline is the mean of the seeds."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from harness.finding import RuleVerdict
from tests.builders import findings_of, good_log
from tests.rules.scored_submission import case_of, stated, with_scores

if TYPE_CHECKING:
    from pathlib import Path

RULE = "report-mean"


@pytest.mark.parametrize(
    ("headline", "verdict"),
    [
        (1.2006, RuleVerdict.PASS),
        (1.20064, RuleVerdict.PASS),  # within 5e-5
        (1.2, RuleVerdict.PASS),  # rounded to one decimal
        (1.20052, RuleVerdict.WARN),
        (1.20001, RuleVerdict.WARN),  # the best seed
        (1.20032, RuleVerdict.NEEDS_HUMAN),
        (1.1951, RuleVerdict.FAIL),  # no choice of seeds gives it
        (1.2051, RuleVerdict.INFO),
    ],
)
def test_the_distance_of_the_headline_decides(tmp_path: Path, headline: float, verdict: RuleVerdict) -> None:
    submission = with_scores(tmp_path, submission__json=stated(val_bpb=headline))
    (finding,) = findings_of(RULE, case_of(submission))
    assert finding.verdict is verdict


def test_a_failure_names_the_headline_and_the_scores(tmp_path: Path) -> None:
    submission = with_scores(tmp_path, submission__json=stated(val_bpb=1.1951))
    (finding,) = findings_of(RULE, case_of(submission))
    assert "lower than every one of 3 logged scores (lowest 1.20000, mean 1.20060)" in finding.message
    assert (finding.places[0].file, finding.places[0].line) == ("submission.json", 8)


def test_logs_that_may_belong_to_another_run_only_ask(tmp_path: Path) -> None:
    document = stated(val_bpb=1.1951, seed_results=None)
    submission = with_scores(tmp_path, submission__json=document, README__md="# Example\n")
    (finding,) = findings_of(RULE, case_of(submission))
    assert finding.verdict is RuleVerdict.NEEDS_HUMAN


def test_without_a_headline_it_is_not_checked(tmp_path: Path) -> None:
    submission = with_scores(tmp_path, submission__json=stated(val_bpb=None, val_loss=None))
    (finding,) = findings_of(RULE, case_of(submission))
    assert finding.verdict is RuleVerdict.NOT_CHECKED


def test_a_headline_that_another_logged_run_reaches_asks_which_runs_count(tmp_path: Path) -> None:
    submission = with_scores(
        tmp_path,
        submission__json=stated(val_bpb=1.1951),
        train_second_try_seed13__log=good_log(13, val_bpb=1.1949),
    )
    (finding,) = findings_of(RULE, case_of(submission))
    assert finding.verdict is RuleVerdict.NEEDS_HUMAN
    assert "another run here has 1.19490" in finding.message


def test_a_second_stated_run_of_a_seed_asks_which_runs_count(tmp_path: Path) -> None:
    runs = [{"seed": 13, "val_bpb": 1.2}, {"seed": 13, "val_bpb": 1.1951}]
    document = stated({13: 1.2}, val_bpb=1.1951, seed_results=None, runs=runs)
    (finding,) = findings_of(RULE, case_of(with_scores(tmp_path, {13: 1.2}, submission__json=document)))
    assert finding.verdict is RuleVerdict.NEEDS_HUMAN


def _readme(mean: str, label: str = "mean") -> str:
    rows = "| 13 | 1.2000 |\n| 1337 | 1.2030 |\n| 1111 | 1.2030 |\n"
    return f"# Example\n\n| seed | val_bpb |\n|---|---|\n{rows}\n{label} val_bpb {mean}\n"


def test_a_readme_that_states_another_mean_is_a_warning(tmp_path: Path) -> None:
    _, finding = findings_of(RULE, case_of(with_scores(tmp_path, README__md=_readme("1.2020"))))
    assert finding.verdict is RuleVerdict.WARN
    assert "the mean 1.20200 of its 3 seeds, submission.json 1.20060, 0.00140 BPB lower" in finding.message
    assert [(place.file, place.line) for place in finding.places] == [
        ("submission.json", 8),
        ("README.md", 9),
    ]


def test_a_score_that_the_readme_does_not_call_a_mean_is_no_other_mean(tmp_path: Path) -> None:
    case = case_of(with_scores(tmp_path, README__md=_readme("1.2020", label="ablation")))
    assert [finding.verdict for finding in findings_of(RULE, case)] == [RuleVerdict.PASS]


def test_the_mean_of_an_earlier_record_in_the_readme_is_no_other_mean(tmp_path: Path) -> None:
    case = case_of(with_scores(tmp_path, README__md=_readme("1.2200")))
    assert [finding.verdict for finding in findings_of(RULE, case)] == [RuleVerdict.PASS]
