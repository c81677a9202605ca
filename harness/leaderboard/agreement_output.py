"""The README's hand-kept table beside what submissions and logs say, row by row."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from harness.reports.escape import markdown, printable, well_formed

if TYPE_CHECKING:
    from collections.abc import Sequence

    from harness.leaderboard.readme_table import Agreement

_FIELDS = ("score", "author", "date", "link")
_WORDS = {True: "agrees", False: "differs", None: "not said"}


def summary(found: Sequence[Agreement]) -> str:
    """How many rows agree in each field, in one line."""
    counts = (
        f"{name} {sum(getattr(each, name) is True for each in found)} of {len(found)}" for name in _FIELDS
    )
    return f"rows that agree: {', '.join(counts)}"


def agreement_text(found: Sequence[Agreement]) -> str:
    """One line a row of the table, its differences below it."""
    lines = []
    for each in found:
        said = ", ".join(f"{name} {_WORDS[getattr(each, name)]}" for name in _FIELDS)
        key = each.row.key if each.row is not None else "-"
        lines.append(f"README.md:{each.shown.line}  {each.shown.score:g}  {printable(each.shown.run, 60)}")
        lines.append(f"    {printable(key, 80)}: {said}")
        lines += [f"    {printable(why)}" for why in each.why]
    return "\n".join([*lines, "", summary(found)]) + "\n"


def agreement_markdown(found: Sequence[Agreement]) -> str:
    """A table."""
    lines = [
        "| " + " | ".join(("line", "run", "row", *_FIELDS, "why")) + " |",
        "|" + "---|" * (4 + len(_FIELDS)),
    ]
    for each in found:
        cells = [
            str(each.shown.line),
            markdown(each.shown.run, 60),
            markdown(each.row.key if each.row is not None else "-", 60),
            *(_WORDS[getattr(each, name)] for name in _FIELDS),
            "<br>".join(markdown(why) for why in each.why),
        ]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join([*lines, "", markdown(summary(found))]) + "\n"


def agreement_json(found: Sequence[Agreement]) -> str:
    """One JSON document, in ASCII."""
    rows = [
        {
            "line": each.shown.line,
            "run": well_formed(each.shown.run),
            "score": each.shown.score,
            "row": well_formed(each.row.key) if each.row is not None else None,
            "agrees": {name: getattr(each, name) for name in _FIELDS},
            "why": [well_formed(why) for why in each.why],
        }
        for each in found
    ]
    return json.dumps({"schema_version": 1, "rows": rows}, indent=1) + "\n"
