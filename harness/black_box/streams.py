"""Streams that probes score. Drawn from a seed, so an audit can be repeated to the token."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from harness.black_box.scorer import Scorer, Tokens

# Each token has so few successors that a cache or an adapter soon knows them: ln 4 = 1.39 nats a token.
_SUCCESSORS = 4
_PASSAGE_TOKENS = 24  # longer than the longest n-gram order seen in the challenge (16)
_DOCUMENT_TOKENS = (40, 160)


def text(scorer: Scorer, count: int, seed: int) -> Tokens:
    """(count,) tokens with something to learn: a Markov chain of few successors, and a passage that returns.

    The passage begins at each multiple of an eighth of the stream, so that lookups find their contexts. With
    `bos_id` it is cut into documents.
    """
    draw = np.random.default_rng(seed)
    ids = scorer.ordinary_ids
    successors = draw.integers(0, ids.size, size=(ids.size, _SUCCESSORS))
    walk = np.empty(count, dtype=np.int64)
    walk[0] = draw.integers(ids.size)
    steps = draw.integers(0, _SUCCESSORS, size=count)
    for place in range(1, count):
        walk[place] = successors[walk[place - 1], steps[place]]
    tokens = ids[walk]
    passage = ids[draw.integers(0, ids.size, size=_PASSAGE_TOKENS)]
    for begin in passage_places(count):
        tokens[begin : begin + _PASSAGE_TOKENS] = passage
    if scorer.bos_id is not None:
        tokens[document_starts(count, seed)] = scorer.bos_id
    return tokens


def passage_places(count: int) -> range:
    """Where the returning passage of a `text` of `count` tokens begins."""
    step = max(count // 8, _PASSAGE_TOKENS + 1)
    return range(step // 2, count - _PASSAGE_TOKENS, step)


def document_starts(count: int, seed: int) -> Tokens:
    """Places of a `text` of `count` tokens at which a document begins, token 0 among them."""
    draw = np.random.default_rng(seed + 1)
    starts = [0]
    while True:
        following = starts[-1] + int(draw.integers(*_DOCUMENT_TOKENS))
        if following >= count - _DOCUMENT_TOKENS[0]:
            return np.array(starts, dtype=np.int64)
        starts.append(following)


def noise(scorer: Scorer, count: int, seed: int) -> Tokens:
    """(count,) tokens drawn uniformly from the ordinary ones, behind the begin of a document if any."""
    draw = np.random.default_rng(seed)
    tokens = draw.choice(scorer.ordinary_ids, size=count)
    if scorer.bos_id is not None:
        tokens[0] = scorer.bos_id
    return tokens


def replaced(scorer: Scorer, tokens: Tokens, where: Tokens, seed: int) -> Tokens:
    """A copy in which each token of the index array `where` is another ordinary one; special ones stay."""
    draw = np.random.default_rng(seed)
    ids = scorer.ordinary_ids
    changed = tokens.copy()
    kept = np.isin(tokens[where], sorted(scorer.ordinary_ids_excluded))
    places = where[~kept]
    index = np.searchsorted(ids, tokens[places])
    changed[places] = ids[(index + draw.integers(1, ids.size, size=places.size)) % ids.size]
    return changed
