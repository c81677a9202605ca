"""Who scored what, when, and with which weights: the record that proves score-first evaluation.

The challenge allows adapting to validation tokens "only if you've already graded your model on them" (README,
"FAQ"; issue #677). The ledger holds, in the order they happened, every block of scores (positions, nats,
chunk, time, number of updates before it) and every update (positions whose loss it lowered), so that `verify`
can show that each position was scored once, and by weights that had not seen it. Each entry is hashed
together with the one before it: a ledger whose seal was printed cannot be rewritten unnoticed.

Positions are indices of predicted tokens, 1 to N-1. Memory: 4 or 8 bytes per position, as scored, plus about
a hundred per block.
"""

from __future__ import annotations

import hashlib
import math
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from harness.errors import SubmissionError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import numpy.typing as npt

    from reference_model.distributed import World


class LedgerError(SubmissionError):
    """The scores are not what an evaluation may report; names the first position, entry or byte at fault."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoredBlock:
    """One entry: positions scored together. Runs are the positions as (first, count) pairs."""

    rank: int
    sequence: int
    chunk: int
    version: int
    """Updates made before these scores."""
    seconds: float
    runs: npt.NDArray[np.int64]
    nll: npt.NDArray[np.floating]

    @property
    def positions(self) -> npt.NDArray[np.int64]:
        """Every position, in the order of `nll`."""
        return np.concatenate([np.arange(first, first + count) for first, count in self.runs.tolist()])


@dataclass(frozen=True, slots=True, kw_only=True)
class WeightUpdate:
    """One entry: the weights became `version` after training on positions first .. end-1."""

    rank: int
    sequence: int
    version: int
    seconds: float
    first: int
    end: int


def refuse_unusable_scores(
    positions: npt.NDArray[np.int64], nll: npt.NDArray[np.floating], *, chunk: int, version: int
) -> None:
    """Raise LedgerError for scores that are no finite number of nats, naming the first such position."""
    wrong = ~np.isfinite(nll)
    if wrong.any():
        at = int(np.argmax(wrong))
        raise LedgerError(
            f"position {int(positions[at]):,} scored {float(nll[at])} nats (chunk {chunk}, weights after "
            f"{version:,} updates), one of {int(wrong.sum()):,} in its batch that are not finite; the model "
            "has diverged or the artifact is damaged: lower ttt.lr if updates came before, else check the "
            "weights"
        )


@dataclass(slots=True)
class ScoreLedger:
    """Entries of one rank, or of all of them once gathered.

    `score` and `update` are called in the order in which things happen; `version` counts the updates so far.
    """

    rank: int = 0
    clock: Callable[[], float] = time.monotonic
    blocks: list[ScoredBlock] = field(default_factory=list)
    updates: list[WeightUpdate] = field(default_factory=list)
    heads: dict[int, bytes] = field(default_factory=dict)
    """Newest hash of each rank's chain."""
    _sequence: int = 0
    _start: float | None = None

    def score(
        self, positions: npt.NDArray[np.int64], nll: npt.NDArray[np.floating], *, chunk: int, version: int
    ) -> None:
        """Record nats per position, scored by weights that `version` updates had made.

        Raises LedgerError for scores that are not finite and for a version that lies ahead of the updates.
        """
        if len(positions) != len(nll):
            raise LedgerError(f"{len(nll):,} scores were handed in for {len(positions):,} positions")
        if not len(positions):
            return
        refuse_unusable_scores(positions, nll, chunk=chunk, version=version)
        done = self.updates[-1].version if self.updates else 0
        if version != done:
            raise LedgerError(
                f"position {int(positions[0]):,} claims weights of version {version:,}, but {done:,} updates "
                "are recorded; record each update before scores that use it"
            )
        block = ScoredBlock(
            rank=self.rank,
            sequence=self._next_sequence(),
            chunk=chunk,
            version=version,
            seconds=self._elapsed(),
            runs=_runs_of(np.asarray(positions, dtype=np.int64)),
            nll=nll if nll.dtype in (np.float32, np.float64) else nll.astype(np.float64),
        )
        self.append(block)

    def update(self, version: int, first: int, end: int) -> None:
        """Record that the weights became `version` after training on positions first .. end-1.

        Several ranges of one update repeat its version. Raises LedgerError when versions run backwards or
        skip.
        """
        done = self.updates[-1].version if self.updates else 0
        if version not in {done, done + 1} or version < 1:
            raise LedgerError(f"update {version:,} follows update {done:,}; versions count one by one")
        if not 1 <= first < end:
            raise LedgerError(f"update {version:,} claims positions {first:,} to {end:,}, which is no range")
        update = WeightUpdate(
            rank=self.rank,
            sequence=self._next_sequence(),
            version=version,
            seconds=self._elapsed(),
            first=first,
            end=end,
        )
        self.append(update)

    def append(self, entry: ScoredBlock | WeightUpdate) -> None:
        """Add an entry as it is and extend its rank's chain; for readers of stored ledgers."""
        if isinstance(entry, ScoredBlock):
            self.blocks.append(entry)
        else:
            self.updates.append(entry)
        self.heads[entry.rank] = _chained(self.heads.get(entry.rank, _genesis(entry.rank)), entry)

    @property
    def seal(self) -> str:
        """SHA-256 over the chains of all ranks, in hex: commits to every entry and their order."""
        digest = hashlib.sha256()
        for rank in sorted(self.heads):
            digest.update(self.heads[rank])
        return digest.hexdigest()

    @property
    def scored_positions(self) -> int:
        """Scores recorded, double ones counted twice."""
        return sum(len(block.nll) for block in self.blocks)

    def nats(self, total_positions: int) -> npt.NDArray[np.float64]:
        """Nats of positions 1 .. total_positions, in their order; raises LedgerError unless each was scored
        once.
        """
        nll, scored = np.zeros(total_positions + 1), np.zeros(total_positions + 1, dtype=np.uint8)
        for block in self.blocks:
            offset = 0
            for first, count in block.runs.tolist():
                if first < 1 or first + count > total_positions + 1:
                    outside = first if first < 1 else total_positions + 1
                    raise LedgerError(
                        f"position {outside:,} was scored; the stream has positions 1 to {total_positions:,}"
                    )
                if scored[first : first + count].any():
                    again = first + int(np.argmax(scored[first : first + count]))
                    raise LedgerError(
                        f"position {again:,} was scored twice (second time in chunk {block.chunk})"
                    )
                scored[first : first + count] = 1
                nll[first : first + count] = block.nll[offset : offset + count]
                offset += count
        missing = int(np.argmin(scored[1:])) + 1
        if not scored[missing]:
            raise LedgerError(
                f"position {missing:,} was never scored, one of {total_positions - int(scored.sum()):,} "
                f"missing of {total_positions:,}; score the whole stream, its tail included"
            )
        return nll[1:]

    def verify(self, total_positions: int) -> None:
        """Prove that positions 1 .. total_positions were each scored once, before any update that saw them.

        Raises LedgerError with the first position that breaks either rule.
        """
        self.nats(total_positions)
        never = np.iinfo(np.int64).max
        seen_by = np.full(total_positions + 1, never)
        for update in sorted(self.updates, key=lambda each: each.version, reverse=True):
            seen_by[update.first : update.end] = update.version  # the earliest update remains
        for block in self.blocks:
            for first, count in block.runs.tolist():
                early = seen_by[first : first + count] <= block.version
                if early.any():
                    position = first + int(np.argmax(early))
                    update_number = int(seen_by[position])
                    raise LedgerError(
                        f"position {position:,} was trained on by update {update_number:,} and scored "
                        f"only after update {block.version:,} (chunk {block.chunk}); score each token before "
                        "any update that sees it"
                    )
        for update in self.updates:
            if update.end > total_positions + 1:
                raise LedgerError(
                    f"update {update.version:,} trained on positions up to {update.end - 1:,}; only 1 to "
                    f"{total_positions:,} are scored"
                )

    def val_loss(self) -> float:
        """Mean nats per scored token, in float64; independent of how ranks shared the work."""
        total = self.scored_positions
        return float(self.nats(total).sum()) / total

    def val_bpb(self, byte_counts: npt.NDArray[np.int64]) -> float:
        """Bits per byte; `byte_counts` holds the bytes of positions 1, 2, ... in order."""
        nats = self.nats(len(byte_counts))
        return float(nats.sum()) / math.log(2.0) / int(byte_counts.sum())

    def summary(self) -> str:
        """One line for the run's log."""
        updates = max((update.version for update in self.updates), default=0)
        return (
            f"score_ledger positions:{self.scored_positions} blocks:{len(self.blocks)} updates:{updates} "
            f"ranks:{len(self.heads)} seal:{self.seal}"
        )

    def write(self, path: Path) -> None:
        """Store as `ledger_file` describes, under its final name only when complete."""
        from reference_model.evaluation.ledger_file import write_ledger

        write_ledger(self, path)

    def gathered(self, world: World) -> ScoreLedger:
        """All ranks' entries on rank 0 (elsewhere its own); every rank must call."""
        from reference_model.evaluation.ledger_file import gathered_ledger

        return gathered_ledger(self, world)

    def _next_sequence(self) -> int:
        self._sequence += 1
        return self._sequence

    def _elapsed(self) -> float:
        now = self.clock()
        if self._start is None:
            self._start = now
        return now - self._start


