"""Published p-values beside ours, with the runs that each was computed from."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from harness.reports.escape import markdown, printable, well_formed

if TYPE_CHECKING:
    from collections.abc import Sequence

    from harness.leaderboard.published_p import CheckedP, Reading, SampleSet

_HEADER = ("line", "new", "against", "published", "ours", "runs", "gives the published number")


def published_summary(found: Sequence[CheckedP]) -> str:
    """How many statements come out, and from which runs, in one line."""
    own = sum(one.plain is not None and one.plain.agrees for one in found)
    other = sum(one.reproduced is not None for one in found) - own
    return (
        f"{len(found)} published p-values: {own} come out by Welch's test from the submissions' own runs, "
        f"{other} with another set of runs or another deviation, {len(found) - own - other} do not"
    )


def _p(reading: Reading) -> str:
    return "not testable" if reading.p is None else f"{reading.p:.4f}"


def _runs(one: SampleSet) -> str:
    return f"{one.name}: " + ", ".join(f"{score:.6f}" for score in one.scores)


def _how(reading: Reading) -> str:
    return f"{reading.how}: {reading.new.name} against {reading.old.name}, p = {_p(reading)}"


def _verdict(one: CheckedP) -> str:
    if one.missing:
        return one.missing
    reading = one.reproduced
    if reading is None:
        return "no set of runs that this board holds"
    return "these runs" if reading is one.plain else _how(reading)


def published_text(found: Sequence[CheckedP]) -> str:
    """A block a statement: both numbers, and every run behind them."""
    lines: list[str] = []
    for one in found:
        said = one.published
        lines.append(
            f"README.md:{said.line}  #{said.new} against #{said.against}: "
            f"published p = {said.p:.{said.digits}f}"
        )
        if one.plain is not None:
            lines.append(f"    ours: p = {_p(one.plain)} (Welch, sample deviations)")
        lines.append(f"    gives it: {_verdict(one)}")
        sets = {each.name: each for reading in one.readings for each in (reading.new, reading.old)}
        shown = one.reproduced or one.plain
        if shown is not None:
            lines += [f"    #{said.new}, {_runs(shown.new)}", f"    #{said.against}, {_runs(shown.old)}"]
        if one.reproduced is None and len(sets) > 2:
            lines += [f"    tried: {_how(reading)}" for reading in one.readings]
    return "\n".join([*map(_printable, lines), "", published_summary(found)]) + "\n"


def _printable(line: str) -> str:
    """One line for a terminal, its indentation kept."""
    body = line.lstrip(" ")
    return " " * (len(line) - len(body)) + printable(body, 600)


def published_markdown(found: Sequence[CheckedP]) -> str:
    """A table."""
    lines = ["| " + " | ".join(_HEADER) + " |", "|" + "---|" * len(_HEADER)]
    for one in found:
        said, plain = one.published, one.plain
        shown = one.reproduced or plain
        cells = [
            str(said.line),
            f"#{said.new}",
            f"#{said.against}",
            f"{said.p:.{said.digits}f}",
            "-" if plain is None else _p(plain),
            "" if shown is None else f"{_runs(shown.new)}; {_runs(shown.old)}",
            _verdict(one),
        ]
        lines.append("| " + " | ".join(markdown(cell, 600) for cell in cells) + " |")
    return "\n".join([*lines, "", markdown(published_summary(found), 400)]) + "\n"


def published_json(found: Sequence[CheckedP]) -> str:
    """Every reading of every statement, in ASCII."""
    rows = [
        {
            "line": one.published.line,
            "new": one.published.new,
            "against": one.published.against,
            "published_p": one.published.p,
            "missing": one.missing or None,
            "readings": [
                {
                    "how": reading.how,
                    "new": {"name": well_formed(reading.new.name), "scores": list(reading.new.scores)},
                    "old": {"name": well_formed(reading.old.name), "scores": list(reading.old.scores)},
                    "p": reading.p,
                    "agrees": reading.agrees,
                }
                for reading in one.readings
            ],
        }
        for one in found
    ]
    return json.dumps({"schema_version": 1, "published": rows}, indent=1) + "\n"
