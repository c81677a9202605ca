"""The report for a person at a terminal: verdict first, then evidence, numbers, and what is still open.

`render_text` is a pure function of the report and four display choices, so its output can be compared whole;
`Display.for_stream` makes the choices for a stream (its width, NO_COLOR, whether its encoding is ASCII).
"""

from __future__ import annotations

import io
import os
import shutil
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from harness.finding import RuleVerdict
from harness.reports.escape import ascii_only, printable
from harness.reports.report_executed import OUTCOME_STYLES, course_table, executed_summary, probe_rows
from harness.reports.report_outline import (
    STEPS_AT_MOST,
    basis,
    by_rule,
    first_place,
    likewise,
    open_essential,
    other_places,
    places_beside_steps,
    questions,
    reason,
    reproduce_command,
    seen,
    shown_line,
    stated,
    steps,
    told_once,
    unchecked_by_reason,
    verdict_word,
)
from harness.reports.report_table import measured_lines, statistics_lines
from harness.verdict import Verdict

if TYPE_CHECKING:
    from typing import TextIO

    from rich.console import Console
    from rich.table import Table

    from harness.finding import Finding, Place
    from harness.report import Report

NARROWEST, WIDEST = 60, 120
# Beyond these a report is no longer read; the JSON document holds everything.
FINDINGS_PER_RULE = 8
PLACES_AT_MOST = 6
UNSEEN_AT_MOST = 12

