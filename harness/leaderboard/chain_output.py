"""The chain of records as text for a terminal and as Markdown."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.leaderboard.p_values import LEGEND, any_gain_cell, margin_cell
from harness.reports.escape import markdown, printable

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from harness.leaderboard.progression import Step

_TITLE_CHARACTERS = 44
_CELL_CHARACTERS = 26
_NUMBERS = ("gain bpb", "nats/token", "nats/byte", "p", "p margin")
_COLUMNS = ("row", "runs", "mean bpb", "std", "against", *_NUMBERS, "golf-check", "status")


def _number(value: float | None, form: str) -> str:
    return "-" if value is None else format(value, form)


def _cells(step: Step) -> tuple[str, ...]:
    row, numbers = step.row, step.numbers
    gain = numbers.gain if numbers is not None else None
    mark = " *" if step.is_record else ""
    return (
        row.key + mark,
        f"{len(row.values)} {row.standing.value}" if row.standing is not None else "-",
        _number(row.mean, ".5f"),
        _number(row.sample_std, ".5f"),
        step.against.key if step.against is not None else "-",
        _number(gain.bpb if gain else None, "+.5f"),
        _number(gain.nats_per_token if gain else None, "+.4f"),
        _number(gain.nats_per_byte if gain else None, "+.4f"),
        any_gain_cell(numbers),
        margin_cell(numbers),
        row.judged.verdict if row.judged is not None else "-",
        step.status.value,
    )


def _short(cell: str) -> str:
    """A cell that leaves room for the numbers; keys of two rows of one pull request hold folder names."""
    mark = " *" if cell.endswith(" *") else ""
    return cell if len(cell) <= _CELL_CHARACTERS else f"{cell[: _CELL_CHARACTERS - 1 - len(mark)]}…{mark}"


def chain_text(steps: Sequence[Step]) -> str:
    """One block a row: the numbers in columns, then the name and the reason."""
    rows = [_COLUMNS, *(_cells(step) for step in steps)]
    rows = [tuple(_short(printable(cell, 200)) for cell in cells) for cells in rows]
    widths = [max(len(cells[at]) for cells in rows) for at in range(len(_COLUMNS))]
    lines = []
    for cells, step in zip(rows, (None, *steps), strict=True):
        padded = (
            cell.ljust(width) if at in (0, 1, 4, 10, 11) else cell.rjust(width)
            for at, (cell, width) in enumerate(zip(cells, widths, strict=True))
        )
        lines.append("  ".join(padded).rstrip())
        if step is not None:
            lines.append(f"    {printable(step.row.name, 110)}")
            lines += [f"    {line}" for line in _said(step)]
    lines += ["", "* held the record after it. Scores are bits per byte, lower is better.", LEGEND]
    return "\n".join(lines) + "\n"


def _said(step: Step) -> list[str]:
    """The reason, a ruling that says otherwise, and remarks on the row."""
    said = [printable(step.reason)]
    ruling = step.row.ruling
    if step.ruled_otherwise and ruling is not None:
        said.append(printable(f"the record all the same: {ruling.why} ({ruling.source})"))
    return said + [printable(note) for note in step.row.notes]


def chain_markdown(steps: Iterable[Step]) -> str:
    """A table that reads well in a pull request."""
    lines = ["| " + " | ".join((*_COLUMNS, "why")) + " |", "|" + "---|" * (len(_COLUMNS) + 1)]
    for step in steps:
        cells = [markdown(cell, 80) for cell in _cells(step)]
        cells[0] += f"<br>{markdown(step.row.name, _TITLE_CHARACTERS)}"
        lines.append("| " + " | ".join([*cells, "<br>".join(map(markdown, _said(step)))]) + " |")
    lines += ["", markdown(LEGEND)]
    return "\n".join(lines) + "\n"
