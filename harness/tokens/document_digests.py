"""Which documents two token streams share, by a digest of the tokens between one BOS and the next.

Memory: 16 bytes a validation document and Python's overhead (about 5 MB for the official 50,000), whatever
the size of the training split.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator

_DIGEST_BYTES = 16


class DocumentDigest(NamedTuple):
    """A whole document of a stream."""

    digest: bytes
    tokens: int  # without BOS


class DocumentDigests:
    """Digests of the documents of a stream that is fed shard by shard; documents may go on in the next shard.

    Tokens before the first BOS belong to no document.
    """

    def __init__(self, bos_id: int) -> None:
        self._bos_id = bos_id
        self._open = hashlib.blake2b(digest_size=_DIGEST_BYTES)
        self._open_tokens = 0
        self._is_open = False

    def feed(self, tokens: np.ndarray) -> Iterator[DocumentDigest]:
        """The documents that end inside `tokens` (uint16, one dimension)."""
        content = np.ascontiguousarray(tokens, dtype="<u2").data.cast("B")
        begins = np.flatnonzero(tokens == self._bos_id).tolist()
        start = 0
        for begin in begins:
            yield from self._take(content[2 * start : 2 * begin], ends=True)
            self._is_open = True
            start = begin + 1
        yield from self._take(content[2 * start :], ends=False)

    def finish(self) -> Iterator[DocumentDigest]:
        """The last document, which the end of the stream ends."""
        yield from self._take(memoryview(b""), ends=True)

    def _take(self, content: memoryview, *, ends: bool) -> Iterator[DocumentDigest]:
        if not self._is_open:
            return
        self._open.update(content)
        self._open_tokens += len(content) // 2
        if ends:
            yield DocumentDigest(self._open.digest(), self._open_tokens)
            self._open = hashlib.blake2b(digest_size=_DIGEST_BYTES)
            self._open_tokens = 0