def _runs_of(positions: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Contiguous runs, as rows of (first, count)."""
    starts = np.concatenate(([0], np.flatnonzero(np.diff(positions) != 1) + 1))
    counts = np.diff(np.append(starts, len(positions)))
    return np.stack([positions[starts], counts], axis=1)


def _genesis(rank: int) -> bytes:
    return hashlib.sha256(f"golf score ledger 1, rank {rank}".encode()).digest()


def _chained(previous: bytes, entry: ScoredBlock | WeightUpdate) -> bytes:
    """Hash of an entry and of all before it; nats count as float64, however they are stored."""
    digest = hashlib.sha256(previous)
    if isinstance(entry, ScoredBlock):
        head = np.array([0, entry.sequence, entry.chunk, entry.version, len(entry.runs)], dtype="<i8")
        digest.update(head.tobytes() + np.float64(entry.seconds).tobytes())
        digest.update(np.ascontiguousarray(entry.runs, dtype="<i8").tobytes())
        digest.update(np.ascontiguousarray(entry.nll, dtype="<f8").tobytes())
    else:
        head = np.array([1, entry.sequence, entry.version, entry.first, entry.end], dtype="<i8")
        digest.update(head.tobytes() + np.float64(entry.seconds).tobytes())
    return digest.digest()
