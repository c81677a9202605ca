"""A tiny stream, and submissions that run against an evaluator in a thread."""

from __future__ import annotations

import os
import threading
import time
from typing import TYPE_CHECKING, Any

import numpy as np

from harness.scoring.client import Scoring, ScoringError
from harness.scoring.evaluator import Evaluation, evaluate
from harness.scoring.sealed_scores import SealedScores
from harness.tokens.byte_table import ByteTable

if TYPE_CHECKING:
    from collections.abc import Callable

VOCAB = 5
TOKENS = np.array([0, 1, 2, 3, 4, 1, 1, 2, 4, 3, 2, 1], dtype=np.uint16)
# A fixed distribution: token k has probability (k + 1) / 15.
LOG_P = np.log(np.arange(1, VOCAB + 1) / 15.0)


def table() -> ByteTable:
    """Token k stands for k bytes; token 0 is a boundary."""
    return ByteTable(
        base_bytes=np.arange(VOCAB, dtype=np.int64),
        has_leading_space=np.zeros(VOCAB, dtype=np.bool_),
        is_boundary=np.arange(VOCAB) == 0,
    )


def fixed(_: np.ndarray) -> np.ndarray:
    """The distribution of whatever comes next."""
    return LOG_P


def sealed(blind: tuple[int, ...] = (), longest_step: int = 4) -> SealedScores:
    """A fresh evaluation of the stream."""
    return SealedScores(TOKENS, table(), longest_step, blind)


def honest(scoring: Scoring, predict: Callable[[np.ndarray], np.ndarray] = fixed) -> None:
    """Score the whole stream in steps of at most four tokens."""
    while scoring.released < scoring.total:
        first = max(scoring.released, 1)
        tokens = scoring.tokens_until(min(scoring.released + 4, scoring.total), predict)
        scoring.seal(first, LOG_P[tokens[first:]])


def run(
    submission: Callable[[Scoring], Any], scores: SealedScores, seconds: float = 20.0
) -> tuple[Evaluation, list[str]]:
    """The evaluation of `submission`, and what the submission's side was told when it was refused."""
    to_child, from_child = os.pipe(), os.pipe()
    told: list[str] = []

    def play() -> None:
        try:
            with Scoring(to_child[0], from_child[1]) as scoring:
                submission(scoring)
        except ScoringError as error:
            told.append(str(error))
        finally:
            os.close(from_child[1])

    thread = threading.Thread(target=play)
    thread.start()
    try:
        evaluation = evaluate(scores, from_child[0], to_child[1], deadline=time.monotonic() + seconds)
    finally:
        os.close(to_child[1])
        thread.join(30)
        os.close(from_child[0])
        os.close(to_child[0])
    return evaluation, told
