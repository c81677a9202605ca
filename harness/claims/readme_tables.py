"""Cuts Markdown tables out of a README, with the line of every row."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

# A README line is prose or a table row; longer ones are pasted data, read up to here.
LINE_LIMIT = 4_000
COLUMNS_LIMIT = 60
ROWS_LIMIT = 2_000

_SEPARATOR = re.compile(r"\s*\|?\s*:?-+:?\s*(?:\|\s*:?-+:?\s*)*\|?\s*\Z")


@dataclass(frozen=True, slots=True)
class TableRow:
    """Cells as written, markup included, and the 1-based line they stand on."""

    line: int
    cells: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Table:
    """A header and the rows below its separator."""

    header: TableRow
    rows: tuple[TableRow, ...]


def plain(cell: str) -> str:
    """A cell without emphasis marks: "**1.08**" is "1.08"; underscores inside words stay."""
    text = cell.strip()
    while len(text) > 1 and text[0] in "*`~_" and text[-1] in "*`~_":
        text = text[1:-1].strip()
    return re.sub(r"\*\*|`|~~", "", text).strip()


def is_bold(cell: str) -> bool:
    """True when the author set the cell in bold."""
    return "**" in cell or "__" in cell


def _cells(line: str) -> tuple[str, ...]:
    return tuple(cell.strip() for cell in line[:LINE_LIMIT].strip().strip("|").split("|")[:COLUMNS_LIMIT])


def find_tables(lines: Sequence[str]) -> Iterator[Table]:
    """Every table of the text, in order."""
    at = 1
    while at < len(lines):
        if "|" not in lines[at] or "|" not in lines[at - 1] or not _SEPARATOR.match(lines[at][:LINE_LIMIT]):
            at += 1
            continue
        header = TableRow(at, _cells(lines[at - 1]))
        rows: list[TableRow] = []
        at += 1
        while at < len(lines) and "|" in lines[at] and len(rows) < ROWS_LIMIT:
            rows.append(TableRow(at + 1, _cells(lines[at])))
            at += 1
        yield Table(header, tuple(rows))
