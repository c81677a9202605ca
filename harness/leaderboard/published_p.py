"""The p-values that a README's table states, beside ours: which sample sets give the published number.

A row's summary says "p=0.020 vs #1493" and not from which runs. So the test is made with each set of runs
that can be meant - the submission's own, these with reproduction runs, a rerun alone - and in the three ways
that were used: Welch with sample deviations, Welch with population deviations, one sample against the old
mean.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING

from harness.evidence.significance import (
    NotTestable,
    mean,
    one_sample,
    one_sided_welch,
    population_std,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from harness.evidence.leaderboard_table import TableRow
    from harness.leaderboard.board_row import BoardRow

_STATED = re.compile(r"\bp\s{0,2}[=<~≈]\s{0,2}(0?\.\d{1,6})(?:\s{1,3}vs\.?\s{1,3}(?:PR\s{1,3})?#(\d{1,7}))?")
_PULL = re.compile(r"#(\d{1,7})")
_SUMMARY_CHARACTERS = 4_000


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishedP:
    """One statement: the row `new` beats pull request `against` with `p`, printed with `digits` decimals."""

    line: int
    new: int
    against: int
    p: float
    digits: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SampleSet:
    """Runs that may be meant, bits per byte, and whose they are."""

    name: str
    scores: tuple[float, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """One way to compute it. `p` is None where nothing can be tested; it agrees within one last digit."""

    how: str
    new: SampleSet
    old: SampleSet
    p: float | None
    agrees: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckedP:
    """A published p-value and every reading of it, the plain one first. `missing` says what is not known."""

    published: PublishedP
    readings: tuple[Reading, ...]
    missing: str = ""

    @property
    def plain(self) -> Reading | None:
        """Welch with sample deviations over the submissions' own runs: what this project computes."""
        return self.readings[0] if self.readings else None

    @property
    def reproduced(self) -> Reading | None:
        """The first reading that gives the published number."""
        return next((reading for reading in self.readings if reading.agrees), None)


def published_in(table: Iterable[TableRow]) -> Iterator[PublishedP]:
    """Every p-value that a row's summary states against a pull request, in the order of the table."""
    for row in table:
        summary = row.summary[:_SUMMARY_CHARACTERS]
        for found in _STATED.finditer(summary):
            before = [int(pull) for pull in _PULL.findall(summary[: found.start()])]
            others = [pull for pull in before if pull not in row.pulls]
            against = int(found[2]) if found[2] else others[-1] if others else None
            if against is not None and row.pulls:
                digits = len(found[1].partition(".")[2])
                yield PublishedP(
                    line=row.line, new=row.pulls[0], against=against, p=float(found[1]), digits=digits
                )


def checked(published: PublishedP, rows: Sequence[BoardRow]) -> CheckedP:
    """Every reading of one statement with the rows of a board."""
    sides = [_sets(pull, rows) for pull in (published.new, published.against)]
    for pull, sets in zip((published.new, published.against), sides, strict=True):
        if not sets:
            return CheckedP(
                published=published, readings=(), missing=f"no row of this board is #{pull} with scores"
            )
    readings = tuple(
        _reading(how, new, old, published)
        for new, old in product(*sides)
        for how in ("Welch", "Welch, population deviations", "one sample")
    )
    return CheckedP(published=published, readings=readings)


def _sets(pull: int, rows: Sequence[BoardRow]) -> list[SampleSet]:
    """The runs that "#1855" may stand for: its own, each reproduction alone, and its own with each."""
    found: list[SampleSet] = []
    for row in (row for row in rows if row.pr == pull and row.values):
        own = SampleSet(name=f"{len(row.values)} own", scores=row.values)
        found.append(own)
        for runs in row.reproductions:
            what = f"{len(runs.scores)} by {runs.who}"
            found.append(SampleSet(name=f"{own.name} + {what}", scores=(*row.values, *runs.scores)))
            found.append(SampleSet(name=what, scores=runs.scores))
    return found


def _reading(how: str, new: SampleSet, old: SampleSet, published: PublishedP) -> Reading:
    if how == "one sample":
        test = one_sample(new.scores, mean(old.scores))
    elif how == "Welch":
        test = one_sided_welch(new.scores, old.scores)
    else:
        test = one_sided_welch(new.scores, old.scores, deviation=population_std)
    p = None if isinstance(test, NotTestable) else test.p
    unit = 10.0**-published.digits
    return Reading(
        how=how, new=new, old=old, p=p, agrees=p is not None and abs(p - published.p) < unit + 1e-12
    )
