"""leaderboard.toml: what cannot be derived from submissions, as data with an author and a date.

Titles and summaries as people want to read them, rulings and grace decisions, reproduction runs, and the
times at which pull requests were opened or their evidence came in. Every entry says who wrote it (`by`) and
when (`on`); an unknown key is an error, since a misspelt ruling would silently not count.
"""

from __future__ import annotations

import datetime
import tomllib
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from harness.errors import SetupError
from harness.leaderboard.board_row import BoardRow, Outcome, Reproduction, RowRuling, Standing, Told
from harness.leaderboard.report_rows import PLAUSIBLE_BPB, is_plausible

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

CURATION_LIMIT_BYTES = 4_000_000
_TARGET = frozenset({"pr", "folder"})
_SIGNED = frozenset({"by", "on"})
_KEYS = {
    "row": _TARGET | _SIGNED | {"title", "summary", "author", "github_id", "date", "track"},
    "ruling": _TARGET | _SIGNED | {"outcome", "why", "source"},
    "reproduction": _TARGET | _SIGNED | {"scores", "source"},
    "time": _TARGET | _SIGNED | {"created_at", "evidence_at", "source"},
}
_NEEDED = {"row": (), "ruling": ("outcome", "why"), "reproduction": ("scores", "source"), "time": ()}


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One entry: its kind, what it is about, its content, and where it stands."""

    kind: str
    pr: int | None
    folder: str | None
    content: Mapping[str, Any]
    by: str
    on: datetime.date
    source: str

    def is_about(self, row: BoardRow) -> bool:
        """Whether it names this row: by folder where it gives one, else by pull request."""
        if self.folder is not None and row.folder != self.folder:
            return False
        return self.pr is None or row.pr == self.pr


@dataclass(frozen=True, slots=True, kw_only=True)
class Curation:
    """All entries of one file; empty without one.

    An entry that names a folder alone is about one row: the accepted one, else the earliest. Any pull request
    may name its folder like another's, and takes nothing from what was said of that.
    """

    entries: tuple[Entry, ...] = ()

    def apply(self, rows: Iterable[BoardRow]) -> tuple[BoardRow, ...]:
        """The rows with what the entries say of them. Later entries of a kind override earlier ones."""
        known = tuple(rows)
        first: dict[str, BoardRow] = {}
        for row in sorted(known, key=lambda row: (row.ruling is None, row.pr or 0)):
            if row.folder is not None:
                first.setdefault(row.folder, row)
        return tuple(self._curated(row, first) for row in known)

    def unused(self, rows: Iterable[BoardRow]) -> tuple[str, ...]:
        """Entries about rows that are not on the board, in words: a slip, or a board of other revisions."""
        known = tuple(rows)
        return tuple(
            f"{entry.source}: [[{entry.kind}]] is about {_target(entry)}, which is no row of this board"
            for entry in self.entries
            if not any(entry.is_about(row) for row in known)
        )

    def _curated(self, row: BoardRow, first: Mapping[str, BoardRow]) -> BoardRow:
        is_first = row.folder is not None and first[row.folder].key == row.key
        for entry in self.entries:
            if entry.is_about(row) and (entry.pr is not None or is_first):
                row = _APPLY[entry.kind](row, entry)
        return row


def read_curation(path: Path) -> Curation:
    """Read a leaderboard.toml. Raises `SetupError` naming the entry that is wrong and what it may hold."""
    try:
        data = path.read_bytes()
        if len(data) > CURATION_LIMIT_BYTES:
            raise SetupError(f"{path} has {len(data):,} bytes; at most {CURATION_LIMIT_BYTES:,} are read")
        document = tomllib.loads(data.decode("utf-8"))
    except OSError as error:
        raise SetupError(f"{path}: {error.strerror}; name an existing file with --curation") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise SetupError(f"{path} is not valid TOML: {error}") from error
    unknown = sorted(set(document) - set(_KEYS))
    if unknown:
        raise SetupError(f"{path}: unknown table {unknown[0]!r}; there are {', '.join(_KEYS)}")
    entries = []
    for kind in _KEYS:
        listed = document.get(kind, [])
        if not isinstance(listed, list):
            raise SetupError(f"{path}: write [[{kind}]], a list of tables")
        for number, content in enumerate(listed, start=1):
            entries.append(_entry(kind, content, f"{path.name} [[{kind}]] {number}"))
    return Curation(entries=tuple(entries))


def _entry(kind: str, content: object, where: str) -> Entry:
    if not isinstance(content, dict):
        raise SetupError(f"{where}: not a table")
    unknown = sorted(set(content) - _KEYS[kind])
    if unknown:
        raise SetupError(f"{where}: unknown key {unknown[0]!r}; there are {', '.join(sorted(_KEYS[kind]))}")
    missing = [name for name in (*_NEEDED[kind], "by", "on") if name not in content]
    if missing:
        raise SetupError(
            f"{where}: {missing[0]!r} is missing; an entry says who decided it (by) and when (on)"
        )
    if not _TARGET & set(content):
        raise SetupError(f"{where}: say which row with pr or folder")
    pr, on = content.get("pr"), content["on"]
    if pr is not None and (not isinstance(pr, int) or isinstance(pr, bool) or pr < 1):
        raise SetupError(f"{where}: pr is {str(pr)[:40]!r}, not the number of a pull request")
    if type(on) is not datetime.date:
        raise SetupError(f"{where}: on is {str(on)[:40]!r}, not a date such as 2026-04-29")
    for name in sorted(
        set(content) & {"title", "summary", "author", "github_id", "why", "source", "by", "folder"}
    ):
        if not isinstance(content[name], str) or not content[name].strip():
            raise SetupError(f"{where}: {name} must be a text that is not empty")
    _check_content(content, where)
    return Entry(
        kind=kind,
        pr=pr,
        folder=content["folder"].strip("/") if "folder" in content else None,
        content=content,
        by=content["by"],
        on=on,
        source=where,
    )


def _check_content(content: Mapping[str, Any], where: str) -> None:
    if "outcome" in content and content["outcome"] not in tuple(Outcome):
        raise SetupError(f"{where}: outcome is {content['outcome']!r}, not one of {', '.join(Outcome)}")
    if "track" in content and content["track"] not in ("record", "non-record", "unlimited"):
        raise SetupError(f"{where}: track is {content['track']!r}, not record, non-record or unlimited")
    if "scores" in content:
        scores = content["scores"]
        if not isinstance(scores, list) or not scores or not all(map(is_plausible, scores)):
            low, high = PLAUSIBLE_BPB
            raise SetupError(
                f"{where}: scores must be a list of numbers between {low} and {high} bits per byte"
            )
    for name in ("created_at", "evidence_at"):
        moment = content.get(name)
        if moment is not None and not (isinstance(moment, datetime.datetime) and moment.tzinfo is not None):
            raise SetupError(f"{where}: {name} needs a time with its zone, such as 2026-04-29T12:00:00Z")
    if "date" in content and type(content["date"]) is not datetime.date:
        raise SetupError(f"{where}: date is {str(content['date'])[:40]!r}, not a date such as 2026-04-29")


def _target(entry: Entry) -> str:
    return " ".join(filter(None, (f"#{entry.pr}" if entry.pr else None, entry.folder)))


def _told(entry: Entry, value: Any) -> Told[Any]:
    said = entry.content.get("source")
    source = f"{entry.source}, {entry.by} {entry.on}" + (f", {said}" if said else "")
    return Told(value=value, standing=Standing.CURATED, source=source)


def _apply_row(row: BoardRow, entry: Entry) -> BoardRow:
    content = entry.content
    texts: dict[str, Any] = {
        name: _told(entry, str(content[name]))
        for name in ("title", "summary", "author", "github_id", "date")
        if name in content
    }
    return replace(row, **texts, track=content.get("track", row.track))


def _apply_ruling(row: BoardRow, entry: Entry) -> BoardRow:
    content = entry.content
    ruling = RowRuling(
        outcome=Outcome(content["outcome"]),
        who=entry.by,
        why=content["why"],
        source=content.get("source", entry.source),
        date=entry.on,
    )
    return replace(row, ruling=ruling)


def _apply_reproduction(row: BoardRow, entry: Entry) -> BoardRow:
    runs = Reproduction(
        scores=tuple(float(score) for score in entry.content["scores"]),
        who=entry.by,
        source=entry.content["source"],
        date=entry.on,
    )
    return replace(row, reproductions=(*row.reproductions, runs))


def _apply_time(row: BoardRow, entry: Entry) -> BoardRow:
    moments: dict[str, Any] = {
        name: _told(entry, entry.content[name])
        for name in ("created_at", "evidence_at")
        if name in entry.content
    }
    return replace(row, **moments)


_APPLY = {
    "row": _apply_row,
    "ruling": _apply_ruling,
    "reproduction": _apply_reproduction,
    "time": _apply_time,
}
