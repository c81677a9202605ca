"""The rows of a clone: reports of the same commit that were written earlier stand in, the rest is judged."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING

from harness.errors import SetupError
from harness.leaderboard.clone_rows import plan_board, row_of_clone, rules_for_a_board
from harness.leaderboard.loss_curves import LOG_LIMIT_BYTES
from harness.leaderboard.report_rows import row_and_report
from harness.wording import count_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from harness.git.pull_request import Clone
    from harness.leaderboard.board_row import BoardRow
    from harness.leaderboard.board_sources import BoardSource
    from harness.leaderboard.clone_rows import ClonePlan
    from harness.leaderboard.kept_reports import PackedReport
    from harness.leaderboard.loss_curves import LogReader
    from harness.ruleset import Ruleset
    from harness.targets import Target

    Entry = tuple[BoardRow, PackedReport]
    Identity = tuple[str | None, int | str | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgedClone:
    """All rows of `plan`, the supplied reports that are of none of them, and a reader of the rows' logs."""

    plan: ClonePlan
    entries: list[Entry]
    unused: list[Entry]
    read_log: LogReader


def judged_clone(
    source: BoardSource, supplied: Sequence[Entry], ruleset: Ruleset, note: Callable[[str], None]
) -> JudgedClone:
    """Every row of the clone that the board asks for.

    A supplied report about a commit that is no longer a pull request's head, or about a folder that stands on
    the board as merged, is left out and counted. Raises `SetupError` when the clone has no record folders.
    """
    from harness.git.pull_request import open_clone

    assert source.repo is not None
    clone = open_clone(source.repo)
    plan = plan_board(clone, source.revision, all_prs=source.all_prs)
    if not plan.targets:
        raise SetupError(f"{source.repo}: no record folders at {source.revision}")
    known = {_identity(row, plan): (row, report) for row, report in supplied}
    wanted = {_target_identity(target, plan, clone): target for target in plan.targets}
    entries = {name: known[name] for name in wanted if name in known}
    todo = {name: target for name, target in wanted.items() if name not in known}
    entries.update(zip(todo, _judge(list(todo.values()), source, clone, ruleset, note), strict=True))
    rows = [(row_of_clone(plan, row), report) for row, report in (entries[name] for name in wanted)]
    here = {(row.pr, row.folder) for row, _ in rows}
    numbers = {target.pr for target in plan.targets if target.pr is not None}
    others = [entry for name, entry in known.items() if name not in wanted]
    unused = [
        (row, report)
        for row, report in others
        if row.pr not in numbers and (row.pr, row.folder) not in here and not _is_superseded(row, clone)
    ]
    if len(unused) < len(others):
        left = count_of(len(others) - len(unused), "report")
        note(f"{left} of older commits, or of folders that stand on the board as merged: left out")

    def read_log(row: BoardRow, log: str) -> bytes | None:
        if row.commit is None or row.folder is None:
            return None
        try:
            return clone.read_file(row.commit, f"{row.folder}/{log}", LOG_LIMIT_BYTES)
        except SetupError:
            return None  # a partial clone, or a report from another one: the page goes without the curve

    return JudgedClone(plan=plan, entries=rows, unused=unused, read_log=read_log)


def _identity(row: BoardRow, plan: ClonePlan) -> Identity:
    """What a report is about: a merged folder, or a pull request at a commit of it."""
    is_merged = row.commit == plan.commit and row.folder is not None
    return row.commit, row.folder if is_merged or row.pr is None else row.pr


def _target_identity(target: Target, plan: ClonePlan, clone: Clone) -> Identity:
    return (plan.commit, target.entry) if target.whole_tree else (clone.commit_of(target), target.pr)


def _is_superseded(row: BoardRow, clone: Clone) -> bool:
    """Whether the clone holds this pull request at another commit."""
    from harness.targets import Target

    if row.pr is None or row.commit is None:
        return False
    head = clone.commit_of(Target(pr=row.pr))
    return head is not None and head != row.commit


def _judge(
    targets: Sequence[Target],
    source: BoardSource,
    clone: Clone,
    ruleset: Ruleset,
    note: Callable[[str], None],
) -> list[Entry]:
    from harness.batch import in_order, judge_all
    from harness.check import CheckOptions
    from harness.progress import shown_progress
    from harness.result_cache import ResultCache, default_cache_dir

    if not targets:
        return []
    cache = ResultCache(source.cache_dir or default_cache_dir()) if source.use_cache else None
    if cache is not None and cache.warning:
        note(cache.warning)
    options = CheckOptions(rules=rules_for_a_board(ruleset), rules_dir=source.rules_dir)
    with (
        cache if cache is not None else nullcontext(),
        shown_progress(len(targets), "judged", quiet=source.quiet, program="golf-leaderboard") as advance,
    ):
        results = judge_all(targets, clone, options, jobs=source.jobs, cache=cache)
        return [row_and_report(result.document) for result in in_order(advance(results))]
