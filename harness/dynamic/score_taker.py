"""Takes a sum of losses apart: into single losses, with the position of the token each one is the score of.

An increment that equals a sum seen just before is that sum's values; one that equals what an inner sum gained
since the last increment is the inner sum's increments. Values that equal losses over known targets have known
positions. A number that came out of an exchange between ranks is what each of them had put in. What cannot be
taken apart is coarse: one value that stands for many tokens.
"""

from __future__ import annotations

from bisect import bisect_left
from typing import TYPE_CHECKING

import numpy as np

from harness.dynamic.counted_scores import CountedScore, Piece, chained, joined, single
from harness.dynamic.events import CutEvent, LossEvent, ReductionEvent
from harness.dynamic.loss_places import UNKNOWN, likely_offset, matched, positions_of
from harness.dynamic.rank_sums import RankSum, RankSums

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from harness.dynamic.accumulators import Chain
    from harness.dynamic.event_record import EventRecord

_EXACT = 1e-12
_INNER = 1e-9
_ROUNDED = 2e-6  # float32 sums and means, seen as float64
_LOOK_BACK = 96  # losses before a sum that may hold its values
_MOST_DEPTH = 6
_MOST_NEAR = 256  # sums that are nearly equal


def score_takers(record: EventRecord, chains: Sequence[Chain]) -> tuple[ScoreTaker, ...]:
    """One for each rank of a record; each finds in the others what they gave to an exchange."""
    takers = tuple(ScoreTaker(record, chains, rank) for rank in range(record.ranks))
    for taker in takers:
        taker.peers = takers
    return takers


