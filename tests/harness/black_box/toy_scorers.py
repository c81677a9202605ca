"""Scorers small enough to read, one for each way of being legal or not: counts of bigrams over V tokens.

Each gives (T-1,) losses in nats for (T,) tokens and starts from nothing at every call.
"""

from __future__ import annotations

import itertools

import numpy as np

V = 24
CHUNK = 50


def _loss(counts: np.ndarray, previous: int, token: int) -> float:
    """Add-one smoothing: a distribution over V whatever the counts."""
    return float(-np.log((counts[previous, token] + 1) / (counts[previous].sum() + V)))


def online(tokens: np.ndarray) -> np.ndarray:
    """Score a token, then count it."""
    counts = np.zeros((V, V))
    losses = np.zeros(tokens.size - 1)
    for place in range(1, tokens.size):
        losses[place - 1] = _loss(counts, tokens[place - 1], tokens[place])
        counts[tokens[place - 1], tokens[place]] += 1
    return losses


def without_counts(tokens: np.ndarray) -> np.ndarray:
    """`online` with nothing learned."""
    return np.full(tokens.size - 1, np.log(V))


def online_distribution(tokens: np.ndarray, position: int) -> np.ndarray:
    """What `online` gives token `position`."""
    counts = np.zeros((V, V))
    for place in range(1, position):
        counts[tokens[place - 1], tokens[place]] += 1
    row = counts[tokens[position - 1]]
    return (row + 1) / (row.sum() + V)


def _chunked(tokens: np.ndarray, *, score_first: bool, epochs: int = 3) -> np.ndarray:
    counts = np.zeros((V, V))
    losses = np.zeros(tokens.size - 1)
    for begin in range(1, tokens.size, CHUNK):
        places = range(begin, min(begin + CHUNK, tokens.size))
        if score_first:
            losses[begin - 1 : begin - 1 + len(places)] = [
                _loss(counts, tokens[place - 1], tokens[place]) for place in places
            ]
        for _ in range(epochs):
            for place in places:
                counts[tokens[place - 1], tokens[place]] += 1
        if not score_first:
            losses[begin - 1 : begin - 1 + len(places)] = [
                _loss(counts, tokens[place - 1], tokens[place]) for place in places
            ]
    return losses


def score_then_adapt(tokens: np.ndarray) -> np.ndarray:
    """Several epochs over each chunk, after its losses are fixed: legal."""
    return _chunked(tokens, score_first=True)


def adapt_then_score(tokens: np.ndarray) -> np.ndarray:
    """The same two steps in the other order."""
    return _chunked(tokens, score_first=False)


def two_pass(tokens: np.ndarray) -> np.ndarray:
    """Counts the whole stream, then scores it."""
    counts = np.zeros((V, V))
    np.add.at(counts, (tokens[:-1], tokens[1:]), 1)
    return np.array([_loss(counts, a, b) for a, b in itertools.pairwise(tokens)])


def lower_of_two(tokens: np.ndarray) -> np.ndarray:
    """For each token the lower loss of two experts."""
    ones = np.bincount(tokens[:1], minlength=V).astype(float)
    unigram = np.zeros(tokens.size - 1)
    for place in range(1, tokens.size):
        unigram[place - 1] = -np.log((ones[tokens[place]] + 1) / (ones.sum() + V))
        ones[tokens[place]] += 1
    return np.minimum(online(tokens), unigram)


def target_gate(tokens: np.ndarray) -> np.ndarray:
    """The weight of the counts depends on a property of the token that is scored."""
    counts = np.zeros((V, V))
    losses = np.zeros(tokens.size - 1)
    for place in range(1, tokens.size):
        previous, token = tokens[place - 1], tokens[place]
        weight = 0.9 if counts[previous, token] else 0.0
        counted = counts[previous, token] / max(counts[previous].sum(), 1.0)
        losses[place - 1] = -np.log(weight * counted + (1 - weight) / V)
        counts[previous, token] += 1
    return losses


def target_in_key(tokens: np.ndarray) -> np.ndarray:
    """A small hash table whose key holds the token that is scored."""
    table = np.zeros(16)
    seen = np.zeros(16)
    losses = np.zeros(tokens.size - 1)
    for place in range(1, tokens.size):
        pair = int(tokens[place - 1] * 31 + tokens[place]) % 16
        context = int(tokens[place - 1]) % 16
        ratio = min(1.0, table[pair] / max(seen[context], 1.0))
        losses[place - 1] = -np.log(0.5 * ratio + 0.5 / V)
        table[pair] += 1
        seen[context] += 1
    return losses


def half_normalised(tokens: np.ndarray) -> np.ndarray:
    """`online` with a probability that sums to a half: no gain, and still no distribution."""
    return online(tokens) + np.log(2.0)


def memoriser(tokens: np.ndarray) -> np.ndarray:
    """Knows what it is given."""
    return np.full(tokens.size - 1, 0.01)


def scheduled(tokens: np.ndarray) -> np.ndarray:
    """`online` whose counts weigh less the nearer the end is: the length is known, the tokens are not."""
    counts = np.zeros((V, V))
    losses = np.zeros(tokens.size - 1)
    for place in range(1, tokens.size):
        losses[place - 1] = _loss(counts, tokens[place - 1], tokens[place])
        counts[tokens[place - 1], tokens[place]] += 1 - place / tokens.size
    return losses
