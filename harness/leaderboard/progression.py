"""The chain of records: who held the record when, and why each row entered, did not, or needs a person.

Rows are taken in the order in which their pull requests were opened (README; rules.md chrono-open); a row is
measured against the best row before it that counts. Two readings of "beats it" exist and both are kept:
the README's (0.005 nats at p < 0.01) and the practice since 2026-04-28 (one-sided Welch, p < 0.25; #1899,
#1902), with the point estimate of 0.005 nats per token before it (#549, #589).
"""

from __future__ import annotations

import datetime
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from harness.evidence.significance import Comparison, NotTestable, Welch, compare, p_in_words
from harness.leaderboard.board_row import BoardRow, Outcome, Standing
from harness.leaderboard.p_values import any_gain, with_margin
from harness.wording import count_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from harness.ruleset import Limits


class EntryRule(StrEnum):
    """Which reading decides whether a better score is a record."""

    TEXT = "text"  # the README: at least 0.005 nats, shown at p < 0.01
    PRACTICE = "practice"  # what organisers applied: p < 0.25 in the chain, the point estimate before it


class Basis(StrEnum):
    """What moves the record: people's rulings where there are some, or the entry rule alone."""

    RULINGS = "rulings"
    RULE = "rule"


class Status(StrEnum):
    """What became of a row."""

    FIRST = "first"  # nothing was there to beat
    ENTERED = "entered"
    NOT_SHOWN = "not-shown"  # lower than the record, but the rule's statistics do not hold
    TRAILS = "trails"  # not lower than the record of its time
    HELD = "needs-human"
    REJECTED = "rejected"
    OUTSIDE = "outside"  # another track, or no score


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """A row in its place. `against` is the record it had to beat, None where there was none.

    `numbers` compares its own runs with those of that record, `with_reproductions` these and the runs others
    made of either. `is_record` says whether it held the record afterwards, `ruled_otherwise` that a ruling
    and the rule disagree.
    """

    row: BoardRow
    status: Status
    reason: str
    against: BoardRow | None = None
    numbers: Comparison | None = None
    with_reproductions: Comparison | None = None
    is_record: bool = False
    ruled_otherwise: bool = False


def in_order(rows: Iterable[BoardRow]) -> tuple[BoardRow, ...]:
    """By pull request, which are numbered as they are opened; what was there at launch comes first.

    A row without a number that golf-run measured comes last: it competes with everything before it.
    """

    def place(row: BoardRow) -> tuple[int, int, str]:
        if row.pr is None:
            return (2 if row.standing is Standing.MEASURED else 0, 0, row.key)
        return (1, row.pr, row.folder or "")

    return tuple(sorted(rows, key=place))


def progression(
    rows: Iterable[BoardRow],
    limits: Limits,
    *,
    rule: EntryRule,
    basis: Basis = Basis.RULINGS,
    standing: Sequence[BoardRow] = (),
) -> tuple[Step, ...]:
    """Every row in its place, earliest first. `limits` are those of the date the board is made for.

    `standing` are rows that held the record before all of these.
    """
    records = list(standing)
    steps: list[Step] = []
    for row in in_order(rows):
        rivals = [other for other in records if row.pr is None or other.pr != row.pr]
        best = min(rivals, key=lambda other: (other.mean or 0.0, other.pr or 0), default=None)
        step = _step(row, best, limits, rule, basis)
        steps.append(step)
        if step.is_record:
            records.append(row)
    return tuple(steps)


def _step(row: BoardRow, best: BoardRow | None, limits: Limits, rule: EntryRule, basis: Basis) -> Step:
    if row.judged is not None and row.judged.error is not None and not row.scores and not row.track:
        return Step(
            row=row,
            status=Status.OUTSIDE,
            reason=f"golf-check could not look at it: {row.judged.error}",
        )
    if row.track != "record":
        return Step(row=row, status=Status.OUTSIDE, reason=f"filed as {row.track or 'no track'}")
    if row.mean is None:
        return Step(row=row, status=Status.OUTSIDE, reason="no score is known")
    barred = _barred(row, limits)
    numbers = None if best is None else _compared(row.values, best, row, limits)
    wider = None
    if best is not None and (row.reproductions or best.reproductions):
        old = best.values_with_reproductions
        wider = _compared(row.values_with_reproductions, best, row, limits, old)
    if barred is not None:
        status, reason = barred
        return Step(
            row=row, status=status, reason=reason, against=best, numbers=numbers, with_reproductions=wider
        )
    status, reason = _by_rule(row, best, numbers, wider, limits, rule)
    enters = status in (Status.FIRST, Status.ENTERED)
    is_lower = best is None or row.mean < (best.mean or 0.0)
    accepted = row.ruling is not None and row.ruling.outcome is Outcome.ACCEPTED
    by_ruling = basis is Basis.RULINGS and accepted and is_lower
    return Step(
        row=row,
        status=status,
        reason=reason,
        against=best,
        numbers=numbers,
        with_reproductions=wider,
        is_record=enters or by_ruling,
        ruled_otherwise=accepted and is_lower and not enters,
    )


