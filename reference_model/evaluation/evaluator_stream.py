"""The validation stream where an evaluator owns the score: tokens come bit by bit, sealed scores go back.

The variable GOLF_SCORING_SOCKET says that there is one; its client, the package `golf_scoring`, is then
importable. Tokens are handed out in steps, the next one when everything before it is sealed. Rank 0 talks to
the evaluator; the others get tokens from it and give their scores to it.

N tokens of the stream, V vocabulary; position p is the index of the predicted token, 1 to N-1.
"""

from __future__ import annotations

import contextlib
import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from harness.errors import SetupError
from reference_model.evaluation.score_ledger import LedgerError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import numpy.typing as npt

    from reference_model.distributed import World

SOCKET_VARIABLE = "GOLF_SCORING_SOCKET"


@dataclass(slots=True, kw_only=True)
class EvaluatorStream:
    """Tokens 0 .. released-1 of the stream; `tokens` (N, uint32) is 0 where nothing was handed out yet."""

    world: World
    tokens: npt.NDArray[np.uint32]
    longest_step: int
    scoring: Any = None
    """The client's connection, on rank 0."""
    released: int = 0
    listeners: list[Callable[[int], None]] = field(default_factory=list)
    """Told `released` whenever tokens have come."""
    _nats: npt.NDArray[np.float64] = field(init=False)
    _times_scored: npt.NDArray[np.float64] = field(init=False)
    """This rank's scores of the tokens that are out and not sealed."""

    def __post_init__(self) -> None:
        """Nothing is scored."""
        self._nats = np.zeros(0)
        self._times_scored = np.zeros(0)

    def require(self, end: int, predict: Callable[[int], npt.NDArray[np.float64]]) -> None:
        """Have tokens up to `end`; every rank calls with the same `end`, at most `longest_step` further.

        `predict` maps a position p to the V log-probabilities of token p by the present weights; rank 0 may
        be asked for it, and `tokens` holds tokens 0 .. p-1 then. Raises LedgerError where it refuses.
        """
        if end <= self.released:
            return
        first = self.released

        def answer(known: npt.NDArray[np.uint32]) -> npt.NDArray[np.float64]:
            self.tokens[first : len(known)] = known[first:]
            return predict(len(known))

        if self.scoring is not None:
            with self._refusal_told():
                self.tokens[first:end] = self.scoring.tokens_until(end, answer)[first:]
        if self.world.size > 1:
            new = torch.from_numpy(self.tokens[first:end].astype(np.int32)).to(self.world.device)
            self.tokens[first:end] = self.world.broadcast_(new).cpu().numpy()
        self.released = end
        self._nats = np.zeros(end - max(first, 1))
        self._times_scored = np.zeros(len(self._nats))
        for listener in self.listeners:
            listener(end)

    def add(self, positions: npt.NDArray[np.int64], nll: npt.NDArray[np.floating]) -> None:
        """Keep scores (nats) of tokens that were handed out, until `seal`."""
        places = positions - (self.released - len(self._nats))
        if len(places) and not 0 <= int(places.min()) <= int(places.max()) < len(self._nats):
            raise LedgerError(
                f"positions {int(positions.min()):,} to {int(positions.max()):,} were scored while "
                f"{self.released - len(self._nats):,} to {self.released - 1:,} were due"
            )
        self._nats[places] += nll
        self._times_scored[places] += 1

    def seal(self) -> None:
        """Hand in the scores of all ranks for the tokens that are out; every rank calls.

        Raises LedgerError where one was not scored, or twice, and where the evaluator refuses.
        """
        both = torch.from_numpy(np.stack([self._nats, self._times_scored])).to(self.world.device)
        nats, times_scored = self.world.sum_(both).cpu().numpy()
        first = self.released - len(nats)
        if (times_scored != 1).any():
            at = int(np.argmax(times_scored != 1))
            raise LedgerError(
                f"position {first + at:,} was scored {int(times_scored[at])} times before its seal"
            )
        if self.scoring is not None:
            with self._refusal_told():
                self.scoring.seal(first, -nats)
        self._nats, self._times_scored = np.zeros(0), np.zeros(0)

    @contextlib.contextmanager
    def _refusal_told(self) -> Iterator[None]:
        from golf_scoring import ScoringError  # type: ignore[import-not-found]

        try:
            yield
        except ScoringError as error:
            raise LedgerError(f"the evaluator ended the scoring: {error}") from None


@contextlib.contextmanager
def evaluator_stream(world: World, vocab_size: int) -> Iterator[EvaluatorStream | None]:
    """The evaluator's stream, opened by rank 0; None where nobody but this run itself keeps the score.

    Leaving without an error says that everything is scored. Raises SetupError when the evaluator does not
    answer or has another vocabulary; every rank must enter.
    """
    if not os.environ.get(SOCKET_VARIABLE):
        yield None
        return
    with contextlib.ExitStack() as stack:
        scoring = stack.enter_context(_opened()) if world.is_main else None
        told = torch.zeros(3, dtype=torch.int64)
        if scoring is not None:
            told = torch.tensor([scoring.total, scoring.vocab_size, scoring.longest_step])
        total, vocabulary, longest = world.broadcast_(told.to(world.device)).tolist()
        if vocabulary != vocab_size:
            raise SetupError(
                f"the evaluator scores {vocabulary:,} tokens of vocabulary, but model.vocab_size is "
                f"{vocab_size:,}; use the tokenizer that the model was trained with"
            )
        yield EvaluatorStream(
            world=world, tokens=np.zeros(total, dtype=np.uint32), longest_step=longest, scoring=scoring
        )


def _opened() -> Any:
    try:
        from golf_scoring import ScoringError, open_scoring
    except ImportError:
        raise SetupError(
            f"{SOCKET_VARIABLE} is set, but the evaluator's client golf_scoring cannot be imported; golf-run "
            "puts it on PYTHONPATH, so keep that variable, or unset this one to score without an evaluator"
        ) from None
    try:
        return open_scoring()
    except ScoringError as error:
        raise SetupError(f"the evaluator cannot be reached: {error}") from None
