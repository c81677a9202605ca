"""What running a submission showed, in a report: its probes, and the course of the first run at one look.

Works from the JSON of the audit (`harness.dynamic.audit_json`), so that kept reports show the same.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from harness.reports.escape import markdown, markdown_code, printable

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from rich.table import Table

COURSE_AT_MOST = 16
_CELL = 400
_KINDS = {
    "train pass": "training tokens through a model",
    "train step": "training step",
    "look": "validation tokens looked at, not counted",
    "learn": "validation tokens trained on",
    "score": "validation tokens scored, counted",
    "step": "update by validation tokens",
    "write": "artifact written",
    "open": "data opened",
    "program": "program started",
    "network": "address asked for",
    "claim": "claimed score printed",
}
_STYLES = {"learn": "dark_orange", "step": "red", "score": "bold blue", "claim": "bold", "look": "dim"}
OUTCOME_STYLES = {"breach": "bold red", "clean": "green"}


def executed_summary(dynamic: Mapping[str, Any]) -> str:
    """One sentence: how it was driven, to which score, in how many runs and seconds."""
    if dynamic["failure"]:
        return str(dynamic["failure"])
    runs, seconds = len(dynamic["runs"]), dynamic["seconds"]
    score = "" if dynamic["score"] is None else f" ({dynamic['score']:.6g} at this size)"
    label = dynamic["label"] or "the last score printed"
    learned = "" if dynamic["adapts"] else "; nothing adapted on validation tokens"
    return f"driven {dynamic['step']} to {label}{score} in {runs} runs and {seconds:.0f} s{learned}"


def probe_rows(dynamic: Mapping[str, Any]) -> list[tuple[str, str, str]]:
    """Outcome, probe and sentence of each probe, breaches first."""
    ranks = {"breach": 0, "not-reproducible": 1, "clean": 2}
    results = sorted(dynamic["results"], key=lambda one: ranks.get(one["outcome"], 3))
    return [(one["outcome"], one["probe"], one["sentence"]) for one in results]


def course_rows(dynamic: Mapping[str, Any]) -> list[tuple[str, ...]]:
    """Kind, what in words, times, positions and counted scores, phase after phase of the first run."""
    course: Sequence[Mapping[str, Any]] = dynamic["course"]
    left_out = int(dynamic["course_left_out"])
    half = COURSE_AT_MOST // 2
    first, last = (course, ()) if len(course) <= COURSE_AT_MOST else (course[:half], course[-half:])
    hidden = left_out + len(course) - len(first) - len(last)
    rows = [_course_row(each) for each in first]
    if hidden or last:
        rows.append(("", f"... {hidden:,} more ...", "", "", ""))
    return rows + [_course_row(each) for each in last]


def _course_row(phase: Mapping[str, Any]) -> tuple[str, ...]:
    what = _KINDS.get(phase["kind"], phase["kind"])
    what += f": {phase['what']}" if phase["what"] else ""
    if phase["times"] > 1 and phase["cycle"] > 1:
        what += f" (again and again, {phase['times']:,} rounds)"
    span = "" if phase["lowest"] is None else f"{phase['lowest']:,}..{phase['highest']:,}"
    counted = f"{phase['counted']:,}" if phase["counted"] else ""
    return phase["kind"], what, f"{phase['count']:,}", span, counted


def course_table(
    dynamic: Mapping[str, Any], clean: Callable[[str], str], *, ascii_only: bool = False
) -> Table:
    """The course for a terminal; `clean` makes text of the submission harmless there."""
    from rich import box
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.ASCII2 if ascii_only else box.SIMPLE_HEAD, show_edge=False, pad_edge=False)
    table.add_column("the first run, in order", overflow="fold")
    for name in ("times", "positions", "counted"):
        table.add_column(name, justify="right", no_wrap=True)
    for kind, what, *numbers in course_rows(dynamic):
        table.add_row(Text(clean(printable(what, 120)), style=_STYLES.get(kind, "")), *map(clean, numbers))
    return table


def markdown_lines(dynamic: Mapping[str, Any]) -> list[str]:
    """The probes and the course as Markdown tables."""
    lines = [markdown(executed_summary(dynamic), _CELL)]
    if dynamic["results"]:
        lines += ["", "| outcome | probe | what was seen |", "|---|---|---|"]
    for outcome, probe, sentence in probe_rows(dynamic):
        shown = f"**{outcome}**" if outcome == "breach" else outcome
        lines.append(f"| {shown} | {markdown_code(probe)} | {markdown(sentence, _CELL)} |")
    rows = course_rows(dynamic)
    if rows:
        lines += ["", "| the first run, in order | times | positions | counted |", "|---|---:|---:|---:|"]
        lines += [f"| {' | '.join(markdown(cell, 120) for cell in row[1:])} |" for row in rows]
    return lines
