from __future__ import annotations

import dataclasses
import json
from typing import TYPE_CHECKING

from harness.claims.submission_json import read_submission_json
from harness.finding import RuleVerdict
from tests.builders import findings_of, good_json, make_case, make_submission

if TYPE_CHECKING:
    from pathlib import Path

    from harness.finding import Finding

RULE = "submission-json"


def _findings(root: Path, text: str | None) -> list[Finding]:
    return findings_of(RULE, make_case(make_submission(root, submission__json=text)))


def test_a_complete_file_passes(tmp_path: Path) -> None:
    (finding,) = _findings(tmp_path, json.dumps(good_json()))
    assert finding.verdict is RuleVerdict.PASS


def test_a_missing_score_fails(tmp_path: Path) -> None:
    document = good_json(val_bpb=None, val_loss=None, seed_results=None)
    finding = _findings(tmp_path, json.dumps(document))[0]
    assert finding.verdict is RuleVerdict.FAIL
    assert "states no val_bpb: no key holds a score" in finding.message


def test_a_null_score_fails_at_its_line(tmp_path: Path) -> None:
    text = '{\n  "author": "A",\n  "val_bpb": null\n}\n'
    finding = _findings(tmp_path, text)[0]
    assert finding.verdict is RuleVerdict.FAIL
    assert (finding.places[0].file, finding.places[0].line) == ("submission.json", 3)


def test_scores_of_seeds_without_their_mean_are_a_warning(tmp_path: Path) -> None:
    finding = _findings(tmp_path, json.dumps(good_json(val_bpb=None, val_loss=None)))[0]
    assert finding.verdict is RuleVerdict.WARN
    assert "has the scores of 3 seeds but no val_bpb; write their mean, 1.20000000" in finding.message


def test_a_score_under_another_key_is_a_warning(tmp_path: Path) -> None:
    document = {**good_json(val_bpb=None), "mean_val_bpb": 1.2}
    finding = _findings(tmp_path, json.dumps(document))[0]
    assert finding.verdict is RuleVerdict.WARN
    assert "stands under 'mean_val_bpb'" in finding.message


def test_a_missing_author_is_a_warning(tmp_path: Path) -> None:
    (finding,) = _findings(tmp_path, json.dumps(good_json(author=None)))
    assert finding.verdict is RuleVerdict.WARN
    assert "has no author;" in finding.message


def test_a_broken_file_fails(tmp_path: Path) -> None:
    verdicts = {finding.verdict for finding in _findings(tmp_path, '{"author": ')}
    assert RuleVerdict.FAIL in verdicts


def test_an_absent_file_is_left_to_the_required_files(tmp_path: Path) -> None:
    (finding,) = _findings(tmp_path, None)
    assert finding.verdict is RuleVerdict.NOT_CHECKED


def test_a_file_that_cannot_be_fetched_is_missing_evidence(tmp_path: Path) -> None:
    submission = make_submission(tmp_path)
    lacking = dataclasses.replace(submission, json=read_submission_json("submission.json", None))
    (finding,) = findings_of(RULE, make_case(lacking))
    assert finding.verdict is RuleVerdict.NOT_CHECKED
