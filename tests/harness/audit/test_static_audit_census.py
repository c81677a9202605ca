"""Counting what the static audit says over many reports."""

from __future__ import annotations

from typing import Any

from benchmarks.static_audit_census import Census, reasons_in, render

RULES = frozenset({"c3-score-before-update", "ngram-key-target", "oracle-min"})
OPEN = (
    "unresolved on the path of the score: a call of f at train_gpt.py:9, a loop at train_gpt.py:12 and 2 more"
)


def report(order: str, tokens: str, message: str = OPEN, **outcomes: str) -> dict[str, Any]:
    checked = {
        "c3-score-before-update": order,
        "ngram-key-target": tokens,
        "artifact-cap": "FAIL",
        **outcomes,
    }
    findings = [{"rule": rule, "verdict": each, "message": message} for rule, each in checked.items()]
    return {"verdict": "reject", "rules_checked": checked, "findings": findings, "seconds": 2.0}


def counted(*documents: dict[str, Any]) -> Census:
    census = Census(RULES)
    for document in documents:
        census.add(document)
    return census


def test_a_submission_with_one_open_family_is_unresolved():
    census = counted(report("PASS", "NOT-CHECKED"), report("PASS", "PASS"))
    assert (census.unresolved, census.audited) == (1, 2)
    assert dict(census.open_families) == {"tokens behind tables and mixtures": 1}


def test_a_family_in_which_any_rule_asks_is_decided():
    census = counted(report("PASS", "NOT-CHECKED", **{"oracle-min": "NEEDS-HUMAN"}))
    assert (census.unresolved, sum(census.accused.values())) == (0, 1)


def test_rules_that_read_no_code_are_not_counted():
    assert set(counted(report("PASS", "PASS")).rules) == {"c3-score-before-update", "ngram-key-target"}


def test_a_folder_without_a_script_is_no_unresolved_script():
    census = counted(report("NOT-CHECKED", "NOT-CHECKED", "unresolved: there is no script to audit"))
    assert (census.unresolved, census.without_script, census.audited) == (0, 1, 0)


def test_what_could_not_be_read_is_counted_apart():
    census = counted({"verdict": "could-not-check", "rules_checked": {}, "findings": []})
    assert (census.could_not_check, census.audited) == (1, 0)


def test_reasons_lose_their_lines():
    assert reasons_in(OPEN) == ["a call of f", "a loop"]
    assert reasons_in("unresolved: what it stored at helper.py:7 is used for") == [
        "what it stored is used for"
    ]


def test_the_table_names_outcomes_and_reasons():
    text = render(counted(report("NOT-CHECKED", "FAIL")), wall=3.0, peak_mib=100.0)
    assert "| c3-score-before-update | 0 | 0 | 0 | 0 | 1 | 0 |" in text
    assert "    1  a call of f" in text
    assert "unresolved in either: 1 (100.0 %)" in text


def test_a_crash_of_a_rule_is_named():
    crashed = {**report("PASS", "PASS"), "rule_errors": ["oracle-min: KeyError"], "submission": {"pr": 7}}
    assert counted(crashed).crashes == ["#7: oracle-min: KeyError"]