_STYLE = {
    RuleVerdict.FAIL: "bold red",
    RuleVerdict.NEEDS_HUMAN: "bold yellow",
    RuleVerdict.WARN: "yellow",
    RuleVerdict.INFO: "cyan",
    RuleVerdict.PASS: "green",
    RuleVerdict.NOT_CHECKED: "magenta",
    RuleVerdict.NOT_APPLICABLE: "dim",
}
_VERDICT_STYLE = {
    Verdict.ACCEPT: "bold green",
    Verdict.REJECT: "bold red",
    Verdict.NEEDS_HUMAN: "bold yellow",
    Verdict.INCOMPLETE: "bold magenta",
    Verdict.COULD_NOT_CHECK: "bold magenta",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Display:
    """How a stream shows text: columns, colours, ASCII only, and whether passes are told in full."""

    width: int = 80
    color: bool = False
    ascii_only: bool = False
    show_passes: bool = False

    @classmethod
    def for_stream(cls, stream: TextIO, *, show_passes: bool = False) -> Display:
        """The choices for a stream: 80 columns and no colour unless it is a terminal that says otherwise."""
        terminal = stream.isatty()
        width = shutil.get_terminal_size((80, 24)).columns if terminal or "COLUMNS" in os.environ else 80
        dumb = os.environ.get("TERM", "") in {"dumb", ""}
        encoding = (getattr(stream, "encoding", None) or "ascii").lower().replace("-", "").replace("_", "")
        return cls(
            width=max(NARROWEST, min(WIDEST, width)),
            color=terminal and not dumb and not os.environ.get("NO_COLOR"),
            ascii_only=not encoding.startswith("utf"),
            show_passes=show_passes,
        )


class _Page:
    """Lines with a left margin; everything printed here is made harmless first."""

    def __init__(self, display: Display) -> None:
        from rich.console import Console

        self.display = display
        self._buffer = io.StringIO()
        self._console: Console = Console(
            file=self._buffer,
            width=display.width,
            force_terminal=display.color,
            color_system="standard" if display.color else None,
            no_color=not display.color,
            legacy_windows=False,
            highlight=False,
            markup=False,
            emoji=False,
            _environ={},
        )

    def clean(self, text: str) -> str:
        """The text as this stream may show it."""
        shown = printable(text)
        return ascii_only(shown) if self.display.ascii_only else shown

    def write(
        self, text: str, *, label: str = "", indent: int = 0, styles: tuple[str, str] = ("", "")
    ) -> None:
        """A label and a paragraph beside it, wrapped at words; `styles` are those of label and paragraph."""
        from rich.text import Text

        head = self.clean(label)
        room = max(20, self.display.width - indent - len(head))
        for line in Text(self.clean(text), styles[1]).wrap(self._console, room) or [Text()]:
            line.rstrip()
            self._console.print(Text(" " * indent) + Text(head, styles[0]) + line, soft_wrap=True)
            head = " " * len(head)

    def line(self, text: str = "", style: str = "", indent: int = 0, *, fits: bool = True) -> None:
        """One line that is not wrapped, cut at the right edge if it must fit."""
        from rich.text import Text

        room = self.display.width - indent
        shown = self.clean(text)
        if fits and len(shown) > room:
            shown = shown[: room - 3].rstrip() + "..."
        self._console.print(Text(" " * indent + shown, style if shown else ""), soft_wrap=True)

    def table(self, table: Table) -> None:
        """A table whose cells are harmless already."""
        from rich.padding import Padding

        self._console.print(Padding(table, (0, 0, 0, 2)))

    def text(self) -> str:
        """Everything written, without blanks at line ends."""
        return "\n".join(line.rstrip() for line in self._buffer.getvalue().splitlines()) + "\n"


def _write_head(page: _Page, report: Report) -> None:
    """The verdict, the submission and the reason: one line where they fit, else the reason below."""
    word = verdict_word(report.verdict)
    styles = (_VERDICT_STYLE[report.verdict], "bold")
    summary = report.submission
    number = f"#{summary.pr} " if summary.pr is not None else ""
    folder = PurePosixPath(summary.entry or summary.path).name if summary.entry or not number else ""
    name, why = f"{number}{folder}".strip(), reason(report)
    if len(word) + 2 + len(name) + 3 + len(why) <= page.display.width:
        page.write(f"{name} - {why}", label=f"{word}  ", styles=styles)
    else:
        page.write(name, label=f"{word}  ", styles=styles)
        page.write(why, indent=2, styles=("", "bold"))
    facts = []
    if summary.track:
        facts.append(f"{summary.track} track")
    if summary.claimed_val_bpb is not None:
        facts.append(f"claims {summary.claimed_val_bpb:.6g} BPB")
    if summary.title or summary.name:
        facts.append(f'"{printable(summary.title or summary.name or "", 120)}"')
    if summary.author or summary.github_id:
        facts.append(f"by {printable(summary.author or summary.github_id or '', 60)}")
    if facts:
        page.write(", ".join(facts), indent=2, styles=("", "dim"))


def _write_place(page: _Page, place: Place, mark: str, *, excerpt: bool = True) -> None:
    note = f"  {place.note}" if place.note else ""
    page.write(shown_line(place) + note, label=f"{mark} ", indent=4, styles=("blue", ""))
    if excerpt and place.excerpt and place.excerpt.strip():
        number = f"{place.line} | " if place.line is not None else "| "
        page.line(number + " ".join(place.excerpt.split()), "dim", indent=5 + len(mark))


def _write_finding(page: _Page, finding: Finding, *, in_full: bool) -> None:
    """One finding: all its places with their lines, or only where to look first."""
    unsure = "" if finding.confidence.value == "high" else f" ({finding.confidence.value} confidence)"
    page.write(finding.message + unsure, indent=2)
    chain = steps(finding)
    if chain and in_full:
        _write_steps(page, finding, chain)
        return
    first, others = first_place(finding), other_places(finding)
    if first is not None:
        _write_place(page, first, "-->", excerpt=in_full)
    shown = PLACES_AT_MOST - 1 if in_full else 0
    for place in others[:shown]:
        _write_place(page, place, "   ")
    if in_full and len(others) > shown:
        page.write(f"and {len(others) - shown:,} more places", indent=8)


def _write_steps(page: _Page, finding: Finding, chain: list[Place]) -> None:
    """What happens line by line, numbered, the line to look at first marked; then the other places."""
    first = first_place(finding)
    for number, place in enumerate(chain[:STEPS_AT_MOST], start=1):
        _write_place(page, place, f"{'-->' if place is first else '   '} {number}.")
    if len(chain) > STEPS_AT_MOST:
        page.write(f"and {len(chain) - STEPS_AT_MOST:,} more steps", indent=8)
    for place in places_beside_steps(finding)[:PLACES_AT_MOST]:
        _write_place(page, place, "   ")


def _write_findings(page: _Page, report: Report) -> None:
    """Rule by rule; later seeds are kept short, and joined to the first where remarks read alike."""
    for rule, verdict, group in by_rule(stated(report)):
        page.line()
        page.write(rule, label=f"{verdict.value}  ", styles=(_STYLE[verdict], "bold"))
        remarks = verdict is RuleVerdict.INFO
        join = remarks and not page.display.show_passes
        told = told_once(group) if join else [(finding, []) for finding in group]
        for number, (finding, later) in enumerate(told[:FINDINGS_PER_RULE]):
            in_full = page.display.show_passes or (number == 0 and not remarks)
            _write_finding(page, finding, in_full=in_full)
            if later:
                page.write(likewise(finding, later), indent=2)
        left = len(told) - FINDINGS_PER_RULE
        if left > 0:
            page.write(f"and {left:,} more of this rule in the JSON report", indent=2)
        for asked in questions(group):
            page.write(asked, label="question: ", indent=2, styles=("bold yellow", "bold"))
        authority = dict.fromkeys(source for finding in group for source in finding.authority)
        if authority:
            page.write("; ".join(authority), label="ruled by: ", indent=2, styles=("dim", "dim"))


def _write_numbers(page: _Page, report: Report) -> None:
    width = page.display.width
    tables = (
        ("Measured", measured_lines(report.measured, width)),
        ("Against the record", statistics_lines(report.statistics, width)),
    )
    for title, lines in tables:
        if lines:
            page.line()
            page.line(title, "bold")
        for line in lines:
            page.line(line)


def _write_executed(page: _Page, report: Report) -> None:
    """What running it showed: breaches and what had no power in full, the rest in a word, and the course."""
    dynamic = report.dynamic
    if dynamic is None:
        return
    page.line()
    page.line("Executed", "bold")
    page.write(executed_summary(dynamic), indent=2)
    rows = probe_rows(dynamic)
    widths = [max((len(row[column]) for row in rows), default=0) for column in (0, 1)]
    for outcome, probe, sentence in rows:
        label = f"{outcome:{widths[0]}}  {probe:{widths[1]}}  "
        page.write(sentence, label=label, indent=2, styles=(OUTCOME_STYLES.get(outcome, "magenta"), ""))
    if dynamic["course"]:
        page.line()
        page.table(course_table(dynamic, page.clean, ascii_only=page.display.ascii_only))


def _write_seen(page: _Page, report: Report) -> None:
    findings = seen(report)
    if not findings:
        return
    page.line()
    page.line("What was seen", "bold")
    width = max(len(finding.rule) for finding in findings) + 2
    for rule, _, group in by_rule(findings):
        if page.display.show_passes:
            for finding in group:
                page.write(finding.message, label=f"{rule:<{width}}", indent=2, styles=("green", ""))
                chain = steps(finding)
                if chain:
                    _write_steps(page, finding, chain)
                    continue
                for place in finding.places[:PLACES_AT_MOST]:
                    _write_place(page, place, "   ")
        else:
            more = f" (and {len(group) - 1:,} more)" if len(group) > 1 else ""
            room = page.display.width - 2 - width - len(more)
            message = page.clean(group[0].message)
            shown = message if len(message) <= room else message[: room - 3].rstrip() + "..."
            page.write(shown + more, label=f"{rule:<{width}}", indent=2, styles=("green", ""))


def _write_unseen(page: _Page, report: Report) -> None:
    groups = unchecked_by_reason(report)
    if not groups and not report.unseen and not report.rule_errors:
        return
    essential = set(open_essential(report))
    page.line()
    page.line("What could not be seen", "bold")
    alone = [(rules[0] + "*" * (rules[0] in essential), why) for why, rules in groups if len(rules) == 1]
    for why, rules in groups[: len(groups) - len(alone)]:
        page.write(f"{why} ({len(rules):,} rules)", label="- ", indent=2, styles=("magenta", ""))
        ranked = sorted(rules, key=lambda rule: rule not in essential)
        page.write(", ".join(r + "*" * (r in essential) for r in ranked), indent=4, styles=("", "dim"))
    width = max((len(rule) for rule, _ in alone), default=0) + 2
    for rule, why in alone:
        page.write(why, label=f"{rule:<{width}}", indent=2, styles=("magenta", ""))
    for text in report.unseen[:UNSEEN_AT_MOST]:
        page.write(text, label="- ", indent=2, styles=("magenta", ""))
    if len(report.unseen) > UNSEEN_AT_MOST:
        page.write(f"and {len(report.unseen) - UNSEEN_AT_MOST:,} more in the JSON report", indent=4)
    for crash in report.rule_errors:
        rule = crash.partition(":")[0]
        page.write(f"golf-check crashed inside {rule}; please report it", label="! ", indent=2)
    if essential:
        page.write("essential: nothing is accepted while it is unchecked", label="* ", indent=2)


def _write_command(page: _Page, parts: list[str]) -> None:
    """The command over as many lines as it takes, each but the last continued for the shell."""
    room = page.display.width - len("reproduce: ") - 2
    lines = [""]
    for part in map(page.clean, parts):
        if lines[-1] and len(lines[-1]) + 1 + len(part) > room:
            lines.append("  " + part)
        else:
            lines[-1] = f"{lines[-1]} {part}".lstrip() if len(lines) == 1 else f"{lines[-1]} {part}"
    for number, line in enumerate(lines):
        end = " \\" if number < len(lines) - 1 else ""
        page.line(("reproduce: " if number == 0 else " " * 11) + line + end, fits=False)


def _write_foot(page: _Page, report: Report) -> None:
    page.line()
    seconds = f", {report.seconds:.2f} s" if report.seconds else ""
    page.write(basis(report) + seconds, styles=("", "dim"))
    _write_command(page, reproduce_command(report))
    if stated(report):
        page.write("golf-check --explain RULE", label="a rule in full: ", styles=("dim", ""))


def render_text(report: Report, display: Display | None = None) -> str:
    """The whole report for a person; ends with a newline."""
    page = _Page(display or Display())
    _write_head(page, report)
    _write_findings(page, report)
    _write_numbers(page, report)
    _write_executed(page, report)
    _write_seen(page, report)
    _write_unseen(page, report)
    _write_foot(page, report)
    return page.text()
