"""SARIF 2.1.0 for code scanning: one run per submission, one result per finding.

A question for a reviewer is a warning (viewers hide results of kind "review"); its verdict stands in
`properties.verdict`. Rules that were not checked are notifications of the invocation, not results: nothing
was found there, and nothing was cleared. Source: OASIS SARIF 2.1.0, section numbers in the comments.
"""

from __future__ import annotations

import hashlib
import json
import re
from typing import TYPE_CHECKING, Any

from harness.finding import RuleVerdict
from harness.reports.escape import sarif_text, uri_path
from harness.reports.report_outline import (
    STEPS_AT_MOST,
    basis,
    findings_of,
    first_place,
    line_on_disk,
    other_places,
    question,
    reason,
    repository_path,
    stated,
    steps,
    why_unchecked,
)
from harness.rule_pages import page_of
from harness.ruleset import load_ruleset
from harness.verdict import Verdict

if TYPE_CHECKING:
    from collections.abc import Sequence

    from harness.finding import Finding, Place
    from harness.report import Report
    from harness.ruleset import Rule, Ruleset

SCHEMA_URI = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"

_LEVEL = {
    RuleVerdict.FAIL: "error",
    RuleVerdict.NEEDS_HUMAN: "warning",
    RuleVerdict.WARN: "warning",
    RuleVerdict.INFO: "note",
    RuleVerdict.NOT_CHECKED: "note",
}
_RULE_LEVEL = {"reject": "error", "needs-human": "warning", "warn": "warning", "info": "note"}


def _message(*parts: str) -> dict[str, str]:
    return {"text": " ".join(sarif_text(part) for part in parts if part)}


def _location(report: Report, place: Place, number: int | None = None) -> dict[str, Any]:
    """A physical location; an unpacked line is told in words, because no file on disk has it (3.29, 3.30)."""
    physical: dict[str, Any] = {
        "artifactLocation": {
            "uri": uri_path(repository_path(report.submission, place)),
            "uriBaseId": "%SRCROOT%",
        }
    }
    line = line_on_disk(place)
    if line is not None:
        physical["region"] = {"startLine": line}
        if place.end_line and place.end_line > line:
            physical["region"]["endLine"] = place.end_line
        if place.excerpt:
            physical["region"]["snippet"] = _message(place.excerpt)
    location: dict[str, Any] = {"physicalLocation": physical}
    if number is not None:
        location["id"] = number
    unpacked = f"line {place.line} of the unpacked script" if place.unpacked and place.line else ""
    note = ", ".join(text for text in (place.note, unpacked) if text)
    if note:
        location["message"] = _message(note)
    return location


def _fingerprint(report: Report, finding: Finding, taken: dict[str, int]) -> str:
    """Stays equal while numbers and line positions change; a repeated one gets a counter (3.27.17)."""
    place = first_place(finding)
    about = re.sub(r"[\d.,]+", "0", place.excerpt if place and place.excerpt else finding.message)
    parts = (finding.rule, report.submission.entry, place.file if place else "", about)
    digest = hashlib.sha256("\0".join(parts).encode("utf-8", "backslashreplace")).hexdigest()[:32]
    taken[digest] = taken.get(digest, 0) + 1
    return f"{digest}:{taken[digest]}"


def _result(report: Report, finding: Finding, index: int, taken: dict[str, int]) -> dict[str, Any]:
    first = first_place(finding)
    asked = question(finding)
    result: dict[str, Any] = {
        "ruleId": finding.rule,
        "ruleIndex": index,
        "level": _LEVEL[finding.verdict],
        "message": _message(finding.message, f"Question: {asked}" if asked else ""),
        "partialFingerprints": {"golfFinding/v1": _fingerprint(report, finding, taken)},
        "properties": {
            "verdict": finding.verdict.value,
            "confidence": finding.confidence.value,
            "authority": [sarif_text(source) for source in finding.authority],
        },
    }
    # Code scanning shows only results with a location: without one, the folder itself is the place.
    result["locations"] = [_location(report, first) if first else _folder_location(report)]
    related = [_location(report, place, i) for i, place in enumerate(other_places(finding), start=1)]
    if related:
        result["relatedLocations"] = related
    chain = steps(finding)
    if chain:
        flow = [{"location": _location(report, place)} for place in chain[:STEPS_AT_MOST]]
        result["codeFlows"] = [{"threadFlows": [{"locations": flow}]}]
    return result


def _folder_location(report: Report) -> dict[str, Any]:
    folder = report.submission.entry or report.submission.path.lstrip("/")
    return {"physicalLocation": {"artifactLocation": {"uri": uri_path(folder), "uriBaseId": "%SRCROOT%"}}}


