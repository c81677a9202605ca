"""What every output format says in the same words and the same order: reasons, places, what is open."""

from __future__ import annotations

import re
import shlex
from collections import defaultdict
from typing import TYPE_CHECKING

from harness.dynamic.asked_settings import command_words
from harness.finding import Role, RuleVerdict
from harness.reports.escape import printable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from harness.finding import Finding, Place
    from harness.report import Report, SubmissionSummary
    from harness.verdict import Verdict

_SEED = re.compile(r"seed (\d+)\b")
_NUMBER = re.compile(r"\d+(?:[.,]\d+)*")
# What a reviewer reads first. NOT-CHECKED, PASS and NOT-APPLICABLE have sections of their own.
WORST_FIRST = (RuleVerdict.FAIL, RuleVerdict.NEEDS_HUMAN, RuleVerdict.WARN, RuleVerdict.INFO)


# Fewer lines need no numbers to be followed.
STEPS_AT_LEAST = 3
# Beyond these a chain is no longer read; the JSON document holds all.
STEPS_AT_MOST = 12


def findings_of(report: Report, *verdicts: RuleVerdict) -> list[Finding]:
    """The findings with these verdicts, in the order of the verdicts, then as the rules gave them."""
    return [finding for verdict in verdicts for finding in report.findings if finding.verdict is verdict]


def stated(report: Report) -> list[Finding]:
    """Everything said against the submission or asked about it, worst first, then essential rules first."""
    essential = set(report.essential)
    return sorted(
        findings_of(report, *WORST_FIRST),
        key=lambda finding: (WORST_FIRST.index(finding.verdict), finding.rule not in essential),
    )


def question(finding: Finding) -> str | None:
    """What a reviewer must answer; a question lowered to a remark by the profile is no question any more."""
    return finding.ask if finding.verdict is RuleVerdict.NEEDS_HUMAN else None


def by_rule(findings: list[Finding]) -> list[tuple[str, RuleVerdict, list[Finding]]]:
    """Findings of one rule and one verdict together, groups in order of their first member."""
    groups: dict[tuple[str, RuleVerdict], list[Finding]] = defaultdict(list)
    for finding in findings:
        groups[finding.rule, finding.verdict].append(finding)
    return [(rule, verdict, group) for (rule, verdict), group in groups.items()]


def open_essential(report: Report) -> list[str]:
    """Essential rules nobody has checked: they stand between the submission and an acceptance."""
    unchecked = RuleVerdict.NOT_CHECKED
    return [rule for rule in report.essential if report.outcomes.get(rule, unchecked) is unchecked]


def _counted(number: int, one: str, many: str) -> str:
    return f"{number:,} {one if number == 1 else many}"


def reason(report: Report) -> str:
    """Why the verdict is what it is, harmless to print: in counts, or what stopped the check."""
    if report.error is not None:
        return printable(report.error)
    outcomes = list(report.outcomes.values())
    failed, asked = outcomes.count(RuleVerdict.FAIL), outcomes.count(RuleVerdict.NEEDS_HUMAN)
    warned, unchecked = outcomes.count(RuleVerdict.WARN), outcomes.count(RuleVerdict.NOT_CHECKED)
    passed = outcomes.count(RuleVerdict.PASS)
    parts = []
    if failed:
        parts.append(_counted(failed, "rule broken", "rules broken"))
    if asked:
        parts.append(_counted(asked, "question for a reviewer", "questions for a reviewer"))
    if warned:
        parts.append(_counted(warned, "warning", "warnings"))
    if not failed and not asked:
        parts.insert(0, "nothing wrong found in " + _counted(passed + warned, "rule", "rules"))
    essential = len(open_essential(report))
    if unchecked:
        of_them = f" ({essential:,} essential)" if essential else ""
        parts.append(_counted(unchecked, "rule", "rules") + f" not checked here{of_them}")
    return ", ".join(parts)


def verdict_word(verdict: Verdict) -> str:
    """The verdict as people write it in a headline."""
    return verdict.value.upper()


def subject(summary: SubmissionSummary) -> str:
    """Which submission, harmless to print: its number and folder."""
    name = printable(summary.entry or summary.path, 300)
    if summary.pr is None:
        return name
    return f"#{summary.pr} {name}" if summary.entry else f"#{summary.pr}"


def repository_path(summary: SubmissionSummary, place: Place) -> str:
    """The path of a place from the repository root, as far as the root is known."""
    if place.from_root:
        return place.file
    folder = summary.entry or summary.path
    if not folder or folder.startswith("/"):
        return place.file
    return f"{folder.rstrip('/')}/{place.file}"


def shown_line(place: Place) -> str:
    """A place as people write it: train.log:12, train_gpt.py:40 (unpacked), or the file alone."""
    if place.line is None:
        return "the folder" if place.file == "." else place.file
    until = f"-{place.end_line}" if place.end_line and place.end_line > place.line else ""
    return f"{place.file}:{place.line}{until}{' (unpacked)' if place.unpacked else ''}"


def line_on_disk(place: Place) -> int | None:
    """The line a viewer of the file itself can jump to; None for a line of an unpacked script."""
    return None if place.unpacked or place.line is None or place.line < 1 else place.line


