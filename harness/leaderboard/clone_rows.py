"""Rows of a clone: every folder under records/ at a revision, and rows of the README's table without one."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from harness.evidence.leaderboard_table import read_leaderboard
from harness.evidence.standing_record import README_LIMIT_BYTES
from harness.leaderboard.board_row import Outcome, RowRuling
from harness.leaderboard.report_rows import DECIDED_BY_THE_CHAIN
from harness.targets import Target

if TYPE_CHECKING:
    from collections.abc import Iterable

    from harness.evidence.leaderboard_table import TableRow
    from harness.git.pull_request import Clone
    from harness.leaderboard.board_row import BoardRow
    from harness.ruleset import Ruleset


@dataclass(frozen=True, slots=True, kw_only=True)
class ClonePlan:
    """What to judge: `targets`, the accepted rows of the README's table, and the folders at `revision`."""

    revision: str
    commit: str
    targets: tuple[Target, ...]
    table: tuple[TableRow, ...]
    folders: frozenset[str] = frozenset()


def plan_board(clone: Clone, revision: str, *, all_prs: bool = False) -> ClonePlan:
    """The folders at `revision`, the pull requests of table rows that have none, and all others if wished.

    Raises `SetupError` when the clone has no record folders there.
    """
    folders = clone.record_folders(revision)
    commit = clone.commit_at(revision)
    data = clone.read_file(commit, "README.md", README_LIMIT_BYTES)
    table = read_leaderboard(data.decode("utf-8", "replace")) if data is not None else ()
    targets = [Target(revision=revision, entry=folder, whole_tree=True) for folder in folders]
    have = set(clone.pull_requests())
    brought = {clone.record(revision, folder).origin.pr for folder in folders}
    known = set(folders)
    wanted = {
        row.pulls[0]
        for row in table
        if row.pulls and not known.intersection(row.folders) and row.pulls[0] not in brought
    }
    numbers = have - brought if all_prs else wanted & have
    targets += [Target(pr=number) for number in sorted(numbers)]
    return ClonePlan(
        revision=revision, commit=commit, targets=tuple(targets), table=table, folders=frozenset(known)
    )


def rules_for_a_board(ruleset: Ruleset) -> tuple[str, ...]:
    """All rules but those about the standing record, which the chain decides for every row at once."""
    return tuple(rule for rule in ruleset.rules if rule not in DECIDED_BY_THE_CHAIN)


def row_of_clone(plan: ClonePlan, row: BoardRow) -> BoardRow:
    """A row of `plan.targets`, ruled accepted where the README's table shows it."""
    return _ruled(row, plan, is_merged=row.commit == plan.commit and row.folder in plan.folders)


def table_row_of(row: BoardRow, table: Iterable[TableRow]) -> TableRow | None:
    """The row of the README's table that shows this one: by folder, else by its first pull request.

    A pull request writes its folder's name itself, so this is for rows whose place is known otherwise.
    """
    listed = tuple(table)
    by_folder = next(
        (shown for shown in listed if row.folder is not None and row.folder in shown.folders), None
    )
    if by_folder is not None:
        return by_folder
    return next((shown for shown in listed if not shown.folders and row.pr in shown.pulls[:1]), None)


def _row_of_pull_request(row: BoardRow, plan: ClonePlan) -> TableRow | None:
    """The table's row about this pull request, where none of its folders is merged.

    By number alone: any pull request can name its folder like one that was accepted.
    """
    return next(
        (
            shown
            for shown in plan.table
            if row.pr in shown.pulls[:1] and not plan.folders.intersection(shown.folders)
        ),
        None,
    )


def _ruled(row: BoardRow, plan: ClonePlan, *, is_merged: bool) -> BoardRow:
    shown = table_row_of(row, plan.table) if is_merged else _row_of_pull_request(row, plan)
    if shown is not None:
        ruling = RowRuling(
            outcome=Outcome.ACCEPTED,
            who="the organisers",
            why="it has a row in the README's table",
            source=f"README.md:{shown.line} at {plan.commit[:9]}",
        )
        return replace(row, ruling=ruling)
    if is_merged and row.track == "record":
        note = f"merged at {plan.revision}, but no row of the README's table shows it"
        return replace(row, notes=(*row.notes, note))
    return row