def _barred(row: BoardRow, limits: Limits) -> tuple[Status, str] | None:
    """Why a row does not compete, whatever its score: a ruling first, then what golf-check says."""
    ruling = row.ruling
    if ruling is not None and ruling.outcome is not Outcome.ACCEPTED:
        status = Status.REJECTED if ruling.outcome is Outcome.REJECTED else Status.HELD
        on = f" on {ruling.date}" if ruling.date else ""
        return status, f"{ruling.outcome.value} by {ruling.who}{on}: {ruling.why} ({ruling.source})"
    if ruling is not None:
        return None
    late = _after_the_cutoff(row, limits)
    if late is not None:
        return late
    if row.created_at and row.evidence_at and row.evidence_at.value > row.created_at.value:
        # D23: creation holds the place only of what was there; which of the two orders counts is a person's.
        came = row.evidence_at.value.date()
        return Status.HELD, f"its evidence came on {came}, after it was opened: which order counts?"
    judged = row.judged
    if judged is None or judged.verdict == "accept":
        return None
    if judged.verdict == "reject":
        return Status.REJECTED, f"golf-check rejects it: {', '.join(judged.failed)}"
    if judged.error is not None:
        return Status.HELD, f"golf-check could not look at it: {judged.error}"
    what = judged.asked or judged.open
    words = "asks about" if judged.asked else "could not check"
    return Status.HELD, f"golf-check {words} {', '.join(what)}"


def _after_the_cutoff(row: BoardRow, limits: Limits) -> tuple[Status, str] | None:
    """D24: what was opened too late is no record; what came in later is for a person, who may grant grace."""
    if row.created_at is None and row.evidence_at is None:
        return None
    cutoff = limits.get("challenge.cutoff")
    if cutoff.tzinfo is None:
        cutoff = cutoff.replace(tzinfo=datetime.UTC)
    if row.created_at is not None and row.created_at.value >= cutoff:
        opened = row.created_at.value.isoformat()
        return Status.REJECTED, f"opened {opened}, not before the cutoff {cutoff.isoformat()}"
    if row.evidence_at is not None and row.evidence_at.value >= cutoff:
        came = row.evidence_at.value.isoformat()
        return (
            Status.HELD,
            f"its evidence came {came}, after the cutoff {cutoff.isoformat()}: does grace apply?",
        )
    return None


def _compared(
    values: Sequence[float],
    best: BoardRow,
    row: BoardRow,
    limits: Limits,
    old: Sequence[float] | None = None,
) -> Comparison:
    return compare(
        values,
        best.values if old is None else old,
        margin_nats=limits.number("significance.margin_nats"),
        bytes_per_token=row.bytes_per_token,
    )


def _by_rule(
    row: BoardRow,
    best: BoardRow | None,
    numbers: Comparison | None,
    wider: Comparison | None,
    limits: Limits,
    rule: EntryRule,
) -> tuple[Status, str]:
    if best is None or numbers is None:
        return Status.FIRST, "the first row: there is no record to beat"
    if numbers.gain.bpb <= 0:
        words = "equals" if numbers.gain.bpb == 0 else f"is {-numbers.gain.bpb:.5f} bits per byte above"
        return Status.TRAILS, f"its mean {words} that of {best.key}"
    status, reason = _tested(row, numbers, limits, rule)
    if status is Status.ENTERED or wider is None:
        return status, reason
    again, why = _tested(row, wider, limits, rule)
    extra = len(wider.new) - len(numbers.new) + len(wider.old) - len(numbers.old)
    runs = f"with {count_of(extra, 'reproduction run')}"
    if again is Status.ENTERED and wider.gain.bpb > 0:
        return again, f"{why} {runs}; {reason} on their own runs"
    return status, f"{reason}; {why} {runs}"


def _tested(row: BoardRow, numbers: Comparison, limits: Limits, rule: EntryRule) -> tuple[Status, str]:
    if rule is EntryRule.TEXT:
        return _readme_test(numbers, limits)
    first = limits.integer("significance.chain_first_pr")
    is_older = row.pr is not None and row.pr < first
    if is_older or limits.as_of < limits.get("significance.chain_since"):
        return _point_estimate(numbers)
    return _chain_test(numbers, limits)


def _nats(numbers: Comparison) -> tuple[float, str]:
    """The gain in the unit that the margin is read in, and its name."""
    gain = numbers.gain
    if gain.nats_per_token is None:
        return gain.nats_per_byte, "nats per byte (bytes per token are unknown)"
    return gain.nats_per_token, "nats per token"


def _point_estimate(numbers: Comparison) -> tuple[Status, str]:
    gain, unit = _nats(numbers)
    enters = gain >= numbers.margin_nats
    words = f"{gain:+.4f} {unit}, {'at least' if enters else 'below'} {numbers.margin_nats}"
    return (Status.ENTERED if enters else Status.NOT_SHOWN), words


def _readme_test(numbers: Comparison, limits: Limits) -> tuple[Status, str]:
    gain, unit = _nats(numbers)
    if gain < numbers.margin_nats:
        return Status.NOT_SHOWN, f"{gain:+.4f} {unit}, below {numbers.margin_nats}"
    wanted = limits.number("significance.p_readme")
    return _p_below(with_margin(numbers), wanted, f"for {numbers.margin_nats} nats")


def _chain_test(numbers: Comparison, limits: Limits) -> tuple[Status, str]:
    wanted = limits.number("significance.p_chain")
    return _p_below(any_gain(numbers), wanted, "for any gain")


def _p_below(test: Welch | NotTestable, wanted: float, what: str) -> tuple[Status, str]:
    if isinstance(test, NotTestable):
        return Status.HELD, p_in_words(test)
    enters = test.p < wanted
    words = f"{p_in_words(test)} {what}, {'below' if enters else 'not below'} {wanted:g}"
    return (Status.ENTERED if enters else Status.NOT_SHOWN), words
