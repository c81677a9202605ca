"""Explains each printed score: which sum, divided by which count, gives that number.

Candidates are all sums and reductions before the line, and what came out of an exchange between ranks. The
exact number behind the digits is known where it was formatted in an f-string; else half of the last digit is
the tolerance. A number that nothing explains is a statement of its own: the score was not added up where we
could see it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from harness.dynamic.accumulators import Chain, chains_of
from harness.dynamic.events import LossEvent, ReductionEvent
from harness.dynamic.printed_metrics import printed_numbers
from harness.dynamic.rank_sums import RankSum
from harness.dynamic.score_taker import score_takers

if TYPE_CHECKING:
    from collections.abc import Sequence

    from harness.dynamic.counted_scores import CountedScore
    from harness.dynamic.event_record import EventRecord
    from harness.dynamic.printed_metrics import PrintedNumber

LN2 = math.log(2.0)
_EXACT = 1e-9
_ROUNDED = 3e-6  # a ratio of float32 sums
_MOST_CANDIDATES = 4_000
_OVER_RANKS = "sum over ranks"
_FACTORS = ((1.0, "nats"), (1.0 / LN2, "bits"), (-1.0, "nats"), (-1.0 / LN2, "bits"))


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ExplainedMetric:
    """A printed number and the sums that give it: `numerator` / `denominator`, over ln 2 where `in_bits`.

    `numerator` is the place of the sum of losses; `denominator` the value it was divided by and
    `denominator_site` where that was added up ("" for a number that is the sum itself or was divided by a
    count of its own values). `is_exact` says that the formatted number agrees to 1e-9, not only its digits.
    """

    metric: PrintedNumber
    numerator: str
    denominator: float
    denominator_site: str
    in_bits: bool
    is_exact: bool
    score: CountedScore


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Top:
    """A candidate above the line: a sum, with what takes it apart."""

    value: float
    weight: int
    number: int
    source: Chain | ReductionEvent | LossEvent | RankSum


@dataclass(frozen=True, slots=True, kw_only=True)
class _Bottom:
    """A candidate below the line."""

    value: float
    site: str
    number: int
    chain: Chain | None = None


class Metrics:
    """The printed scores of one run and what explains them. `stream_tokens` counts the validation stream."""

    def __init__(self, record: EventRecord, stream_tokens: int) -> None:
        self.record = record
        self.stream_tokens = stream_tokens
        chains = chains_of(record)
        self.chains = [chain for chain in chains if chain.rank == 0]
        self.printed = tuple(printed_numbers(record))
        self._takers = score_takers(record, chains)
        self._taker = self._takers[0]
        self._reductions = [event for event in record.of(ReductionEvent) if event.rank == 0]
        self._losses = [
            loss
            for loss in record.of(LossEvent)
            if loss.rank == 0 and loss.value is not None and loss.nll is not None
        ]

    def explain(self, metric: PrintedNumber) -> ExplainedMetric | None:
        """What gives `metric`: the longest and latest sum that fits; None when none does."""
        if not math.isfinite(metric.value) or metric.value == 0.0:
            return None
        since = max(
            (
                each.number
                for each in self.printed
                if each.number < metric.number and each.label != metric.label
            ),
            default=0,
        )
        for tolerance, exact in self._tolerances(metric):
            for first in (since, 0):
                tops, bottoms = self._tops(metric.number, first), self._bottoms(metric.number, first)
                found = _fitting(metric, tops, bottoms, tolerance)
                if found is not None:
                    return self._told(metric, *found, exact=exact)
        return None

    @staticmethod
    def _tolerances(metric: PrintedNumber) -> list[tuple[float, bool]]:
        if metric.exact is not None:
            return [(_EXACT, True), (_ROUNDED, False)]
        return [(0.5 * 10.0**-metric.digits / abs(metric.printed), False)]

    def _tops(self, before: int, since: int) -> list[_Top]:
        tops: list[_Top] = []
        for chain in self.chains:
            if chain.first >= before or chain.last <= since or chain.is_whole:
                continue
            count = chain.count_before(before)
            if chain.increments[count - 1].number > since:
                weight = sum(event.folded for event in chain.increments[:count])
                tops.append(
                    _Top(
                        value=chain.totals[count - 1],
                        weight=weight,
                        number=chain.increments[count - 1].number,
                        source=chain,
                    )
                )
        for reduction in self._reductions:
            if since < reduction.number < before and (reduction.array is not None or reduction.size > 1):
                whole = reduction.value * (reduction.size if reduction.op == "mean" else 1)
                tops.append(
                    _Top(value=whole, weight=reduction.size, number=reduction.number, source=reduction)
                )
        for loss in self._losses:
            if since < loss.number < before:
                assert loss.value is not None
                whole = loss.value * (loss.size if loss.reduction == "mean" else 1)
                tops.append(_Top(value=whole, weight=loss.size, number=loss.number, source=loss))
        for each in self._taker.rank_sums.all:
            if since < each.number < before:
                weight = sum(
                    self._takers[part.rank].given_count(part.value, part.number) for part in each.parts
                )
                tops.append(_Top(value=each.value, weight=weight, number=each.number, source=each))
        tops = [top for top in tops if top.value != 0.0 and math.isfinite(top.value)]
        tops.sort(key=lambda top: (top.weight, top.number), reverse=True)
        return tops[:_MOST_CANDIDATES]

    def _bottoms(self, before: int, since: int) -> list[_Bottom]:
        bottoms: list[_Bottom] = []
        for chain in self.chains:
            if chain.first >= before or chain.last <= since:
                continue
            count = chain.count_before(before)
            at = chain.increments[count - 1].number
            bottoms.append(_Bottom(value=chain.totals[count - 1], site=chain.site, number=at, chain=chain))
        bottoms += [
            _Bottom(value=each.value, site=each.site, number=each.number)
            for each in self._reductions
            if since < each.number < before
        ]
        bottoms += [
            _Bottom(value=each.value, site=_OVER_RANKS, number=each.number)
            for each in self._taker.rank_sums.all
            if since < each.number < before
        ]
        bottoms += [
            _Bottom(value=float(tokens), site="tokens of the stream", number=0)
            for tokens in (self.stream_tokens, self.stream_tokens - 1)
        ]
        bottoms = [each for each in bottoms if each.value > 0.0 and math.isfinite(each.value)]
        bottoms.sort(key=lambda each: each.number, reverse=True)
        return bottoms[:_MOST_CANDIDATES]

    def _told(
        self, metric: PrintedNumber, top: _Top, bottom: _Bottom, unit: str, *, exact: bool
    ) -> ExplainedMetric:
        if isinstance(top.source, Chain):
            score = self._taker.counted(top.source, metric.number)
            site = top.source.site
        else:
            score = self._taker.of_source(top.source)
            site = _site(top.source)
        return ExplainedMetric(
            metric=metric,
            numerator=site,
            denominator=bottom.value,
            denominator_site=bottom.site,
            in_bits=unit == "bits",
            is_exact=exact,
            score=_with_tokens(score, bottom.chain, metric.number, self.stream_tokens),
        )


def _fitting(
    metric: PrintedNumber, tops: Sequence[_Top], bottoms: Sequence[_Bottom], tolerance: float
) -> tuple[_Top, _Bottom, str] | None:
    order = np.argsort([each.value for each in bottoms], kind="stable")
    values = np.array([bottoms[at].value for at in order])
    for top in tops:
        own: list[float] = [1.0]
        if isinstance(top.source, Chain):
            own.append(float(top.source.count_before(metric.number)))
        elif not isinstance(top.source, RankSum):
            own.append(float(top.source.size))
        for factor, unit in _FACTORS:
            if unit == "nats" and metric.unit == "bpb" and not _may_be_in_bits(top):
                continue
            due = top.value * factor / metric.value
            if due <= 0.0:
                continue
            first, last = np.searchsorted(values, [due * (1 - tolerance), due * (1 + tolerance)])
            fits = [bottoms[at] for at in order[first:last] if bottoms[at].chain is not top.source]
            if fits:
                # A count is likelier what a sum was divided by than a number that happens to agree.
                best = max(fits, key=lambda each: (each.chain is not None, each.number))
                return top, best, unit
            for count in own:
                if abs(count - due) <= tolerance * due:
                    return top, _Bottom(value=count, site="", number=top.number), unit
    return None


def _site(source: ReductionEvent | LossEvent | RankSum) -> str:
    if isinstance(source, RankSum):
        return _OVER_RANKS
    return source.site if isinstance(source, ReductionEvent) else source.function


def _may_be_in_bits(top: _Top) -> bool:
    """A sum of base-2 logarithms gives bits per byte without ln 2; anything added up may be one."""
    return not isinstance(top.source, LossEvent)


def _with_tokens(score: CountedScore, counts: Chain | None, before: int, stream_tokens: int) -> CountedScore:
    """Fill in how many tokens the values stand for that could not be taken apart.

    The count below the line tells where it went up as often as the sum: itself where it counts tokens, by its
    shares where it counts bytes. Else they share the rest evenly.
    """
    unknown = np.isnan(score.tokens)
    if not unknown.any():
        return score
    tokens, is_guess = score.tokens.copy(), False
    known = counts.count_before(before) if counts is not None else 0
    if counts is not None and known == tokens.size and stream_tokens >= counts.totals[known - 1]:
        added = np.array([event.signed for event in counts.increments[:known]])
        tokens[unknown] = added[unknown]
    else:
        rest = max(stream_tokens - 1 - float(np.nansum(tokens)), 0.0)
        shares, is_guess = np.ones(tokens.size), True
        if counts is not None and known == tokens.size:  # bytes, say: as many tokens go with as many of them
            shares = np.array([abs(event.signed) for event in counts.increments[:known]])
            is_guess = False
        weight = float(shares[unknown].sum())
        tokens[unknown] = np.maximum(rest * shares[unknown] / weight if weight > 0.0 else 1.0, 1.0)
    return replace(score, tokens=tokens, has_guessed_tokens=is_guess)
