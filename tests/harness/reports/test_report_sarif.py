from __future__ import annotations

import json
import os
from pathlib import Path

import jsonschema
import pytest

from harness.case import failed
from harness.finding import Place
from harness.reports.report_sarif import render_sarif, to_sarif
from tests.harness.reports.report_samples import (
    ENTRY,
    chain_report,
    clean_report,
    make_report,
    unreadable_report,
)
from tests.harness.reports.snapshot import assert_snapshot

REPO = "https://github.com/openai/parameter-golf"
REPORTS = [make_report(), chain_report(), clean_report(), unreadable_report()]
OFFICIAL = Path(os.environ.get("GOLF_SARIF_SCHEMA", "/nonexistent"))


def test_a_log_follows_the_bindings_generated_from_the_official_schema():
    """Every object of the generated bindings refuses keys and values that the standard does not know."""
    model = pytest.importorskip("pydantic_sarif.model", reason="pip install pydantic-sarif")
    log = model.StaticAnalysisResultsFormatSarifVersion210JsonSchema
    log.model_validate(to_sarif(REPORTS, repo_url=REPO))


@pytest.mark.skipif(not OFFICIAL.is_file(), reason="GOLF_SARIF_SCHEMA does not name the OASIS schema file")
def test_a_log_follows_the_official_schema_itself():
    schema = json.loads(OFFICIAL.read_text(encoding="utf-8"))
    checker = jsonschema.FormatChecker()
    validator = jsonschema.Draft4Validator(schema, format_checker=checker)
    validator.validate(to_sarif(REPORTS, repo_url=REPO, docs_url="https://example.org/rules"))


def test_a_rejection_reads_as_in_the_snapshot():
    log = to_sarif([make_report()])
    # Rule pages change with the rules; they have a test of their own.
    log["runs"][0]["tool"]["driver"]["rules"] = ["..."]
    assert_snapshot("reject.sarif", json.dumps(log, indent=2) + "\n")


def test_a_result_points_into_the_repository_with_an_encoded_uri():
    finding = failed("artifact-cap", "too big", Place(file="my log #1.txt", line=7))
    result = to_sarif([make_report(findings=(finding,))])["runs"][0]["results"][0]
    physical = result["locations"][0]["physicalLocation"]
    assert physical["artifactLocation"]["uri"] == f"{ENTRY}/my%20log%20%231.txt"
    assert physical["region"] == {"startLine": 7}


def test_each_result_names_the_rule_at_its_index():
    run = to_sarif([make_report()])["runs"][0]
    rules = [rule["id"] for rule in run["tool"]["driver"]["rules"]]
    assert [rules[result["ruleIndex"]] for result in run["results"]] == [r["ruleId"] for r in run["results"]]


def test_fingerprints_survive_new_numbers_and_differ_for_repeats():
    line = Place(file="a.log", line=7, excerpt="total: 123 bytes")
    moved = Place(file="a.log", line=99, excerpt="total: 456 bytes")
    old = to_sarif([make_report(findings=(failed("artifact-cap", "x", line),) * 2)])["runs"][0]["results"]
    new = to_sarif([make_report(findings=(failed("artifact-cap", "y", moved),))])["runs"][0]["results"]
    first, second = (result["partialFingerprints"]["golfFinding/v1"] for result in old)
    assert new[0]["partialFingerprints"]["golfFinding/v1"] == first != second


def test_unchecked_rules_are_notifications_and_no_results():
    run = to_sarif([make_report()])["runs"][0]
    notices = run["invocations"][0]["toolExecutionNotifications"]
    told = {notice["associatedRule"]["id"] for notice in notices if "associatedRule" in notice}
    assert {"c1-causal", "val-full"} <= told
    assert not told & {result["ruleId"] for result in run["results"]}


def test_what_could_not_be_checked_is_an_unsuccessful_invocation():
    invocation = to_sarif([unreadable_report()])["runs"][0]["invocations"][0]
    assert invocation["executionSuccessful"] is False
    assert "git fetch" in invocation["toolExecutionNotifications"][0]["message"]["text"]


def test_the_text_is_ascii():
    assert render_sarif(REPORTS).isascii()


def test_a_chain_of_code_lines_is_a_code_flow():
    (result,) = to_sarif([chain_report()])["runs"][0]["results"]
    (flow,) = result["codeFlows"]
    told = [step["location"]["message"]["text"] for step in flow["threadFlows"][0]["locations"]]
    assert told[0] == "validation tokens are read, line 612 of the unpacked script"
    assert len(told) == 6
