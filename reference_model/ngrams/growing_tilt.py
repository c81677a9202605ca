"""Token tilt over a stream that is handed out bit by bit; the hints are those of `token_tilt`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from reference_model.ngrams.growing_mixers import GrowingCounts
from reference_model.ngrams.token_tilt import NO_HINT, TokenTilt

if TYPE_CHECKING:
    import numpy.typing as npt

    from reference_model.config import NgramConfig


class GrowingTilt(TokenTilt):
    """`TokenTilt` over `tokens` that are known up to the end last given to `extend`."""

    def __init__(self, tokens: npt.NDArray[np.uint32], vocab_size: int, config: NgramConfig) -> None:
        super().__init__(tokens[:0], vocab_size, config)
        self._tokens_T = tokens
        self._hints_T = np.full(len(tokens), NO_HINT, dtype=np.int32)
        self._counts = GrowingCounts(min_order=config.min_order, max_order=config.max_order)

    def extend(self, end: int) -> None:
        """Take in tokens up to `end`."""
        for position, _, known in self._counts.take(self._tokens_T, end):
            for _, counts in known:
                sure = counts.leader_count >= self._config.tilt_min_confidence * counts.total
                if counts.total >= self._config.min_count and sure:
                    self._hints_T[position] = counts.leader
                    break
