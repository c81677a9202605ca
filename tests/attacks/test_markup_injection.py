"""A submission chooses file names, log lines and its own name; none may act on whoever reads a report.

Every format gets one report whose every free text is hostile: workflow commands, terminal escapes, HTML,
Markdown, mentions, bidirectional overrides, line ends and very long text.
"""

from __future__ import annotations

import dataclasses
import json
import re

import jsonschema
import pytest

from harness.finding import Confidence, Finding, Place, RuleVerdict
from harness.report import Measured
from harness.reports.batch_summary import BatchSummary, render_batch_summary
from harness.reports.escape import command_property, markdown, printable, sarif_text, uri_path
from harness.reports.report_concise import render_concise
from harness.reports.report_github import render_github
from harness.reports.report_json import SCHEMA_PATH, from_json, render_json, render_jsonl, to_json
from harness.reports.report_markdown import render_markdown
from harness.reports.report_sarif import render_sarif
from harness.reports.report_text import Display, render_text
from tests.harness.reports.report_samples import make_report, seed, summary, unreadable_report

HOSTILE = (
    "\n::error file=x::pwned\r\n##[error]pwned %0A::warning::x "
    "\x1b[31mred\x1b]0;title\x07 \u202eevil\u2066 \u200bhidden \u2028next \x9b31m \ud800 "
    "| cell | <script>alert(1)</script> <img src=x onerror=alert(1)> <!-- "
    "[click](http://evil.example) ![x](http://evil.example/p.png) www.evil.example http://evil.example "
    "`code` ``` **bold** _under_ ~~gone~~ @octocat @org/team #1 GH-2 $math$ &lt; \\| </details> </code> {0}"
)
LONG = HOSTILE + "A" * 200_000


def hostile_report():
    place = Place(file=HOSTILE, line=3, end_line=9, note=HOSTILE, excerpt=LONG)
    findings = tuple(
        Finding(
            rule="artifact-cap",
            verdict=verdict,
            message=LONG,
            confidence=Confidence.HIGH,
            ask=HOSTILE,
            places=(place, dataclasses.replace(place, unpacked=True, from_root=True)),
            authority=(HOSTILE,),
        )
        for verdict in RuleVerdict
    )
    names = {"author": HOSTILE, "github_id": HOSTILE, "name": HOSTILE, "title": LONG}
    measured = Measured(seeds=(seed(1, 1.0, 1, log=HOSTILE),), hardware=HOSTILE)
    return make_report(
        submission=summary(path=HOSTILE, entry=HOSTILE, repo_commit=HOSTILE, **names),
        findings=findings,
        measured=measured,
        statistics={"reference": HOSTILE, HOSTILE: HOSTILE},
        unseen=(HOSTILE, LONG),
        rule_errors=(HOSTILE,),
    )


def could_not_check():
    return dataclasses.replace(unreadable_report(), error=HOSTILE, submission=hostile_report().submission)


def summed() -> str:
    batch = BatchSummary()
    batch.add(to_json(could_not_check()))
    batch.add({**to_json(hostile_report()), "rules_checked": {HOSTILE: "FAIL"}})
    return render_batch_summary(batch)


LINE_FORMATS = {
    "text": lambda: render_text(hostile_report()),
    "text with passes": lambda: render_text(hostile_report(), Display(show_passes=True, width=60)),
    "text error": lambda: render_text(could_not_check()),
    "concise": lambda: render_concise(hostile_report()),
    "concise error": lambda: render_concise(could_not_check()),
    "github": lambda: render_github([hostile_report(), could_not_check()]),
    "batch summary": summed,
    "json": lambda: render_json(hostile_report()),
    "jsonl": lambda: render_jsonl(hostile_report()),
    "sarif": lambda: render_sarif([hostile_report()]),
    "markdown": lambda: render_markdown(hostile_report(), "https://github.com/example/golf"),
}
UNSEEN = re.compile(
    "[\\x00-\\x09\\x0b-\\x1f\\x7f-\\x9f\\u200b-\\u200f\\u2028-\\u202e\\u2066-\\u2069\\ud800-\\udfff]"
)
LINKING = re.compile(r"@(?!&#8203;)[A-Za-z]|(?<!&)#(?!&#8203;)\d|GH-\d|https?:(?!//github\.com/example)")
RUNNER_COMMAND = re.compile(r"^\s*::(?!(?:error|warning|notice) (?:file=|title=))|##\[", re.MULTILINE)


