from __future__ import annotations

import dataclasses
import io
import json

import jsonschema
from rich.console import Console

from harness.reports.escape import printable
from harness.reports.report_executed import (
    COURSE_AT_MOST,
    course_rows,
    course_table,
    executed_summary,
    markdown_lines,
    probe_rows,
)
from harness.reports.report_json import SCHEMA_PATH, from_json, to_json
from harness.reports.report_markdown import render_markdown
from harness.reports.report_outline import reproduce_command
from harness.reports.report_text import render_text
from tests.harness.reports.report_samples import executed, make_report
from tests.harness.reports.test_report_json import closed


def with_runs(**replace):
    return dataclasses.replace(make_report(), dynamic=executed(**replace))


def test_the_summary_says_how_it_was_driven_and_what_that_took():
    assert executed_summary(executed()) == (
        "driven small to final_exact (2.85389 at this size) in 2 runs and 61 s"
    )


def test_the_summary_of_a_submission_that_could_not_be_driven_is_the_reason():
    assert executed_summary(executed(failure="no module named x")) == "no module named x"


def test_breaches_come_first_and_what_had_no_power_last():
    assert [row[0] for row in probe_rows(executed())] == ["breach", "clean", "no-power"]


def test_the_text_report_shows_probes_and_the_course_in_order():
    text = render_text(with_runs())
    assert text.index("breach    prefix-invariance  1,572") < text.index("clean     coverage           2,048")
    assert text.index("validation tokens trained on") < text.index("validation tokens scored, counted")
    assert "0..2,048" in text


def test_a_report_without_runs_says_nothing_of_them():
    assert "Executed" not in render_text(make_report())
    assert "What running it showed" not in render_markdown(make_report())


def test_the_markdown_report_folds_the_runs_away():
    text = render_markdown(with_runs())
    assert "<summary>What running it showed</summary>" in text
    assert "| **breach** | <code>prefix-invariance</code> |" in text


def test_the_reproduce_command_runs_it_again():
    assert "--dynamic" in render_text(with_runs())
    assert "--dynamic" not in render_text(make_report())


def test_the_reproduce_command_asks_for_the_same_runs():
    asked = {"ranks": 2, "device": "cuda", "thorough": True, "whole_seconds": 900.0}
    command = " ".join(reproduce_command(with_runs(settings=asked)))
    assert (
        "--dynamic --dynamic-ranks 2 --dynamic-device cuda --dynamic-thorough --dynamic-seconds 900 "
    ) in command


def test_the_reproduce_command_leaves_out_what_is_so_by_itself():
    assert "--dynamic-" not in " ".join(reproduce_command(with_runs()))


def test_the_reproduce_command_of_runs_that_came_to_no_settings_is_the_plain_one():
    command = reproduce_command(with_runs(settings={}))
    assert "--dynamic" in command
    assert not any(part.startswith("--dynamic-") for part in command)


def test_a_long_course_is_shown_from_both_ends():
    phases = executed()["course"] * 20
    rows = course_rows(executed(course=phases, course_left_out=7))
    assert len(rows) == COURSE_AT_MOST + 1
    assert rows[COURSE_AT_MOST // 2][1] == f"... {len(phases) - COURSE_AT_MOST + 7:,} more ..."


def test_what_a_script_printed_acts_on_neither_terminal_nor_page():
    evil = "\x1b[31m[bold]<script>|"
    course = [{**executed()["course"][-1], "what": evil}]
    stream = io.StringIO()
    Console(file=stream, width=100, force_terminal=True).print(
        course_table(executed(course=course), printable)
    )
    assert "\x1b[31m" not in stream.getvalue()
    assert "[bold]" in stream.getvalue()
    assert "<script>" not in "\n".join(markdown_lines(executed(course=course)))


def test_the_document_holds_the_runs_and_gives_them_back():
    document = json.loads(json.dumps(to_json(with_runs()), allow_nan=False))
    jsonschema.validate(document, closed(json.loads(SCHEMA_PATH.read_text())))
    assert document["dynamic"]["results"][2]["numbers"]["share"] is None
    assert from_json(document).dynamic == document["dynamic"]
