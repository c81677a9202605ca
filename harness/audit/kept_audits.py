"""Audits kept between runs, apart from results: they depend on the sources and on the auditor's code only.

Only the parent process writes the file. A worker reads it and gathers what it computed for the parent.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from harness.result_cache import ResultCache, pack

if TYPE_CHECKING:
    from pathlib import Path

CACHE_NAME = "audits"
# Of 2,059 pull requests the largest audit packs to a fraction of this; a larger one is computed each time.
PACKED_BYTES_AT_MOST = 4 * 2**20


class KeptAudits:
    """Reads the audits in `directory` (None: there are none) and holds new ones until they are taken."""

    def __init__(self, directory: Path | None) -> None:
        """Nothing is created or written."""
        self._cache = ResultCache(directory, CACHE_NAME, read_only=True) if directory is not None else None
        self._fresh: dict[str, bytes] = {}

    def get(self, key: str) -> dict[str, Any] | None:
        """The document kept under `key`, None when there is none."""
        return self._cache.get(key) if self._cache is not None else None

    def put(self, key: str, document: dict[str, Any]) -> None:
        """Hold a new document, unless it is too large to be kept."""
        if self._cache is None:
            return
        packed = pack(document)
        if len(packed) <= PACKED_BYTES_AT_MOST:
            self._fresh[key] = packed

    def take_fresh(self) -> dict[str, bytes]:
        """The documents put since the last call, packed for the cache."""
        fresh, self._fresh = self._fresh, {}
        return fresh


def open_audit_cache(results: ResultCache | None) -> ResultCache | None:
    """The cache of audits beside that of results, for the process that may write."""
    return ResultCache(results.directory, CACHE_NAME) if results is not None else None
