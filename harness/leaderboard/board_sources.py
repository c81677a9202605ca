"""Where a board's rows come from: a clone, reports written earlier, runs of our own, curated data."""

from __future__ import annotations

from collections import Counter
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from harness.errors import SetupError, UsageError
from harness.leaderboard.curation import Curation, read_curation
from harness.leaderboard.report_rows import rows_of_file

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

    from harness.evidence.leaderboard_table import TableRow
    from harness.leaderboard.board_row import BoardRow
    from harness.leaderboard.clone_rows import ClonePlan
    from harness.ruleset import Ruleset


@dataclass(frozen=True, slots=True, kw_only=True)
class BoardSource:
    """What to read: any of a clone at a revision, files of reports, a folder of runs, and leaderboard.toml.

    `all_prs` adds every pull request of the clone to the folders at `revision`.
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

    `reports` holds golf-check's report of each row that has one, by the row's key.
    """

    rows: tuple[BoardRow, ...]
    table: tuple[TableRow, ...] = ()
    origin: str = ""
    reports: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)


def read_board(source: BoardSource, ruleset: Ruleset, note: Callable[[str], None]) -> Board:
    """Read and judge everything. Raises `UsageError` when nothing is named, `SetupError` for bad data."""
    if source.repo is None and not source.reports and source.runs is None:
        raise UsageError("nothing to rank: name --repo DIR, --reports FILE or --runs DIR")
    rows: list[tuple[BoardRow, Mapping[str, Any] | None]] = []
    table: tuple[TableRow, ...] = ()
    origins: list[str] = []
    if source.repo is not None:
        from harness.leaderboard.clone_rows import row_of_clone

        plan, documents = _judged(source, ruleset, note)
        rows += [(row_of_clone(plan, document), document) for document in documents]
        table = plan.table
        origins.append(f"{source.revision} at {plan.commit[:9]}")
    for path in source.reports:
        rows += rows_of_file(path)
        origins.append(path.name)
    if source.runs is not None:
        from harness.leaderboard.run_rows import rows_of_runs

        rows += [(row, None) for row in rows_of_runs(source.runs)]
        origins.append(f"runs in {source.runs.name}")
    named = _with_distinct_keys([row for row, _ in rows])
    reports = {
        row.key: document for row, (_, document) in zip(named, rows, strict=True) if document is not None
    }
    curation = read_curation(source.curation) if source.curation is not None else Curation()
    for line in curation.unused(named):
        note(line)
    return Board(rows=curation.apply(named), table=table, origin=", ".join(origins), reports=reports)


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


def _judged(
    source: BoardSource, ruleset: Ruleset, note: Callable[[str], None]
) -> tuple[ClonePlan, list[Mapping[str, Any]]]:
    from harness.batch import in_order, judge_all
    from harness.check import CheckOptions
    from harness.git.pull_request import open_clone
    from harness.leaderboard.clone_rows import plan_board, rules_for_a_board
    from harness.progress import shown_progress
    from harness.result_cache import ResultCache, default_cache_dir

    assert source.repo is not None
    clone = open_clone(source.repo)
    plan = plan_board(clone, source.revision, all_prs=source.all_prs)
    if not plan.targets:
        raise SetupError(f"{source.repo}: no record folders at {source.revision}")
    cache = ResultCache(source.cache_dir or default_cache_dir()) if source.use_cache else None
    if cache is not None and cache.warning:
        note(cache.warning)
    options = CheckOptions(rules=rules_for_a_board(ruleset), rules_dir=source.rules_dir)
    with (
        cache if cache is not None else nullcontext(),
        shown_progress(
            len(plan.targets), "judged", quiet=source.quiet, program="golf-leaderboard"
        ) as advance,
    ):
        results = judge_all(plan.targets, clone, options, jobs=source.jobs, cache=cache)
        return plan, [result.document for result in in_order(advance(results))]


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
