"""A scorer of anything that speaks the scoring interface of golf-run, without golf-run and in this process.

The evaluator's end is the one golf-run has: tokens are handed out in steps and only after the last are
sealed, each is counted once, and a blind question makes `dist`.
"""

from __future__ import annotations

import socket
import threading
from typing import TYPE_CHECKING

import numpy as np

from harness.black_box.scorer import Scorer
from harness.scoring.client import Scoring, ScoringError
from harness.scoring.evaluator import Evaluation, evaluate
from harness.scoring.sealed_scores import ScoreError, SealedScores
from harness.tokens.byte_table import ByteTable

if TYPE_CHECKING:
    from collections.abc import Callable

    from harness.black_box.scorer import Losses, Tokens

# Both ends live in this process, so a wait this long means that the submission stopped talking.
_CLOSING_SECONDS = 30.0


def interface_scorer(
    evaluation: Callable[[Scoring], None],
    *,
    vocab_size: int,
    longest_step: int = 256,
    first_unit: int | None = None,
    bos_id: int | None = None,
    special_ids: tuple[int, ...] = (),
    is_bfloat16: bool = False,
) -> Scorer:
    """A `Scorer` that runs `evaluation` anew for each call: it gets an open `Scoring` and seals every token.

    `longest_step` is how many tokens are handed out at once at most; choose it well below the length of the
    audited stream, or everything is known when the first token is scored. Refusals of the evaluator (a token
    sealed twice, none at all, a distribution that does not sum to one) are what the scorer raises.
    """

    def score(tokens: Tokens) -> Losses:
        scores = SealedScores(tokens=tokens, table=_one_byte_each(vocab_size), longest_step=longest_step)
        ended, error = _evaluated(evaluation, scores)
        if ended.score is None:
            raise error or ScoringError(f"{ended.reason}: {ended.message}")
        return scores.nats

    def dist(tokens: Tokens, position: int) -> Losses:
        scores = _AskedScores(
            tokens=tokens,
            table=_one_byte_each(vocab_size),
            longest_step=longest_step,
            blind_positions=(position,),
        )
        ended, error = _evaluated(evaluation, scores)
        if scores.answered is None:
            raise error or ScoringError(f"{ended.reason}: {ended.message}")
        probabilities: Losses = np.exp(scores.answered)
        return probabilities

    return Scorer(
        score=score,
        vocab_size=vocab_size,
        dist=dist,
        first_unit=first_unit,
        bos_id=bos_id,
        special_ids=special_ids,
        is_bfloat16=is_bfloat16,
    )


class _AskedScores(SealedScores):
    """Keeps the one distribution that is asked for and ends the evaluation there."""

    answered: Losses | None = None

    def answer(self, position: int, log_probabilities: Losses) -> None:
        super().answer(position, log_probabilities)
        self.answered = log_probabilities.copy()
        raise ScoreError("asked", "the distribution was all that was asked for", position)


def _evaluated(
    evaluation: Callable[[Scoring], None], scores: SealedScores
) -> tuple[Evaluation, Exception | None]:
    """Run both ends of one evaluation; what the submission's end raised is handed back."""
    ours, theirs = socket.socketpair()
    ended: list[Evaluation] = []
    thread = threading.Thread(
        target=lambda: ended.append(evaluate(scores, ours.fileno(), ours.fileno())), name="evaluator"
    )
    failure: Exception | None = None
    with ours, theirs:
        thread.start()
        try:
            with Scoring(theirs.fileno(), theirs.fileno()) as scoring:
                evaluation(scoring)
        except Exception as error:  # told by the caller, who knows whether the evaluator had what it wanted
            failure = error
        theirs.shutdown(socket.SHUT_WR)
        thread.join(_CLOSING_SECONDS)
        if thread.is_alive():
            ours.shutdown(socket.SHUT_RDWR)  # wakes it: the connection is closed
            thread.join()
    return ended[0], failure


def _one_byte_each(vocab_size: int) -> ByteTable:
    """Bytes do not matter here; losses do."""
    return ByteTable(
        base_bytes=np.ones(vocab_size, dtype=np.int64),
        has_leading_space=np.zeros(vocab_size, dtype=np.bool_),
        is_boundary=np.zeros(vocab_size, dtype=np.bool_),
    )
