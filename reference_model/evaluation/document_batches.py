"""Documents of the stream, and the windows that score one chunk of each of several documents at once.

A document reaches from its BOS token up to and including the next one's BOS, which is its last target, so
that the documents together predict every position of the stream exactly once (PR #77). Documents of a batch
go through their chunks side by side; those with most chunks come first, so that the ones still running are
always the first rows.

C chunk length, T window length, B documents, L tokens of a window, S columns that hold scored positions.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import numpy.typing as npt


@dataclass(frozen=True, slots=True, kw_only=True)
class Documents:
    """Document d predicts positions starts[d]+1 .. starts[d]+predicted[d]; both have one entry per
    document.
    """

    starts: npt.NDArray[np.int64]
    predicted: npt.NDArray[np.int64]

    def chunks(self, chunk_tokens: int) -> npt.NDArray[np.int64]:
        """Chunks of each document, the last one perhaps shorter."""
        return -(-self.predicted // chunk_tokens)

    def batches(self, rows: int, chunk_tokens: int) -> list[Documents]:
        """At most `rows` documents of about equal length at a time, longest first; their own order breaks
        ties.
        """
        order = np.argsort(-self.chunks(chunk_tokens), kind="stable")
        return [self.picked(order[at : at + rows]) for at in range(0, len(order), rows)]

    def picked(self, which: npt.NDArray[np.integer] | slice) -> Documents:
        """Some of the documents, in the order asked for."""
        return Documents(starts=self.starts[which], predicted=self.predicted[which])


@dataclass(frozen=True, slots=True, kw_only=True)
class DocumentChunk:
    """Chunk k of the documents of a batch that reach so far.

    Row b of a window reads tokens[indices[b, :-1]] and predicts tokens[indices[b, 1:]]; of its last S columns
    those marked in `in_chunk` belong to the chunk. Columns beyond a document's end repeat its last token and,
    attention being causal, reach nothing.
    """

    indices: npt.NDArray[np.int64]
    in_chunk: npt.NDArray[np.bool_]
    continuing: int
    """Documents, the first rows, that have another chunk after this one; their scored columns are all S."""

    @property
    def positions(self) -> npt.NDArray[np.int64]:
        """Stream positions predicted in the last S columns."""
        return self.indices[:, -self.in_chunk.shape[1] :]


def documents_in_stream(tokens: npt.NDArray[np.integer], bos_id: int) -> Documents:
    """The documents of a stream; what precedes the first BOS counts as one, a BOS at the very end opens
    none.
    """
    starts = np.flatnonzero(tokens == bos_id)
    if not len(starts) or starts[0]:
        starts = np.concatenate(([0], starts))
    ends = np.append(starts[1:], len(tokens) - 1)
    predicting = ends > starts
    return Documents(starts=starts[predicting], predicted=(ends - starts)[predicting])


def document_chunk(documents: Documents, k: int, *, chunk_tokens: int, seq_len: int) -> DocumentChunk:
    """Chunk `k` (from 0) of those of `documents` (longest first) that have one.

    Each window ends with the chunk and reaches back up to `seq_len` tokens, not beyond the document's start.
    """
    running = int((documents.chunks(chunk_tokens) > k).sum())
    starts, predicted = documents.starts[:running], documents.predicted[:running]
    end = np.minimum((k + 1) * chunk_tokens, predicted)  # within the document, as all below
    window_start = np.maximum(end - seq_len, 0)
    first_column = k * chunk_tokens - window_start
    width = int((end - window_start).max())
    columns = np.arange(int(first_column.min()), width)
    indices = np.minimum(window_start[:, None] + np.arange(width + 1), predicted[:, None])
    return DocumentChunk(
        indices=starts[:, None] + indices,
        in_chunk=(columns >= first_column[:, None]) & (columns < (end - window_start)[:, None]),
        continuing=int((predicted > (k + 1) * chunk_tokens).sum()),
    )
