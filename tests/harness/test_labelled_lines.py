"""Findings that point at labelled lines."""

from __future__ import annotations

from typing import Any

from harness.labelled_lines import labelled_lines, match_lines

FILE = "records/x/y/train_gpt.py"


def evidence(line: int | None, file: str = FILE) -> dict[str, Any]:
    return {"file": file, "line": line, "what": "an update"}


def report(line: int | None, *, rule: str = "ttt-score-first", verdict: str = "FAIL", **place: Any) -> dict:
    there = {"file": "train_gpt.py", "line": line, "unpacked": False, **place}
    finding = {"rule": rule, "verdict": verdict, "places": [there]}
    return {"submission": {"entry": "records/x/y"}, "findings": [finding]}


def reached(document: dict, *rows: dict[str, Any]) -> list[str]:
    match = match_lines(labelled_lines(rows), document, {"ttt-score-first"}, {"FAIL"})
    return [str(line) for line in match.reached]


def test_a_place_three_lines_away_reaches_the_labelled_line():
    assert reached(report(103), evidence(100)) == ["train_gpt.py:100"]


def test_a_place_four_lines_away_does_not_and_the_distance_is_told():
    match = match_lines(labelled_lines([evidence(100)]), report(104), {"ttt-score-first"}, {"FAIL"})
    assert (match.reached, match.nearest) == ((), 4)
    assert [str(line) for line in match.missed] == ["train_gpt.py:100"]


def test_the_place_of_another_rule_does_not_count():
    assert reached(report(100, rule="artifact-cap"), evidence(100)) == []


def test_the_place_of_a_pass_does_not_count():
    assert reached(report(100, verdict="PASS"), evidence(100)) == []


def test_the_same_line_of_another_file_does_not_count():
    assert reached(report(100, file="ngram.py"), evidence(100)) == []


def test_a_line_of_the_packed_script_is_not_the_line_of_the_unpacked_one():
    labelled = evidence(100, FILE + " (unpacked)")
    assert reached(report(100), labelled) == []
    assert reached(report(100, unpacked=True), labelled) == ["train_gpt.py:100"]


def test_a_place_counted_from_the_root_is_not_put_into_the_folder():
    assert reached(report(9, file="train_gpt.py", from_root=True), evidence(9, "train_gpt.py")) == [
        "train_gpt.py:9"
    ]


def test_evidence_without_a_line_is_no_labelled_line():
    assert labelled_lines([evidence(None)]) == ()


def test_a_place_without_a_line_reaches_nothing():
    match = match_lines(labelled_lines([evidence(100)]), report(None), {"ttt-score-first"}, {"FAIL"})
    assert (match.reached, match.nearest) == ((), None)
