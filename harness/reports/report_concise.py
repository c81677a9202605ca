"""One line for each finding, for editors, grep and diffs: `path:line: rule VERDICT message`.

Rules that were not checked are counted in the last line; only the essential ones among them get a line of
their own, because they alone keep a submission from being accepted.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.finding import RuleVerdict
from harness.reports.escape import printable
from harness.reports.report_outline import (
    findings_of,
    first_place,
    line_on_disk,
    question,
    reason,
    repository_path,
    stated,
    subject,
    verdict_word,
    why_unchecked,
)

if TYPE_CHECKING:
    from harness.finding import Finding
    from harness.report import Report


def concise_line(report: Report, finding: Finding) -> str:
    """One finding; without a place it is about the whole folder."""
    place = first_place(finding)
    summary = report.submission
    where = summary.entry or summary.path
    unpacked = ""
    if place is not None:
        line = line_on_disk(place)
        where = repository_path(summary, place) + (f":{line}" if line is not None else "")
        unpacked = f" (line {place.line} when unpacked)" if place.unpacked and place.line else ""
    asked = question(finding)
    ask = f" [{printable(asked)}]" if asked else ""
    return (
        f"{printable(where)}: {finding.rule} {finding.verdict.value} "
        f"{printable(why_unchecked(finding))}{unpacked}{ask}"
    )


def render_concise(report: Report) -> str:
    """All findings, worst first, then the verdict with its reason."""
    essential = set(report.essential)
    unchecked = [f for f in findings_of(report, RuleVerdict.NOT_CHECKED) if f.rule in essential]
    lines = [concise_line(report, finding) for finding in [*stated(report), *unchecked]]
    lines.append(f"{subject(report.submission)}: {verdict_word(report.verdict)} {reason(report)}")
    return "\n".join(lines) + "\n"
