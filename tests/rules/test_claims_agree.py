"""claims-agree: json, README, title and logs state the same numbers."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import pytest

from harness.finding import RuleVerdict
from tests.builders import findings_of, good_log, good_readme
from tests.rules.scored_submission import SCORES, case_of, stated, with_scores

if TYPE_CHECKING:
    from pathlib import Path

RULE = "claims-agree"


def test_numbers_that_agree_pass(tmp_path: Path) -> None:
    (finding,) = findings_of(RULE, case_of(with_scores(tmp_path)))
    assert finding.verdict is RuleVerdict.PASS


def test_a_headline_that_the_readme_never_mentions_warns(tmp_path: Path) -> None:
    (finding,) = findings_of(RULE, case_of(with_scores(tmp_path, submission__json=stated(val_bpb=1.1951))))
    assert finding.verdict is RuleVerdict.WARN
    assert (finding.places[0].file, finding.places[0].line) == ("submission.json", 8)


@pytest.mark.parametrize(
    ("title", "verdict"),
    [("Record: val_bpb 1.2006", RuleVerdict.PASS), ("Record: val_bpb 1.1906", RuleVerdict.WARN)],
)
def test_the_title_states_the_headline(tmp_path: Path, title: str, verdict: RuleVerdict) -> None:
    submission = with_scores(tmp_path)
    submission = dataclasses.replace(submission, origin=dataclasses.replace(submission.origin, title=title))
    (finding,) = findings_of(RULE, case_of(submission))
    assert finding.verdict is verdict


@pytest.mark.parametrize(
    ("deviation", "verdict"), [(0.0006, RuleVerdict.PASS), (0.00048990, RuleVerdict.WARN)]
)
def test_the_deviation_is_that_of_a_sample(tmp_path: Path, deviation: float, verdict: RuleVerdict) -> None:
    submission = with_scores(tmp_path, submission__json=stated(val_bpb_std=deviation))
    (finding,) = findings_of(RULE, case_of(submission))
    assert finding.verdict is verdict


def test_a_population_deviation_is_named_as_one(tmp_path: Path) -> None:
    submission = with_scores(tmp_path, submission__json=stated(val_bpb_std=0.00048990))
    (finding,) = findings_of(RULE, case_of(submission))
    assert "that is the population deviation" in finding.message


def test_a_flag_without_evidence_warns(tmp_path: Path) -> None:
    one = {13: 1.2}
    document = stated(one, compliance={"three_seeds": True})
    (finding,) = findings_of(RULE, case_of(with_scores(tmp_path, one, submission__json=document)))
    assert finding.message == "submission.json flags three_seeds as true, but the logs prove 1 seed"


def test_bytes_that_the_log_does_not_print_warn(tmp_path: Path) -> None:
    log = good_log(13, val_bpb=SCORES[13], total="Total submission size int8+zlib: 15900000 bytes")
    (finding,) = findings_of(RULE, case_of(with_scores(tmp_path, train_seed13__log=log)))
    assert finding.verdict is RuleVerdict.WARN
    assert "prints 15,900,000" in finding.message


@pytest.mark.parametrize(("steps", "verdict"), [(13877, RuleVerdict.WARN), (13920, RuleVerdict.PASS)])
def test_steps_of_another_run_warn(tmp_path: Path, steps: int, verdict: RuleVerdict) -> None:
    one = {13: 1.2}
    row = {"13": {"val_bpb": 1.2, "steps": steps}}
    log = good_log(13, step_val="")
    submission = with_scores(
        tmp_path, one, submission__json=stated(one, seed_results=row), train_seed13__log=log
    )
    assert findings_of(RULE, case_of(submission))[0].verdict is verdict


def test_a_readme_table_with_another_score_of_a_seed_warns(tmp_path: Path) -> None:
    readme = good_readme(SCORES | {13: 1.1875})
    (finding,) = findings_of(RULE, case_of(with_scores(tmp_path, README__md=readme)))
    assert "the README states 1.1875" in finding.message
    assert finding.places[0].file == "README.md"


@pytest.mark.parametrize(("claimed", "verdict"), [(400.9, RuleVerdict.PASS), (300.0, RuleVerdict.WARN)])
def test_claimed_evaluation_seconds_are_those_of_the_counted_pass(
    tmp_path: Path, claimed: float, verdict: RuleVerdict
) -> None:
    log = good_log(13, val_bpb=SCORES[13]).replace("eval_time:1400ms", "eval_time:400000ms")
    results = {str(seed): {"val_bpb": score} for seed, score in SCORES.items()}
    results["13"]["eval_time_seconds"] = claimed
    document = stated(seed_results=results)
    submission = with_scores(tmp_path, submission__json=document, train_seed13__log=log)
    (finding,) = findings_of(RULE, case_of(submission))
    assert finding.verdict is verdict