def _shape(text: str) -> str:
    """The text without its numbers."""
    return _NUMBER.sub("#", text)


def told_once(group: Sequence[Finding]) -> list[tuple[Finding, list[Finding]]]:
    """Findings of a rule, each with the later ones that differ from it in numbers alone.

    Only findings that begin with their seed are joined; the numbers of the later ones are not shown.
    """
    told: list[tuple[Finding, list[Finding]]] = []
    alike: dict[tuple[str, str], list[Finding]] = {}
    for finding in group:
        named = _SEED.match(finding.message)
        shape = (_shape(finding.message), finding.confidence.value)
        if named and shape in alike:
            alike[shape].append(finding)
            continue
        told.append((finding, []))
        if named:
            alike[shape] = told[-1][1]
    return told


def questions(group: Sequence[Finding]) -> list[str]:
    """The questions of a rule; of those that differ in numbers alone the first, with how many follow it."""
    alike: dict[str, dict[str, None]] = defaultdict(dict)
    for asked in filter(None, map(question, group)):
        alike[_shape(asked)][asked] = None
    return [_with_more(list(each)) for each in alike.values()]


def _with_more(asked: list[str]) -> str:
    more = f" (and so for {len(asked) - 1:,} more, with the numbers above)" if len(asked) > 1 else ""
    return asked[0] + more


def likewise(first: Finding, later: Sequence[Finding]) -> str:
    """Words for the findings that `told_once` joined to the first; says where numbers are left out."""
    seeds = [named[1] for finding in later if (named := _SEED.match(finding.message))]
    same = len({_SEED.sub("", finding.message) for finding in (first, *later)}) == 1
    numbers = "" if same else f"; {'its' if len(seeds) == 1 else 'their'} numbers are in the JSON report"
    return f"likewise seed{'s' * (len(seeds) > 1)} {', '.join(seeds)}{numbers}"


def first_place(finding: Finding) -> Place | None:
    """Where a reviewer looks first: the primary place, else the first one."""
    primary = [place for place in finding.places if place.role is Role.PRIMARY]
    return next(iter(primary or finding.places), None)


def other_places(finding: Finding) -> list[Place]:
    """The places after the first, in order."""
    first = first_place(finding)
    return [place for place in finding.places if place is not first]


def steps(finding: Finding) -> list[Place]:
    """The lines of code that show in their order what happens; empty when there is no order to follow."""
    found = [place for place in finding.places if place.is_step]
    return found if len(found) >= STEPS_AT_LEAST else []


def places_beside_steps(finding: Finding) -> list[Place]:
    """The places that are not among its numbered steps."""
    numbered = steps(finding)
    return [place for place in finding.places if place not in numbered]


def why_unchecked(finding: Finding) -> str:
    """Why a rule was not checked, without the words that its verdict already says."""
    return finding.message.removeprefix("not checked here: it ")


def unchecked_by_reason(report: Report) -> list[tuple[str, list[str]]]:
    """NOT-CHECKED rules grouped by why, the largest group first; each rule once, by its first reason.

    A rule that broke on one seed is not listed for what another seed's log lacks.
    """
    reasons: dict[str, dict[str, None]] = defaultdict(dict)
    for finding in findings_of(report, RuleVerdict.NOT_CHECKED):
        if report.outcomes.get(finding.rule) is RuleVerdict.NOT_CHECKED:
            reasons[finding.rule][why_unchecked(finding)] = None
    groups: dict[str, list[str]] = defaultdict(list)
    for rule, said in reasons.items():
        first, *others = said
        groups[first + (f" (and {len(others):,} more)" if others else "")].append(rule)
    return sorted(groups.items(), key=lambda group: -len(group[1]))


def seen(report: Report) -> list[Finding]:
    """What passing rules saw; a rule that passed on one seed and not on another is told of elsewhere."""
    passing = {rule for rule, verdict in report.outcomes.items() if verdict is RuleVerdict.PASS}
    return [f for f in findings_of(report, RuleVerdict.PASS) if f.rule in passing]


def basis(report: Report) -> str:
    """Which tool, rules, reading and date the verdict rests on."""
    judged_as_of = f", as of {report.as_of}" if report.as_of else ""
    return f"golf-check {report.tool_version}, rules {report.ruleset}, profile {report.profile}{judged_as_of}"


def reproduce_command(report: Report) -> list[str]:
    """The command that gives this report again, in parts that stay together; CLONE is the reader's clone."""
    summary = report.submission
    parts = ["golf-check"]
    if summary.repo_commit or summary.pr is not None:
        parts.append("--repo CLONE")
        if summary.pr is not None:
            parts.append(f"--pr {summary.pr}")
        if summary.repo_commit:
            parts.append(f"--ref {shlex.quote(summary.repo_commit[:12])}")
            parts += [f"--entry {shlex.quote(summary.entry)}"] if summary.entry else []
    else:
        parts.append(shlex.quote(summary.path))
    parts.append(f"--profile {report.profile}")
    parts += command_words(report.dynamic.get("settings", {})) if report.dynamic is not None else []
    return parts + ([f"--as-of {report.as_of}"] if report.as_of else [])