def _rule_uri(rule: Rule, ruleset: Ruleset, docs_url: str | None) -> str:
    """The rule's page where one is published, else the strongest ruling that has a number."""
    if docs_url:
        return f"{docs_url.rstrip('/')}/{rule.id}.md"
    repository = str(ruleset.tables.get("challenge", {}).get("repository", "https://github.com"))
    number = next((m[1] for source in rule.authority if (m := re.search(r"#(\d+)", source))), None)
    return f"{repository}/issues/{number}" if number else f"{repository}#readme"


def _descriptor(rule: Rule, ruleset: Ruleset, docs_url: str | None) -> dict[str, Any]:
    page = page_of(rule)
    return {
        "id": rule.id,
        "name": "".join(part.capitalize() for part in rule.id.split("-")),
        "shortDescription": _message(rule.title),
        "fullDescription": _message(page.sections.get("What it checks", rule.title).replace("\n", " ")),
        "help": {"text": _plain_page(page.sections)},
        "helpUri": _rule_uri(rule, ruleset, docs_url),
        "defaultConfiguration": {"level": _RULE_LEVEL.get(rule.severity, "warning")},
        "properties": {
            "tags": [rule.section, *sorted(track.value for track in rule.tracks)],
            "authority": list(rule.authority),
            "since": rule.since.isoformat(),
        },
    }


def _plain_page(sections: dict[str, str]) -> str:
    """The rule's page as plain paragraphs."""
    return "\n\n".join(f"{title}\n{text}" for title, text in sections.items())


def _invocation(report: Report) -> dict[str, Any]:
    notices: list[dict[str, Any]] = [
        {
            "level": "note",
            "message": _message(why_unchecked(finding)),
            "associatedRule": {"id": finding.rule},
            "descriptor": {"id": "not-checked"},
        }
        for finding in findings_of(report, RuleVerdict.NOT_CHECKED)
    ]
    notices += [{"level": "note", "message": _message(text)} for text in report.unseen]
    notices += [{"level": "error", "message": _message(text)} for text in report.rule_errors]
    if report.error is not None:
        notices.append({"level": "error", "message": _message(report.error)})
    return {
        "executionSuccessful": report.verdict is not Verdict.COULD_NOT_CHECK,
        "toolExecutionNotifications": notices,
    }


def _category(report: Report) -> str:
    """One per submission, so that an upload for one does not close the alerts of another (3.17.3)."""
    summary = report.submission
    number = f"pr-{summary.pr}/" if summary.pr is not None else ""
    return f"golf-check/{number}{uri_path(summary.entry or summary.path.strip('/'))}/"


def _run(report: Report, ruleset: Ruleset, docs_url: str | None, repo_url: str | None) -> dict[str, Any]:
    findings = stated(report)
    unchecked = findings_of(report, RuleVerdict.NOT_CHECKED)
    used = list(dict.fromkeys(f.rule for f in [*findings, *unchecked] if f.rule in ruleset.rules))
    unknown = list(dict.fromkeys(f.rule for f in findings if f.rule not in ruleset.rules))
    taken: dict[str, int] = {}
    index = {rule: number for number, rule in enumerate([*used, *unknown])}
    run: dict[str, Any] = {
        "tool": {
            "driver": {
                "name": "golf-check",
                "version": report.tool_version,
                "rules": [_descriptor(ruleset.rules[rule], ruleset, docs_url) for rule in used]
                + [{"id": rule} for rule in unknown],
                "notifications": [
                    {"id": "not-checked", "shortDescription": {"text": "A rule that was not checked"}}
                ],
            }
        },
        "automationDetails": {"id": _category(report)},
        "originalUriBaseIds": {"%SRCROOT%": {"description": {"text": "Root of the challenge repository"}}},
        "invocations": [_invocation(report)],
        "columnKind": "unicodeCodePoints",
        "results": [_result(report, finding, index[finding.rule], taken) for finding in findings],
        "properties": {
            "verdict": report.verdict.value,
            "reason": sarif_text(reason(report)),
            "basis": basis(report),
        },
    }
    if repo_url and report.submission.repo_commit:
        run["versionControlProvenance"] = [
            {"repositoryUri": repo_url, "revisionId": report.submission.repo_commit}
        ]
    return run


def to_sarif(
    reports: Sequence[Report],
    *,
    ruleset: Ruleset | None = None,
    docs_url: str | None = None,
    repo_url: str | None = None,
) -> dict[str, Any]:
    """A SARIF log with one run per report; `docs_url` is where docs/rules is published, if it is."""
    known = ruleset or load_ruleset()
    runs = [_run(report, known, docs_url, repo_url) for report in reports]
    return {"$schema": SCHEMA_URI, "version": "2.1.0", "runs": runs}


def render_sarif(
    reports: Sequence[Report],
    *,
    ruleset: Ruleset | None = None,
    docs_url: str | None = None,
    repo_url: str | None = None,
) -> str:
    """The log as text, in ASCII."""
    log = to_sarif(reports, ruleset=ruleset, docs_url=docs_url, repo_url=repo_url)
    return json.dumps(log, indent=2, allow_nan=False) + "\n"
