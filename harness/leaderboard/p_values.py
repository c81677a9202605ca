"""Which test decides, and how its p-value is written in a table.

Against a record of several runs it is Welch's test. A record of a single run has no variance, so its score is
taken as exact and the new runs are tested against it (one sample): the weaker statement, marked as such.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.evidence.significance import NotTestable, Welch, one_sample

if TYPE_CHECKING:
    from harness.evidence.significance import Comparison

ONE_SAMPLE_MARK = "¹"
LEGEND = f"{ONE_SAMPLE_MARK} the record has one run, whose score is taken as exact (one-sample test)"


def any_gain(numbers: Comparison) -> Welch | NotTestable:
    """The test for any gain."""
    return one_sample(numbers.new, numbers.old[0]) if len(numbers.old) == 1 else numbers.no_margin


def with_margin(numbers: Comparison) -> Welch | NotTestable:
    """The test for the README's margin."""
    return numbers.one_sample if len(numbers.old) == 1 else numbers.with_margin


def p_value(test: Welch | NotTestable) -> str:
    """A p-value in four decimals, "<.0001" below; "-" where nothing can be tested."""
    if isinstance(test, NotTestable):
        return "-"
    return "<.0001" if test.p < 0.0001 else f"{test.p:.4f}"


def any_gain_cell(numbers: Comparison | None) -> str:
    """The p-value for any gain, for a table; "-" without a record to beat."""
    return "-" if numbers is None else _cell(any_gain(numbers), numbers)


def margin_cell(numbers: Comparison | None) -> str:
    """The p-value for the README's margin, for a table; "-" without a record to beat."""
    return "-" if numbers is None else _cell(with_margin(numbers), numbers)


def _cell(test: Welch | NotTestable, numbers: Comparison) -> str:
    """Marked where it is the one-sample test, the reason in two words where there is none."""
    if isinstance(test, NotTestable):
        return "1 run" if len(numbers.new) < 2 else "no spread"
    return p_value(test) + (ONE_SAMPLE_MARK if len(numbers.old) == 1 else "")