@pytest.mark.parametrize("name", LINE_FORMATS)
def test_no_format_lets_control_or_bidirectional_characters_through(name):
    assert UNSEEN.findall(LINE_FORMATS[name]()) == []


@pytest.mark.parametrize("name", LINE_FORMATS)
def test_no_format_lets_a_ci_runner_see_a_command_of_the_submission(name):
    assert RUNNER_COMMAND.findall(LINE_FORMATS[name]()) == []


@pytest.mark.parametrize("name", ["text", "concise", "github", "markdown", "batch summary"])
def test_very_long_text_is_cut_for_people(name):
    assert len(LINE_FORMATS[name]()) < 70_000


def test_json_keeps_the_text_whole_and_valid():
    document = json.loads(render_json(hostile_report()))
    jsonschema.Draft202012Validator(json.loads(SCHEMA_PATH.read_text())).validate(document)
    assert len(document["findings"][0]["message"]) > 200_000
    assert to_json(from_json(document)) == document


def test_a_terminal_report_in_colour_holds_no_escape_but_its_own():
    text = render_text(hostile_report(), Display(color=True))
    assert set(re.findall("\x1b.", text)) == {"\x1b["}
    assert set(re.findall("\x1b\\[([0-9;]*)(.)", text)) <= {
        (code, "m") for code in ("0", "1", "2", "31", "32", "33", "34", "35", "36", "1;31", "1;33", "1;35")
    }


def test_each_annotation_is_one_line_with_only_our_properties():
    lines = [line for line in render_github([hostile_report()]).splitlines() if line.startswith("::")]
    heads = [line[2:].partition("::")[0] for line in lines]
    assert {re.sub(r"=[^,]*", "", head) for head in heads} <= {
        "error file,line,endLine,title",
        "warning file,line,endLine,title",
        "notice file,line,endLine,title",
        "error title",
    }


def test_a_property_of_an_annotation_cannot_start_another():
    assert command_property("a,line=1:b%0A\n") == "a%2Cline=1%3Ab%250A\\n"


def rendered(text: str) -> str:
    """The comment as a page, by the CommonMark renderer that comes with rich, tables on."""
    from markdown_it import MarkdownIt

    return MarkdownIt("commonmark").enable(["table", "strikethrough"]).render(text)


def test_a_comment_holds_only_our_own_html():
    page = rendered(render_markdown(hostile_report(), "https://github.com/example/golf"))
    tags = set(re.findall(r"<\s*/?\s*([a-zA-Z!][a-zA-Z0-9]*)", page))
    ours = {"h3", "p", "table", "thead", "tbody", "tr", "th", "td", "code", "strong", "br", "sub", "a"}
    assert tags <= ours | {"details", "summary", "ul", "li"}


def test_a_comment_links_nowhere_but_into_the_repository():
    page = rendered(render_markdown(hostile_report(), "https://github.com/example/golf"))
    assert [link for link in re.findall(r'href="([^"]*)"', page) if "evil" in link] == []
    assert "<img" not in page


def test_a_comment_mentions_and_references_nobody():
    text = render_markdown(hostile_report(), "https://github.com/example/golf")
    assert LINKING.findall(text) == []


def test_every_row_of_the_comments_table_has_four_cells():
    text = render_markdown(hostile_report(), "https://github.com/example/golf")
    rows = [line for line in text.splitlines() if line.startswith("| **")]
    assert {row.count("|") for row in rows} == {5}


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a\nb\tc", "a\\nb\\tc"),
        ("\x1b[2J", "\\x1b[2J"),
        ("\u202egnp.exe", "\\u202egnp.exe"),
        ("\U000e0041", "\\U000e0041"),
        ("::error::x", "\\x3a:error::x"),
        ("std::vector and a::b", "std::vector and a::b"),
        ("##[group]", "\\x23#[group]"),
        ("naïve 模型 🙂", "naïve 模型 🙂"),
    ],
)
def test_what_would_act_on_a_reader_is_shown_and_the_rest_is_kept(text, shown):
    assert printable(text) == shown


def test_ordinary_words_stay_readable_in_a_comment():
    assert markdown("val_bpb 1.0585 is (almost) the mean, see train_gpt.py") == (
        "val_bpb 1.0585 is (almost) the mean, see train_gpt.py"
    )


def test_a_sarif_message_forms_no_link():
    assert sarif_text("[click](http://evil.example)") == "\\[click\\](http://evil.example)"


def test_a_uri_holds_no_character_that_ends_it():
    assert uri_path("a b/%2e?#é\udce9.log") == "a%20b/%252e%3F%23%C3%A9%E9.log"
