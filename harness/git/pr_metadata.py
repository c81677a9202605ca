"""Facts about pull requests that a git clone does not hold: title, creation time, author, draft state.

Read from a file the operator saved, in the shape of GitHub's REST API or of
`gh pr list --json number,title,createdAt,author,isDraft`; nothing is fetched.
"""

from __future__ import annotations

import datetime
import json
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from harness.errors import SetupError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from harness.submission import Origin

# 2,059 pull requests in GitHub's full REST shape take about 50 MB.
METADATA_LIMIT_BYTES = 512 * 2**20
_TITLE_CHARACTERS = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class PullRequestInfo:
    """What GitHub says about one pull request; None where the file does not say. `created_at` is aware."""

    number: int
    title: str | None = None
    created_at: datetime.datetime | None = None
    author: str | None = None
    draft: bool | None = None


def read_pr_metadata(path: Path) -> tuple[dict[int, PullRequestInfo], tuple[str, ...]]:
    """Facts by pull request number, and a message for every row that could not be read.

    The file is a JSON array, an object of rows, or JSON Lines. Of several rows for one number the last
    wins, but keeps what only an earlier one says.
    Raises `SetupError` when the file cannot be read or holds no usable row.
    """
    try:
        size = path.stat().st_size
        if size > METADATA_LIMIT_BYTES:
            raise SetupError(f"{path} has {size:,} bytes; the limit is {METADATA_LIMIT_BYTES:,}.")
        text = path.read_bytes().decode("utf-8-sig", errors="replace")
    except OSError as error:
        raise SetupError(f"{path} cannot be read: {error.strerror or error}.") from error
    infos: dict[int, PullRequestInfo] = {}
    problems: list[str] = []
    for where, row in _rows(text, problems):
        info = _info(row)
        if info is None:
            problems.append(f"{where}: no pull request number; row skipped")
            continue
        known = infos.get(info.number)
        infos[info.number] = _merged(known, info) if known is not None else info
    if not infos:
        why = f" ({problems[0]})" if problems else ""
        raise SetupError(
            f"{path} names no pull request{why}. Save it with `gh pr list --state all --limit 5000 --json "
            "number,title,createdAt,author,isDraft`."
        )
    return infos, tuple(problems)


def with_pr_metadata(origin: Origin, info: PullRequestInfo | None) -> Origin:
    """The origin with what GitHub says; what it does not say stays as the clone says it."""
    if info is None:
        return origin
    return replace(
        origin,
        title=info.title if info.title is not None else origin.title,
        created_at=info.created_at if info.created_at is not None else origin.created_at,
        author=info.author if info.author is not None else origin.author,
        draft=info.draft if info.draft is not None else origin.draft,
    )


def _rows(text: str, problems: list[str]) -> Iterator[tuple[str, Any]]:
    try:
        whole = json.loads(text)
    except (ValueError, RecursionError):
        yield from _lines(text, problems)
        return
    if isinstance(whole, dict) and not _number(whole):
        inner = next((value for value in whole.values() if isinstance(value, list)), None)
        whole = inner if inner is not None else _keyed(whole)
    for index, row in enumerate(whole if isinstance(whole, list) else [whole], 1):
        yield from ((f"row {index}", each) for each in (row if isinstance(row, list) else [row]))


def _keyed(rows: Mapping[str, Any]) -> list[Any]:
    """Rows of an object that maps numbers to facts."""
    return [{"number": key, **row} for key, row in rows.items() if isinstance(row, dict)]


def _lines(text: str, problems: list[str]) -> Iterator[tuple[str, Any]]:
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip():
            continue
        try:
            yield f"line {number}", json.loads(line)
        except (ValueError, RecursionError) as error:
            problems.append(f"line {number} is not JSON ({str(error)[:80]}); skipped")


def _number(row: Mapping[str, Any]) -> int | None:
    value = row.get("number", row.get("pr"))
    if isinstance(value, str) and value.lstrip("#").isascii() and value.lstrip("#").isdigit():
        value = int(value.lstrip("#")[:18])
    if isinstance(value, bool) or not isinstance(value, int) or value <= 0:
        return None
    return value


def _info(row: object) -> PullRequestInfo | None:
    if not isinstance(row, dict):
        return None
    number = _number(row)
    if number is None:
        return None
    title = row.get("title")
    draft = row.get("isDraft", row.get("draft"))
    return PullRequestInfo(
        number=number,
        title=title[:_TITLE_CHARACTERS] if isinstance(title, str) else None,
        created_at=_time(row.get("createdAt", row.get("created_at"))),
        author=_author(row.get("author", row.get("user"))),
        draft=draft if isinstance(draft, bool) else None,
    )


def _author(value: object) -> str | None:
    if isinstance(value, dict):
        value = value.get("login")
    return value if isinstance(value, str) and value else None


def _time(value: object) -> datetime.datetime | None:
    """ISO 8601; a time without an offset is taken as UTC, as GitHub means it."""
    if not isinstance(value, str):
        return None
    try:
        time = datetime.datetime.fromisoformat(value.strip())
    except ValueError:
        return None
    return time if time.tzinfo is not None else time.replace(tzinfo=datetime.UTC)


def _merged(known: PullRequestInfo, info: PullRequestInfo) -> PullRequestInfo:
    return PullRequestInfo(
        number=info.number,
        title=info.title if info.title is not None else known.title,
        created_at=info.created_at or known.created_at,
        author=info.author or known.author,
        draft=info.draft if info.draft is not None else known.draft,
    )
