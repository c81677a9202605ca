"""The README's table: written between two markers, compared with the table that stands there by hand.

A submission writes its own name and author, so every cell is escaped for GitHub's Markdown. The text outside
the markers is never touched; without both markers, each once and in order, nothing is written.
"""

from __future__ import annotations

import datetime
from dataclasses import dataclass
from typing import TYPE_CHECKING

from harness.errors import SetupError
from harness.evidence.significance import mean
from harness.leaderboard.board_row import Outcome, Standing
from harness.leaderboard.clone_rows import table_row_of
from harness.reports.escape import markdown, uri_path
from harness.wording import count_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from harness.evidence.leaderboard_table import TableRow
    from harness.leaderboard.board_row import BoardRow, Told

BEGIN = "<!-- golf-leaderboard: begin -->"
END = "<!-- golf-leaderboard: end -->"
_HEADER = ("Run", "Score", "Author", "Summary", "Date", "Info")
_TEXT_CHARACTERS = 160
# Where the organisers sit; daylight saving time all through the challenge.
_ORGANISERS_ZONE = datetime.timezone(datetime.timedelta(hours=-7))
# Half a unit of the last of four decimals, and a little for scores that were rounded before.
_SAME_SCORE_BPB = 0.5e-4 + 1e-9


def board_rows(rows: Iterable[BoardRow]) -> tuple[BoardRow, ...]:
    """The rows that a table shows: of the record track, accepted, with a score; the best first."""
    shown = [
        row
        for row in rows
        if row.track == "record" and row.scores and row.ruling and row.ruling.outcome is Outcome.ACCEPTED
    ]
    return tuple(sorted(shown, key=lambda row: (row.mean or 0.0, row.pr or 0, row.key)))


def table_markdown(rows: Iterable[BoardRow], pull_url: str = "") -> str:
    """The table of `board_rows`; `pull_url` is the address that pull requests lie under, "" if unknown."""
    lines = ["| " + " | ".join(_HEADER) + " |", "|" + "---|" * len(_HEADER)]
    for row in board_rows(rows):
        cells = [
            markdown(row.name, _TEXT_CHARACTERS),
            f"{row.mean:.4f}",
            _text(row.author or row.github_id),
            _text(row.summary),
            _text(row.date),
            _info(row, pull_url),
        ]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def _text(told: Told[str] | None) -> str:
    return markdown(told.value, _TEXT_CHARACTERS) if told is not None else ""


def _info(row: BoardRow, pull_url: str) -> str:
    links = [f"[info]({uri_path(row.folder)}/README.md)"] if row.folder else []
    if row.pr is not None:
        links.append(f"[#{row.pr}]({pull_url}{row.pr})" if pull_url else f"#{row.pr}")
    return ", ".join(links)


def with_table(readme: str, table: str) -> str:
    """The README with the table between the markers; `SetupError` when they are not there once each."""
    begins, ends = readme.count(BEGIN), readme.count(END)
    is_single = (begins, ends) == (1, 1)
    if not is_single or readme.index(END) < readme.index(BEGIN):
        found = "they are in reverse" if is_single else f"there are {begins} and {ends}"
        raise SetupError(
            f"the README needs the lines {BEGIN} and {END} once each and in this order, where the table "
            f"belongs ({found}); nothing was written"
        )
    before = readme[: readme.index(BEGIN) + len(BEGIN)]
    after = readme[readme.index(END) :]
    return f"{before}\n\n{table}\n{after}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Agreement:
    """One row of a table kept by hand beside the row that the evidence gives.

    A field is True where both agree, False where they differ, None where one of them does not say. `why`
    holds the differences in words.
    """

    shown: TableRow
    row: BoardRow | None
    score: bool | None
    author: bool | None
    date: bool | None
    link: bool | None
    why: tuple[str, ...]


def agreements(rows: Sequence[BoardRow], table: Iterable[TableRow]) -> tuple[Agreement, ...]:
    """Each row of the table with what the evidence says about its score, author, date and link."""
    listed = tuple(table)
    by_line: dict[int, BoardRow] = {}
    for row in rows:
        shown = table_row_of(row, listed)
        if shown is not None:
            by_line.setdefault(shown.line, row)
    return tuple(_agreement(shown, by_line.get(shown.line), rows) for shown in listed)


