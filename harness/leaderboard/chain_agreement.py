"""The rows that the practised rule yields for a range of pull requests, beside those of the README's table.

The chain begins with the record that stood before the range as people ruled it; inside the range the rule
alone decides. A row that golf-check rejects or asks about does not compete, so it is also said which rows
would have entered if a person had let them in: the table is what people saw, not what a tool could read.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from harness.evidence.significance import Welch
from harness.leaderboard.clone_rows import table_row_of
from harness.leaderboard.p_values import any_gain, any_gain_cell
from harness.leaderboard.progression import Basis, EntryRule, Status, progression
from harness.reports.escape import markdown, printable, well_formed
from harness.wording import count_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from harness.evidence.leaderboard_table import TableRow
    from harness.leaderboard.board_row import BoardRow
    from harness.leaderboard.progression import Step
    from harness.ruleset import Limits


@dataclass(frozen=True, slots=True, kw_only=True)
class Placed:
    """A row of the range that the rule or the table names, or that would enter if a person let it in."""

    step: Step
    by_rule: bool
    in_table: bool

    @property
    def is_disputed(self) -> bool:
        """Whether rule and table differ."""
        return self.by_rule != self.in_table


@dataclass(frozen=True, slots=True, kw_only=True)
class ChainAgreement:
    """`placed` in the order of pull requests; `absent` are rows of the table that the board does not hold.

    `waiting` would enter but golf-check asks about them, `rejected` likewise but golf-check rejects them.
    `judged` counts the rows of the range.
    """

    first: int
    last: int
    placed: tuple[Placed, ...]
    waiting: tuple[Step, ...]
    rejected: tuple[Step, ...]
    absent: tuple[TableRow, ...]
    judged: int


def chain_agreement(
    rows: Sequence[BoardRow], table: Iterable[TableRow], limits: Limits, first: int, last: int
) -> ChainAgreement:
    """Compare rule and table for the pull requests from `first` to `last`."""
    listed = tuple(table)
    earlier = [row for row in rows if row.pr is None or row.pr < first]
    inside = [row for row in rows if row.pr is not None and first <= row.pr <= last]
    before = progression(earlier, limits, rule=EntryRule.PRACTICE, basis=Basis.RULINGS)
    standing = [step.row for step in before if step.is_record]
    steps = progression(inside, limits, rule=EntryRule.PRACTICE, basis=Basis.RULE, standing=standing)
    shown = {row.key: table_row_of(row, listed) for row in inside}
    placed = tuple(
        Placed(step=step, by_rule=step.is_record, in_table=shown[step.row.key] is not None)
        for step in steps
        if step.is_record or shown[step.row.key] is not None
    )
    held = [step for step in steps if _would_enter(step, limits) and shown[step.row.key] is None]
    have = {found.line for found in shown.values() if found is not None}
    absent = tuple(
        row for row in listed if row.pulls and first <= row.pulls[0] <= last and row.line not in have
    )
    return ChainAgreement(
        first=first,
        last=last,
        placed=placed,
        waiting=tuple(step for step in held if step.status is Status.HELD),
        rejected=tuple(step for step in held if step.status is Status.REJECTED),
        absent=absent,
        judged=len(inside),
    )


def _would_enter(step: Step, limits: Limits) -> bool:
    """Whether only a person or golf-check stands between the row and the record of its time."""
    if step.status not in (Status.HELD, Status.REJECTED) or step.numbers is None:
        return False
    test = any_gain(step.numbers)
    is_shown = isinstance(test, Welch) and test.p < limits.number("significance.p_chain")
    return step.numbers.gain.bpb > 0 and is_shown


def _sets(found: ChainAgreement) -> list[tuple[str, str]]:
    """The two sets and what lies between them, in words."""

    def keys(steps: Iterable[Step]) -> str:
        return " ".join(step.row.key for step in steps) or "none"

    by_rule = [one.step for one in found.placed if one.by_rule]
    in_table = [one.step for one in found.placed if one.in_table]
    return [
        (f"by the rule ({len(by_rule)})", keys(by_rule)),
        (f"in the table ({len(in_table)})", keys(in_table)),
        ("both", keys(one.step for one in found.placed if not one.is_disputed)),
        ("only by the rule", keys(one.step for one in found.placed if one.by_rule and not one.in_table)),
        ("only in the table", keys(one.step for one in found.placed if one.in_table and not one.by_rule)),
        (f"would enter, but golf-check asks ({len(found.waiting)})", keys(found.waiting)),
        (f"would enter, but golf-check rejects ({len(found.rejected)})", keys(found.rejected)),
        *(("in the table, not on this board", f"README.md:{row.line} {row.run}") for row in found.absent),
    ]


def _line(one: Placed) -> str:
    against = one.step.against.key if one.step.against is not None else "nothing"
    where = "rule and table" if not one.is_disputed else "rule only" if one.by_rule else "table only"
    p = any_gain_cell(one.step.numbers)
    return f"{one.step.row.key}: {where}; p {p} against {against}; {one.step.reason}"


def _title(found: ChainAgreement) -> str:
    return f"#{found.first} to #{found.last}: {count_of(found.judged, 'row')} of this board"


def chain_agreement_text(found: ChainAgreement) -> str:
    """The sets, then each row of either with its numbers."""
    lines = [_title(found)]
    lines += [f"  {name}: {printable(keys, 2_000)}" for name, keys in _sets(found)]
    lines += ["", *(printable(_line(one)) for one in found.placed)]
    lines += [f"{printable(_held(step))}" for step in (*found.waiting, *found.rejected)]
    return "\n".join(lines) + "\n"


def _held(step: Step) -> str:
    against = step.against.key if step.against is not None else "nothing"
    return (
        f"{step.row.key}: {step.status.value}; mean {step.row.mean:.5f}, p {any_gain_cell(step.numbers)} "
        f"against {against}; {step.reason}"
    )


def chain_agreement_markdown(found: ChainAgreement) -> str:
    """The sets as a list, the rows as a table."""
    lines = [markdown(_title(found)), ""]
    lines += [f"- {markdown(name)}: {markdown(keys, 2_000)}" for name, keys in _sets(found)]
    lines += ["", "| row | rule | table | mean | against | p | why |", "|---|---|---|---|---|---|---|"]
    for one in found.placed:
        step = one.step
        cells = (
            step.row.key,
            "yes" if one.by_rule else "no",
            "yes" if one.in_table else "no",
            f"{step.row.mean:.5f}" if step.row.mean is not None else "-",
            step.against.key if step.against is not None else "-",
            any_gain_cell(step.numbers),
            step.reason,
        )
        lines.append("| " + " | ".join(markdown(cell) for cell in cells) + " |")
    lines += ["", *(f"- {markdown(_held(step))}" for step in (*found.waiting, *found.rejected))]
    return "\n".join(lines) + "\n"


def chain_agreement_json(found: ChainAgreement) -> str:
    """One JSON document, in ASCII."""

    def one(step: Step) -> dict[str, object]:
        test = any_gain(step.numbers) if step.numbers is not None else None
        return {
            "row": well_formed(step.row.key),
            "pr": step.row.pr,
            "mean_val_bpb": step.row.mean,
            "status": step.status.value,
            "against": well_formed(step.against.key) if step.against is not None else None,
            "p": test.p if isinstance(test, Welch) else None,
            "reason": well_formed(step.reason),
        }

    document = {
        "schema_version": 1,
        "first": found.first,
        "last": found.last,
        "judged": found.judged,
        "placed": [
            {**one(each.step), "by_rule": each.by_rule, "in_table": each.in_table} for each in found.placed
        ],
        "waiting": [one(step) for step in found.waiting],
        "rejected": [one(step) for step in found.rejected],
        "absent": [{"line": row.line, "run": well_formed(row.run)} for row in found.absent],
    }
    return json.dumps(document, indent=1) + "\n"
