"""Reads the leaderboard table of a README: one row per accepted record, with its links."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from urllib.parse import unquote

_HEADING = re.compile(r"^#{1,6}\s+(.*?)\s*#*\s*$")
_CELL = re.compile(r"(?<!\\)\|")
_LINK = re.compile(r"\]\(\s*<?([^)>\s]+)")
_PULL = re.compile(r"/pull/(\d{1,9})(?:\D|$)")
_NUMBER = re.compile(r"\d+\.\d+")

# A table of more rows than this is not a leaderboard but an attack on the reader.
ROWS_AT_MOST = 5_000


@dataclass(frozen=True, slots=True, kw_only=True)
class TableRow:
    """One row. `line` is 1-based in the README; `pulls` and `folders` are in the order of the links."""

    line: int
    run: str
    score: float
    author: str
    date: str
    pulls: tuple[int, ...]
    folders: tuple[str, ...]
    summary: str = ""


def _cells(line: str) -> list[str]:
    return [cell.strip() for cell in _CELL.split(line.strip().strip("|"))]


def _folder(link: str, records_root: str) -> str | None:
    """The records folder a link leads into, relative to the repository root."""
    path = unquote(link).split("#")[0]
    at = path.find(f"{records_root}/")
    if at < 0:
        return None
    parts = path[at:].strip("/").split("/")
    return "/".join(parts[:3]) if len(parts) >= 3 else None


def _row(line: str, number: int, columns: dict[str, int], records_root: str) -> TableRow | None:
    cells = _cells(line)
    if len(cells) <= columns["score"]:
        return None
    score = _NUMBER.search(cells[columns["score"]])
    if score is None or not math.isfinite(float(score[0])):
        return None
    links = _LINK.findall(cells[columns["info"]]) if columns["info"] < len(cells) else []
    folders = [folder for link in links if (folder := _folder(link, records_root))]
    pulls = [int(found[1]) for link in links if (found := _PULL.search(link))]
    author, date, summary = (
        cells[columns[name]] if columns[name] < len(cells) else "" for name in ("author", "date", "summary")
    )
    return TableRow(
        line=number,
        run=cells[columns["run"]],
        score=float(score[0]),
        author=author,
        date=date,
        pulls=tuple(dict.fromkeys(pulls)),
        folders=tuple(dict.fromkeys(folders)),
        summary=summary,
    )


def _columns(header: list[str]) -> dict[str, int] | None:
    """Where the columns stand, None when the header is not that of a leaderboard."""
    names = [cell.lower() for cell in header]
    if "score" not in names or "run" not in names:
        return None
    return {
        "run": names.index("run"),
        "score": names.index("score"),
        "author": names.index("author") if "author" in names else len(names),
        "date": names.index("date") if "date" in names else len(names),
        "summary": names.index("summary") if "summary" in names else len(names),
        "info": names.index("info") if "info" in names else len(names) - 1,
    }


def read_leaderboard(readme: str, records_root: str = "records") -> tuple[TableRow, ...]:
    """The rows of the first table with Run and Score columns under a heading that names a leaderboard.

    That is the board of the ten-minute track: the non-record table follows under its own heading. Empty
    when there is no such table.
    """
    under_leaderboard = False
    columns: dict[str, int] | None = None
    rows: list[TableRow] = []
    for number, line in enumerate(readme.splitlines(), start=1):
        heading = _HEADING.match(line)
        if heading and columns is None:
            under_leaderboard = "leaderboard" in heading[1].lower()
        elif under_leaderboard and columns is None and line.lstrip().startswith("|"):
            columns = _columns(_cells(line))
        elif columns is not None:
            if not line.lstrip().startswith("|"):
                break
            row = _row(line, number, columns, records_root)
            rows += [row] if row is not None and len(rows) < ROWS_AT_MOST else []
    return tuple(rows)
