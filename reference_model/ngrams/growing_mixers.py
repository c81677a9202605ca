"""The mixers over a stream that is handed out bit by bit: counts grow with it, distributions are the same.

`ngram_mixing` and `token_tilt` count a known stream at once, which takes a fraction of the time; here every
token is looked up under its contexts before it is counted. Exact keys, no hashing.

N scored positions, T stream.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from reference_model.config import NgramKind
from reference_model.ngrams.ngram_mixing import BackoffMixer

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy as np
    import numpy.typing as npt

    from reference_model.config import NgramConfig
    from reference_model.evaluation.evaluator_stream import EvaluatorStream
    from reference_model.ngrams.ngram_mixing import Mixer


def growing_mixer(stream: EvaluatorStream, vocab_size: int, config: NgramConfig) -> Mixer | None:
    """The mixer that the configuration asks for, taking in tokens as `stream` gets them; None for none."""
    if config.kind is NgramKind.BACKOFF:
        backoff = GrowingBackoff(stream.tokens, vocab_size, config)
        stream.listeners.append(backoff.extend)
        return backoff
    if config.kind is NgramKind.TILT:
        from reference_model.ngrams.growing_tilt import GrowingTilt

        tilt = GrowingTilt(stream.tokens, vocab_size, config)
        stream.listeners.append(tilt.extend)
        return tilt
    return None


@dataclass(slots=True)
class ContextCounts:
    """What followed one context so far: how often, which tokens, and which of them first reached the most."""

    total: int = 0
    tokens: dict[int, int] = field(default_factory=dict)
    leader: int = 0
    leader_count: int = 0


class GrowingCounts:
    """Counts of every context of the tokens taken in so far; memory grows with the stream."""

    def __init__(self, *, min_order: int, max_order: int) -> None:
        self._orders = range(max_order, min_order - 1, -1)
        self._contexts: dict[tuple[int, ...], ContextCounts] = {}
        self._tail: tuple[int, ...] = ()
        self.end = 0

    def take(
        self, tokens_T: npt.NDArray[np.generic], end: int
    ) -> Iterator[tuple[int, int, list[tuple[int, ContextCounts]]]]:
        """Count tokens up to `end`, one after another: position, token, and what was known before it.

        The last are pairs of an order and its context's counts, highest order first, of contexts seen before.
        """
        longest = self._orders[0] - 1
        for token in tokens_T[self.end : end].tolist():
            tail, known, new = self._tail, [], []
            for order in self._orders:
                if len(tail) < order - 1:
                    continue
                context = tail[len(tail) - order + 1 :]
                counts = self._contexts.get(context)
                if counts is None:
                    new.append(context)
                else:
                    known.append((order, counts))
            yield self.end, token, known
            for context in new:
                self._contexts[context] = ContextCounts(1, {token: 1}, token, 1)
            for _, counts in known:
                count = counts.tokens[token] = counts.tokens.get(token, 0) + 1
                counts.total += 1
                if count > counts.leader_count:
                    counts.leader, counts.leader_count = token, count
            self._tail = (*tail, token)[-longest:]
            self.end += 1


class GrowingBackoff(BackoffMixer):
    """`BackoffMixer` over `tokens` that are known up to the end last given to `extend`."""

    def __init__(self, tokens: npt.NDArray[np.uint32], vocab_size: int, config: NgramConfig) -> None:
        super().__init__(tokens[:0], vocab_size, config)
        self._tokens_T = tokens
        self._orders_T = self._orders_T.copy()
        self._orders_T.resize(len(tokens))
        self._shares_T = self._shares_T.copy()
        self._shares_T.resize(len(tokens))
        self._counts = GrowingCounts(min_order=config.min_order, max_order=config.max_order)

    def extend(self, end: int) -> None:
        """Take in tokens up to `end`."""
        for position, token, known in self._counts.take(self._tokens_T, end):
            for order, counts in known:
                if counts.total >= self._config.min_count:
                    self._orders_T[position] = order
                    self._shares_T[position] = counts.tokens.get(token, 0) / counts.total
                    break