def _agreement(shown: TableRow, row: BoardRow | None, rows: Sequence[BoardRow]) -> Agreement:
    if row is None:
        none = "no folder and no pull request of the clone answers to it"
        return Agreement(shown=shown, row=None, score=None, author=None, date=None, link=False, why=(none,))
    why: list[str] = []
    score = _score(shown, row, rows, why)
    author = _same(shown.author, [row.author, row.github_id], "author", why)
    date = _same(shown.date, [row.date], "date", why)
    link = row.folder in shown.folders or row.pr in shown.pulls
    return Agreement(shown=shown, row=row, score=score, author=author, date=date, link=link, why=tuple(why))


def _score(shown: TableRow, row: BoardRow, rows: Sequence[BoardRow], why: list[str]) -> bool | None:
    if row.mean is None:
        why.append("no score is known")
        return None
    if _is_shown(row.mean, shown):
        return True
    what = f"the mean of {len(row.values)} is {row.mean:.5f}"
    because = _other_score(shown, row) or _linked_score(shown, row, rows)
    why.append(f"score: shown {shown.score:g}, {what}{'; ' + because if because else ''}")
    return False


def _is_shown(score: float, shown: TableRow) -> bool:
    return abs(score - shown.score) <= _SAME_SCORE_BPB


def _other_score(shown: TableRow, row: BoardRow) -> str:
    """Which other number of the submission the table shows, in words; "" where none is near."""
    extra = tuple(score for runs in row.reproductions for score in runs.scores)
    if extra and _is_shown(mean((*row.values, *extra)), shown):
        return f"shown is the mean with {count_of(len(extra), 'reproduction run')}"
    near = [score for score in row.sample if _is_shown(score.val_bpb, shown)]
    if near:
        best = near[0].val_bpb == min(row.values)
        return f"shown is {'the best seed' if best else f'seed {near[0].seed}'}"
    claimed = next((score for score in row.scores if score.standing is Standing.CLAIMED), None)
    if claimed is not None and _is_shown(claimed.val_bpb, shown):
        return f"shown is the claim {claimed.val_bpb:.6g}" + (
            ", of which no log is there"
            if abs(claimed.val_bpb - (row.mean or 0.0)) > 1e-3
            else ", rounded before"
        )
    if abs((row.mean or 0.0) - shown.score) < 1e-3 and len(f"{shown.score:g}") < len("1.0000"):
        return "shown with fewer decimals"
    return ""


def _linked_score(shown: TableRow, row: BoardRow, rows: Sequence[BoardRow]) -> str:
    """Whether the table shows the runs of another pull request that its row links to, in words."""
    for other in rows:
        if other.pr not in shown.pulls or other.key == row.key:
            continue
        if other.mean is not None and _is_shown(other.mean, shown):
            return f"shown is the mean of {other.key}"
        for runs in other.reproductions:
            if _is_shown(mean(runs.scores), shown):
                return f"shown is the mean of {len(runs.scores)} runs of {other.key} by {runs.who}"
    return ""


def _same(shown: str, told: Sequence[Told[str] | None], what: str, why: list[str]) -> bool | None:
    known = [each.value for each in told if each is not None]
    if not shown or not known:
        why.append(f"{what}: {'not stated by the submission' if shown else 'not shown'}")
        return None
    plain = {each.strip().lstrip("@").casefold() for each in known}
    if shown.strip().lstrip("@").casefold() in plain or any(each[:10] == shown for each in known):
        return True
    why.append(f"{what}: shown {shown}, stated {' or '.join(known)}{_local_day(shown, known)}")
    return False


def _local_day(shown: str, known: Sequence[str]) -> str:
    """Whether the stated moment falls on the shown day by the organisers' clock."""
    for each in known:
        try:
            moment = datetime.datetime.fromisoformat(each)
            there = moment.astimezone(_ORGANISERS_ZONE)
        except (ValueError, OverflowError):  # no date, or the first or last day there is
            continue
        if moment.tzinfo is not None and there.date().isoformat() == shown:
            return "; that moment is the shown day in California"
    return ""
