from __future__ import annotations

import json
import math

import jsonschema
import pytest

from harness.case import failed, passed
from harness.finding import Place
from harness.report import Measured
from harness.reports.report_concise import render_concise
from harness.reports.report_github import render_github
from harness.reports.report_json import SCHEMA_PATH, from_json, render_json, render_jsonl, to_json
from harness.reports.report_markdown import render_markdown
from harness.reports.report_sarif import render_sarif
from harness.reports.report_text import render_text
from tests.harness.reports.report_samples import clean_report, make_report, seed, summary, unreadable_report
from tests.harness.reports.snapshot import assert_snapshot

REPORTS = {"reject": make_report, "accept": clean_report, "could-not-check": unreadable_report}

FORMATS = {
    "text": render_text,
    "concise": render_concise,
    "json": render_json,
    "jsonl": render_jsonl,
    "markdown": render_markdown,
    "sarif": lambda report: render_sarif([report]),
    "github": lambda report: render_github([report]),
}


def closed(schema):
    """The schema without room for keys it does not name: a key we write but do not document fails."""
    if isinstance(schema, list):
        return [closed(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    shut = {key: closed(part) for key, part in schema.items()}
    named = shut.get("type") == "object" and "properties" in shut
    return {**shut, "additionalProperties": False} if named else shut


@pytest.mark.parametrize("name", REPORTS)
def test_every_report_follows_the_published_schema_and_adds_nothing_to_it(name):
    schema = closed(json.loads(SCHEMA_PATH.read_text()))
    jsonschema.Draft202012Validator(schema).validate(to_json(REPORTS[name]()))


def test_the_schema_is_itself_valid():
    jsonschema.Draft202012Validator.check_schema(json.loads(SCHEMA_PATH.read_text()))


def test_a_question_without_its_words_breaks_the_schema():
    document = to_json(make_report())
    question = next(f for f in document["findings"] if f["verdict"] == "NEEDS-HUMAN")
    del question["ask"]
    with pytest.raises(jsonschema.ValidationError, match="'ask' is a required property"):
        jsonschema.Draft202012Validator(json.loads(SCHEMA_PATH.read_text())).validate(document)


@pytest.mark.parametrize("name", REPORTS)
def test_a_document_read_back_writes_the_same_document(name):
    document = json.loads(render_json(REPORTS[name]()))
    assert to_json(from_json(document)) == document


def test_a_report_read_back_is_equal_but_for_the_order_of_findings():
    report = make_report()
    back = from_json(to_json(report))
    assert sorted(map(str, back.findings)) == sorted(map(str, report.findings))
    assert (back.measured, back.submission, back.outcomes) == (
        report.measured,
        report.submission,
        report.outcomes,
    )


@pytest.mark.parametrize("render", FORMATS)
@pytest.mark.parametrize("name", REPORTS)
def test_every_format_shows_a_cached_report_like_a_fresh_one(name, render):
    report = REPORTS[name]()
    assert FORMATS[render](from_json(to_json(report))) == FORMATS[render](report)


def test_the_document_reads_as_in_the_snapshot():
    assert_snapshot("reject.json", render_json(make_report()))


def test_passes_stand_apart_from_findings():
    document = to_json(make_report())
    assert {f["verdict"] for f in document["findings"]} == {
        "FAIL",
        "NEEDS-HUMAN",
        "WARN",
        "INFO",
        "NOT-CHECKED",
    }
    assert {f["verdict"] for f in document["passes"]} == {"PASS"}


def test_numbers_json_cannot_hold_become_null():
    measured = Measured(seeds=(seed(1, math.nan, 1),), mean_val_bpb=math.inf)
    document = json.loads(render_json(make_report(measured=measured, statistics={"p": math.nan})))
    assert document["measured"]["per_seed"]["1"]["val_bpb"] is None
    assert (document["measured"]["mean_val_bpb"], document["statistics"]["p"]) == (None, None)


def test_two_runs_of_one_seed_and_a_nameless_one_keep_their_rows():
    seeds = (seed(42, 1.1, 1), seed(42, 1.2, 2), seed(None, 1.3, 3))
    document = to_json(make_report(measured=Measured(seeds=seeds)))
    assert list(document["measured"]["per_seed"]) == ["42", "42#2", "unknown"]
    assert from_json(document).measured.seeds == seeds


def test_a_line_of_a_batch_is_one_line_whatever_the_submission_is_called():
    text = render_jsonl(make_report(submission=summary(name="a\u2028b\x85c\nd")))
    assert len(text.splitlines()) == 1


def test_an_undecodable_file_name_leaves_valid_json():
    finding = failed("artifact-cap", "too big", Place(file="caf\udce9.log"))
    document = json.loads(render_json(make_report(findings=(finding,))))
    document_bytes = json.dumps(document, ensure_ascii=False).encode("utf-8")
    assert b"caf\\\\udce9.log" in document_bytes


def test_another_schema_version_is_refused():
    with pytest.raises(ValueError, match="schema_version is 2, not 1"):
        from_json({**to_json(make_report()), "schema_version": 2})


def test_a_damaged_document_is_refused_with_the_missing_key():
    document = to_json(make_report(findings=(passed("artifact-cap", "fine"),)))
    del document["measured"]
    with pytest.raises(ValueError, match="measured"):
        from_json(document)
