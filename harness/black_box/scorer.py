"""What a black-box audit is given: a function from tokens to losses, and whatever more its author offers.

Shapes: T tokens of a stream, V vocabulary. Losses are in nats. Token 0 has no loss: nothing comes before it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Tokens = npt.NDArray[np.int64]
Losses = npt.NDArray[np.float64]
Score = Callable[[Tokens], npt.ArrayLike]

# Below this, a negative loss is rounding: log p = 0 is certainty.
_BELOW_ZERO_NATS = 1e-4


class ScorerError(Exception):
    """The scorer could not be asked: it raised, or what it gave is no array of losses. Says which call."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scorer:
    """A scorer under audit. Only `score` and `vocab_size` are needed; each more field lets more probes run.

    Every call must start from the same state: an audit compares calls, so what one call learned must be gone
    in the next.
    """

    score: Score
    """(T,) tokens -> (T-1,) losses of tokens 1 to T-1 in nats; NaN where a token is not counted."""
    vocab_size: int
    """V: token ids are 0 to V-1."""
    dist: Callable[[Tokens, int], npt.ArrayLike] | None = None
    """(tokens, t) -> (V,) probabilities that token t gets; it should look at tokens before t only."""
    without_adaptation: Score | None = None
    """As `score` with test-time training, caches and the like switched off."""
    first_unit: int | None = None
    """Tokens of a stream that are scored before anything may have been learned (the first chunk)."""
    with_two_ranks: Score | None = None
    """As `score`, computed by two ranks."""
    commit_order: Callable[[Tokens], npt.ArrayLike] | None = None
    """(T,) tokens -> (T,) integers: a token with a smaller one is scored earlier. Stream order if None."""
    bos_id: int | None = None
    """The token that begins a document; without it probes of documents are not run."""
    resets_at_documents: bool = False
    """Whether it claims that a document's losses depend on that document alone."""
    special_ids: tuple[int, ...] = ()
    """Tokens that never occur inside text; they are kept out of what probes draw."""
    is_bfloat16: bool = False
    """Whether the network computes in bfloat16: wider tolerances."""

    def __post_init__(self) -> None:
        """Raises `ValueError` for a vocabulary that nothing can be drawn from."""
        if self.vocab_size - len(self.ordinary_ids_excluded) < 8:
            raise ValueError(
                f"a vocabulary of {self.vocab_size} with {len(self.ordinary_ids_excluded)} special tokens "
                "is too small for an audit; it needs 8 ordinary tokens"
            )

    @property
    def ordinary_ids_excluded(self) -> frozenset[int]:
        """Special tokens, the begin of a document included."""
        return frozenset(self.special_ids) | ({self.bos_id} if self.bos_id is not None else frozenset())

    @property
    def ordinary_ids(self) -> Tokens:
        """Tokens that text is made of."""
        return np.array(
            [token for token in range(self.vocab_size) if token not in self.ordinary_ids_excluded],
            dtype=np.int64,
        )


def losses_of(score: Score, tokens: Tokens, what: str) -> Losses:
    """Call `score` on a copy of the (T,) tokens and check what comes back: (T-1,) float64, NaN allowed.

    `what` names the call in the message of the `ScorerError` that anything else raises.
    """
    given = _called(lambda: score(tokens.copy()), what)
    losses = _as_floats(given, what)
    if losses.shape != (tokens.size - 1,):
        raise ScorerError(
            f"{what}: score gave an array of shape {losses.shape} for {tokens.size} tokens; it must give "
            f"one loss for each token but the first: ({tokens.size - 1},)"
        )
    counted = losses[~np.isnan(losses)]
    if np.any(np.isinf(counted)):
        raise ScorerError(f"{what}: score gave an infinite loss; a probability of zero is no prediction")
    if np.any(counted < -_BELOW_ZERO_NATS):
        raise ScorerError(
            f"{what}: score gave a loss of {counted.min():.6g} nats; a probability is at most one, so a "
            "loss is at least zero"
        )
    return losses


def distribution_of(scorer: Scorer, tokens: Tokens, position: int, what: str) -> Losses:
    """(V,) probabilities `scorer.dist` gives for token `position`. Raises `ScorerError`."""
    assert scorer.dist is not None
    dist = scorer.dist
    given = _as_floats(_called(lambda: dist(tokens.copy(), position), what), what)
    if given.shape != (scorer.vocab_size,):
        raise ScorerError(
            f"{what}: dist gave an array of shape {given.shape}; it must give a probability for each of the "
            f"{scorer.vocab_size} tokens"
        )
    if not np.all(np.isfinite(given)):
        raise ScorerError(f"{what}: dist gave {np.sum(~np.isfinite(given))} values that are no numbers")
    return given


def commit_ranks(scorer: Scorer, tokens: Tokens) -> Tokens:
    """(T,) integers: tokens with smaller ones are scored earlier. Raises `ScorerError`."""
    if scorer.commit_order is None:
        return np.arange(tokens.size, dtype=np.int64)
    order = scorer.commit_order
    given = _as_floats(_called(lambda: order(tokens.copy()), "commit_order"), "commit_order")
    if given.shape != tokens.shape or not np.all(np.isfinite(given)):
        raise ScorerError(f"commit_order gave shape {given.shape} for {tokens.size} tokens, or no numbers")
    return given.astype(np.int64)


def _called(call: Callable[[], Any], what: str) -> Any:
    try:
        return call()
    except Exception as error:  # of the scorer: whatever it raises is the finding
        raise ScorerError(f"{what}: the scorer raised {type(error).__name__}: {str(error)[:300]}") from error


def _as_floats(given: Any, what: str) -> Losses:
    if hasattr(given, "detach"):
        given = given.detach().cpu().float() if str(given.dtype) == "torch.bfloat16" else given.detach().cpu()
    try:
        return np.asarray(given, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise ScorerError(f"{what}: what came back is no array of numbers ({error})") from error