class ScoreTaker:
    """Takes sums of one rank of a record apart. `chains` are all sums of the record."""

    def __init__(self, record: EventRecord, chains: Sequence[Chain], rank: int = 0) -> None:
        self.peers: Sequence[ScoreTaker] = (self,)
        self.rank_sums = RankSums(record, rank)
        self._losses = [event for event in record.of(LossEvent) if event.rank == rank]
        self._loss_by_number = {event.number: event for event in self._losses}
        self._cuts = [event for event in record.of(CutEvent) if event.rank == rank]
        self._cut_numbers = [event.number for event in self._cuts]
        self._loss_numbers = [event.number for event in self._losses]
        # Inner sums by their last increment: only those that went on since an outer one can be its value.
        inner = [chain for chain in chains if chain.rank == rank and not chain.is_whole]
        self._inner_chains = sorted(inner, key=lambda chain: chain.last)
        self._inner_lasts = [chain.last for chain in self._inner_chains]
        sources: list[tuple[float, int, LossEvent | ReductionEvent]] = []
        for loss in self._losses:
            if loss.nll is None:
                continue
            whole = float(loss.nll.sum())
            sources.append((abs(whole), loss.number, loss))
            if loss.value is not None:
                sources.append((abs(loss.value), loss.number, loss))
                if loss.reduction == "mean":
                    sources.append((abs(loss.value) * loss.size, loss.number, loss))
        for reduction in record.of(ReductionEvent):
            if reduction.rank != rank or (reduction.array is None and reduction.size != 1):
                continue
            sources.append((abs(reduction.value), reduction.number, reduction))
            if reduction.op == "mean":
                sources.append((abs(reduction.value) * reduction.size, reduction.number, reduction))
        sources = [each for each in sources if np.isfinite(each[0])]
        sources.sort(key=lambda each: (each[0], each[1]))
        self._sources = sources
        self._source_values = [each[0] for each in sources]

    def counted(self, chain: Chain, upto: int) -> CountedScore:
        """The losses that `chain` had counted before event `upto`."""
        pieces: list[Piece] = []
        numbers: list[int] = []
        count = chain.count_before(upto)
        previous = 0
        if chain.start != 0.0:
            pieces.append(self._piece(chain.start, chain.first, 0, since=0))
            numbers.append(chain.first)
        for event in chain.increments[:count]:
            piece = self._piece(event.value, event.number, 0, since=previous, folded=event.folded)
            previous = event.number
            if event.op == "-":
                piece.values = -piece.values
            pieces.append(piece)
            numbers.append(event.number)
        return joined(pieces, numbers, (chain.site,))

    def of_source(self, source: ReductionEvent | LossEvent | RankSum) -> CountedScore:
        """The losses of a single sum or mean that was printed as it is, or of a sum over ranks."""
        piece = self._from_ranks(source, 0) if isinstance(source, RankSum) else self._from(source, 0)
        return joined([piece], [source.number], ())

    def given_count(self, value: float, number: int) -> int:
        """How many numbers were added up for `value`, given to an exchange at event `number`."""
        inner = self._inner(value, number, 0, _ROUNDED)
        if inner is not None:
            return inner[2] - inner[1]
        source = self._source(value, number, _EXACT)
        return source.size if source is not None else 0

    def _piece(
        self,
        value: float,
        number: int,
        depth: int,
        *,
        since: int,
        folded: int = 1,
        inner_tolerance: float = _INNER,
    ) -> Piece:
        """What stands behind `value`, used at event `number`."""
        if folded == 1 and depth < _MOST_DEPTH:
            source = (
                self._source(value, number, _EXACT)
                or self.rank_sums.equal_to(value, number, _EXACT)
                or self._inner(value, number, since, inner_tolerance)
                or self._source(value, number, _ROUNDED)
            )
            if isinstance(source, RankSum):
                return self._from_ranks(source, depth)
            if isinstance(source, LossEvent | ReductionEvent):
                return self._from(source, depth)
            if source is not None:
                return self._from_chain(*source, depth)
        return single(value, number, np.nan if folded == 1 else float(folded))

    def _from_ranks(self, source: RankSum, depth: int) -> Piece:
        """What each rank gave, in their order."""
        pieces = [
            self.peers[part.rank]._piece(
                part.value, part.number, depth + 1, since=0, inner_tolerance=_ROUNDED
            )
            for part in source.parts
            if part.value != 0.0 and part.rank < len(self.peers)
        ]
        return chained(pieces) if pieces else single(source.value, source.number, np.nan)

    def _source(self, value: float, number: int, tolerance: float) -> LossEvent | ReductionEvent | None:
        """The nearest sum before event `number` that equals `value`."""
        size = abs(value)
        if not np.isfinite(size) or size == 0.0:
            return None
        # Equal ones stand by their numbers: the nearest is found without looking at thousands of the same.
        nearest = bisect_left(self._sources, (size, number), key=lambda each: each[:2]) - 1
        if nearest >= 0 and self._source_values[nearest] == size:
            return self._sources[nearest][2]
        first = bisect_left(self._source_values, size * (1 - tolerance))
        near = self._sources[first : first + _MOST_NEAR]
        fitting = [each for each in near if each[0] <= size * (1 + tolerance) and each[1] < number]
        return max(fitting, key=lambda each: each[1])[2] if fitting else None

    def _inner(
        self, value: float, number: int, since: int, tolerance: float
    ) -> tuple[Chain, int, int] | None:
        """Increments of another sum since event `since` that add up to `value`: (chain, first, end).

        The latest ones that do: an inner sum set back for every pass gives only its last pass.
        """
        for chain in reversed(self._inner_chains[bisect_left(self._inner_lasts, since + 1) :]):
            if chain.first > number:
                continue
            end = chain.count_before(number)
            if not end or chain.increments[end - 1].number <= since:
                continue
            if _near(chain.totals[end - 1] - chain.start, value, tolerance):
                return chain, 0, end
            first = chain.count_before(since + 1)
            if 0 < first < end and _near(chain.totals[end - 1] - chain.totals[first - 1], value, tolerance):
                return chain, first, end
        return None

    def _from_chain(self, chain: Chain, first: int, end: int, depth: int) -> Piece:
        pieces = []
        previous = chain.increments[first - 1].number if first else 0
        for event in chain.increments[first:end]:
            piece = self._piece(event.value, event.number, depth + 1, since=previous, folded=event.folded)
            previous = event.number
            if event.op == "-":
                piece.values = -piece.values
            pieces.append(piece)
        joined = chained(pieces)
        joined.sites = (*joined.sites, chain.site)
        return joined

    def _from(self, source: ReductionEvent | LossEvent, depth: int) -> Piece:
        if isinstance(source, LossEvent):
            assert source.nll is not None
            positions = positions_of(source)
            return Piece(
                source.nll,
                positions,
                np.where(positions == UNKNOWN, 0, 2).astype(np.int8),
                np.full(source.size, source.number),
                np.ones(source.size),
                source.function in {"cross_entropy", "nll_loss"},
                (),
            )
        if source.array is None:
            return single(source.value, source.number, 1.0)
        if source.size <= 4096 and depth < _MOST_DEPTH and self._is_made_of_sums(source):
            pieces = [self._piece(float(each), source.number, depth + 1, since=0) for each in source.array]
            return chained(pieces)
        return self._placed(source)

    def _is_made_of_sums(self, source: ReductionEvent) -> bool:
        """Whether there are values, and each is itself a sum of several losses seen before."""
        assert source.array is not None
        if not source.array.size:
            return False
        for value in source.array:
            known = self._source(float(value), source.number, _EXACT)
            if known is None or known.size < 2:
                return False
        return True

    def _placed(self, source: ReductionEvent) -> Piece:
        array = source.array
        assert array is not None
        for loss in self._losses_before(source.number):
            assert loss.nll is not None
            found = matched(array, loss.nll)
            if found is not None:
                kept, places = found
                positions = positions_of(loss)[places]
                return Piece(
                    array[kept],
                    positions,
                    np.where(positions == UNKNOWN, 0, 2).astype(np.int8),
                    np.full(positions.size, loss.number),
                    np.ones(positions.size),
                    loss.function in {"cross_entropy", "nll_loss"},
                    (source.site,),
                )
        positions = self._likely_positions(source.number, array)
        return Piece(
            array,
            positions,
            np.where(positions == UNKNOWN, 0, 1).astype(np.int8),
            np.full(array.size, source.number),
            np.ones(array.size),
            is_network=False,
            sites=(source.site,),
        )

    def _likely_positions(self, number: int, array: np.ndarray) -> np.ndarray:
        """Positions of mixed losses: those of the piece of their size cut out last, else of a batch with
        some of the same values, else of one of their size.
        """
        end = bisect_left(self._cut_numbers, number)
        for cut in reversed(self._cuts[max(end - _LOOK_BACK, 0) : end]):
            loss_cut = self._loss_by_number.get(cut.loss)
            if cut.size == array.size and loss_cut is not None and cut.offset + cut.size <= loss_cut.size:
                return positions_of(loss_cut)[cut.offset : cut.offset + cut.size]
        same_size: LossEvent | None = None
        for loss in self._losses_before(number):
            assert loss.nll is not None
            offset = likely_offset(array, loss.nll)
            if offset is not None:
                return positions_of(loss)[offset : offset + array.size]
            if same_size is None and loss.size == array.size:
                same_size = loss
        return positions_of(same_size) if same_size is not None else np.full(array.size, UNKNOWN)

    def _losses_before(self, number: int) -> Iterator[LossEvent]:
        end = bisect_left(self._loss_numbers, number)
        for loss in reversed(self._losses[max(end - _LOOK_BACK, 0) : end]):
            if loss.nll is not None:
                yield loss


def _near(one: float, other: float, tolerance: float) -> bool:
    return abs(one - other) <= tolerance * max(abs(one), abs(other))
