"""Annotations of a GitHub Actions step (`::error file=...,line=...::message`).

GitHub renders at most ten annotations of a step, so the worst ten of all submissions are written as
annotations and everything else as plain lines of the log.
Source: docs.github.com, "Workflow commands for GitHub Actions" (escaping) and the limits of annotations.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.finding import RuleVerdict
from harness.reports.escape import command_data, command_property
from harness.reports.report_concise import concise_line
from harness.reports.report_outline import (
    WORST_FIRST,
    first_place,
    line_on_disk,
    open_essential,
    other_places,
    question,
    reason,
    repository_path,
    shown_line,
    stated,
    subject,
    verdict_word,
)
from harness.verdict import Verdict

if TYPE_CHECKING:
    from collections.abc import Sequence

    from harness.finding import Finding
    from harness.report import Report

RENDERED_AT_MOST = 10

_COMMAND = {
    RuleVerdict.FAIL: "error",
    RuleVerdict.NEEDS_HUMAN: "warning",
    RuleVerdict.WARN: "warning",
    RuleVerdict.INFO: "notice",
}
_VERDICT_COMMAND = {Verdict.REJECT: "error", Verdict.ACCEPT: "notice"}


def _annotation(report: Report, finding: Finding) -> str:
    properties = []
    place = first_place(finding)
    if place is not None:
        properties.append(f"file={command_property(repository_path(report.submission, place))}")
        line = line_on_disk(place)
        if line is not None:
            properties.append(f"line={line}")
            if place.end_line and place.end_line > line:
                properties.append(f"endLine={place.end_line}")
    properties.append(f"title={command_property(f'{finding.verdict.value} {finding.rule}')}")
    parts = [finding.message]
    if place is not None and place.unpacked and place.line:
        parts.append(f"Line {place.line} of the unpacked script.")
    if asked := question(finding):
        parts.append(f"Question: {asked}")
    parts += [f"See {shown_line(other)}: {other.note}" for other in other_places(finding)[:3] if other.note]
    message = "%0A".join(command_data(part) for part in parts)
    return f"::{_COMMAND[finding.verdict]} {','.join(properties)}::{message}"


def _verdict_annotation(report: Report) -> str:
    command = _VERDICT_COMMAND.get(report.verdict, "warning")
    title = command_property(f"{verdict_word(report.verdict)} {subject(report.submission)}")
    essential = open_essential(report)
    unchecked = f"; essential and open: {', '.join(essential)}" if essential else ""
    return f"::{command} title={title}::{command_data(reason(report) + unchecked)}"


def render_github(reports: Sequence[Report]) -> str:
    """Annotations for the worst findings of one or more reports, the rest as text, then the verdicts.

    Each verdict is itself an annotation as long as the ten are not used up.
    """
    ranked = [(report, finding) for report in reports for finding in stated(report)]
    ranked.sort(key=lambda pair: WORST_FIRST.index(pair[1].verdict))
    lines = [_annotation(*pair) for pair in ranked[:RENDERED_AT_MOST]]
    lines += [concise_line(*pair) for pair in ranked[RENDERED_AT_MOST:]]
    left = RENDERED_AT_MOST - len(ranked)
    for number, report in enumerate(reports):
        if number < left:
            lines.append(_verdict_annotation(report))
        else:
            said = f"{verdict_word(report.verdict)} {subject(report.submission)} - {reason(report)}"
            lines.append(said)
    return "\n".join(lines) + "\n"
