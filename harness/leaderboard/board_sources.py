"""Where a board's rows come from: a clone, reports written earlier, runs of our own, curated data."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from harness.errors import UsageError
from harness.leaderboard.curation import Curation, read_curation
from harness.leaderboard.kept_reports import KeptReports, PackedReport
from harness.leaderboard.report_rows import rows_of_file
from harness.wording import count_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from harness.evidence.leaderboard_table import TableRow
    from harness.leaderboard.board_row import BoardRow
    from harness.leaderboard.loss_curves import LogReader
    from harness.ruleset import Ruleset


@dataclass(frozen=True, slots=True, kw_only=True)
class BoardSource:
    """What to read: any of a clone at a revision, files of reports, a folder of runs, and leaderboard.toml.

    `all_prs` adds every pull request of the clone to the folders at `revision`. With a clone, a report of the
    same commit stands in for judging.
    """

    repo: Path | None = None
    revision: str = "main"
    all_prs: bool = False
    reports: tuple[Path, ...] = ()
    runs: Path | None = None
    curation: Path | None = None
    rules_dir: Path
    jobs: int = 1
    cache_dir: Path | None = None
    use_cache: bool = True
    quiet: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Board:
    """All rows, and the README's table of the clone they were compared with (empty without one).

    `reports` holds golf-check's report of each row that has one, by the row's key. `read_log` gives the bytes
    of a log that a row names, None where the source of the board does not hold it.
    """

    rows: tuple[BoardRow, ...]
    table: tuple[TableRow, ...] = ()
    origin: str = ""
    reports: KeptReports = field(default_factory=KeptReports)
    read_log: LogReader | None = None


def read_board(source: BoardSource, ruleset: Ruleset, note: Callable[[str], None]) -> Board:
    """Read and judge everything. Raises `UsageError` when nothing is named, `SetupError` for bad data."""
    if source.repo is None and not source.reports and source.runs is None:
        raise UsageError("nothing to rank: name --repo DIR, --reports FILE or --runs DIR")
    supplied = [entry for path in source.reports for entry in rows_of_file(path)]
    rows: list[tuple[BoardRow, PackedReport | None]] = []
    table: tuple[TableRow, ...] = ()
    origins: list[str] = []
    read_log: LogReader | None = None
    if source.repo is not None:
        from harness.leaderboard.judged_clone import judged_clone

        judged = judged_clone(source, supplied, ruleset, note)
        rows += judged.entries
        supplied = judged.unused
        table, read_log = judged.plan.table, judged.read_log
        origins.append(f"{source.revision} at {judged.plan.commit[:9]}")
    rows += _newest(supplied, note)
    origins += [path.name for path in source.reports]
    if source.runs is not None:
        from harness.leaderboard.run_rows import rows_of_runs

        rows += [(row, None) for row in rows_of_runs(source.runs)]
        origins.append(f"runs in {source.runs.name}")
    named = _with_distinct_keys([row for row, _ in rows])
    reports = KeptReports()
    for row, (_, report) in zip(named, rows, strict=True):
        if report is not None:
            reports.add(row.key, report)
    curation = read_curation(source.curation) if source.curation is not None else Curation()
    for line in curation.unused(named):
        note(line)
    return Board(
        rows=curation.apply(named),
        table=table,
        origin=", ".join(origins),
        reports=reports,
        read_log=read_log,
    )


def _newest(
    entries: list[tuple[BoardRow, PackedReport]], note: Callable[[str], None]
) -> list[tuple[BoardRow, PackedReport]]:
    """Of several reports about one folder of one pull request the last: it was judged or given last."""
    kept = {(row.pr, row.folder, row.key): (row, report) for row, report in entries}
    if len(kept) < len(entries):
        note(f"{count_of(len(entries) - len(kept), 'report')} about a submission that a later one repeats")
    return list(kept.values())


def _with_distinct_keys(rows: Sequence[BoardRow]) -> list[BoardRow]:
    """Rows of one pull request are told apart by their folder's name, and by a number if that is the same."""
    counts = Counter(row.key for row in rows)
    used: Counter[str] = Counter()
    named = []
    for row in rows:
        key = row.key
        if counts[key] > 1 and row.folder:
            key = f"{key} {row.folder.rsplit('/', 1)[-1]}"
        used[key] += 1
        named.append(replace(row, key=key if used[key] == 1 else f"{key} ({used[key]})"))
    return named


def row_named(name: str, rows: Sequence[BoardRow]) -> BoardRow:
    """The row of that key ("#1855", "1855", "run mine"), folder or folder's last part.

    Raises `UsageError` when no row or more than one answers to the name, naming those near it.
    """
    found = list(_answering(name.strip().rstrip("/"), rows))
    if len(found) == 1:
        return found[0]
    if found:
        keys = ", ".join(row.key for row in found[:5])
        raise UsageError(f"{name!r} is {len(found)} rows: {keys}; name one by its whole key")
    import difflib

    near = difflib.get_close_matches(name, [row.key for row in rows], n=3)
    hint = f"; near it: {', '.join(near)}" if near else ""
    raise UsageError(f"no row of this board is named {name!r}{hint}")


def _answering(name: str, rows: Sequence[BoardRow]) -> Iterator[BoardRow]:
    exact = [row for row in rows if name in (row.key, row.folder)]
    if exact:
        yield from exact
        return
    number = name.removeprefix("#")
    for row in rows:
        if (number.isdigit() and row.pr == int(number)) or (
            row.folder is not None and row.folder.rsplit("/", 1)[-1] == name
        ):
            yield row
