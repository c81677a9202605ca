"""Results already computed, keyed by content, options and the tool's own code.

One SQLite file, written only by the parent process, one committed row per result: an interrupted batch loses
nothing that was printed. Static audits have a file of their own, as they outlive changes of rules and
reports. A cache that cannot be used is a warning, never a failure.
"""

from __future__ import annotations

import hashlib
import json
import os
import sqlite3
import zlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from types import TracebackType

# Rows beyond this are dropped oldest first when the cache is opened (about 6 kB a row).
ROWS_AT_MOST = 20_000


def default_cache_dir() -> Path:
    """`$GOLF_CACHE_DIR`, else `$XDG_CACHE_HOME/golf-harness`, else `~/.cache/golf-harness`."""
    if chosen := os.environ.get("GOLF_CACHE_DIR"):
        return Path(chosen)
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path("~/.cache").expanduser()) / "golf-harness"


# Code that no result depends on: results are stored as `reports/report_json` writes them, the other reports
# are made from that; the rest belongs to golf-run. The sandbox does not: the dynamic audit runs in it.
_RENDERING = "reports/"
_RESULT_REPORTS = ("reports/report_json.py", "reports/escape.py")
_OF_GOLF_RUN = ("machine/", "runs/", "scoring/", "watching/")


def _shapes_results(path: str) -> bool:
    """Whether a result may change with this file of ours (relative to `harness`)."""
    return path in _RESULT_REPORTS or not path.startswith((_RENDERING, *_OF_GOLF_RUN))


def tool_digest(rules_dir: Path, here: Path | None = None) -> str:
    """A digest of our own code and of the rules data: what may change a result makes all of them stale.

    `here` is the folder of our own code.
    """
    digest = hashlib.sha256()
    here = here or Path(__file__).resolve().parent
    for root in dict.fromkeys((here, here.parent / "rules", rules_dir.resolve())):
        for path in sorted(root.rglob("*")):
            if root == here and not _shapes_results(path.relative_to(here).as_posix()):
                continue
            if path.suffix in {".py", ".toml", ".json"} and path.is_file():
                digest.update(f"{path.relative_to(root)}\0".encode())
                digest.update(path.read_bytes())
    return digest.hexdigest()


def pack(document: dict[str, Any]) -> bytes:
    """A JSON document as it is stored."""
    return zlib.compress(json.dumps(document, separators=(",", ":")).encode(), 6)


class ResultCache:
    """A mapping from key to a JSON document; unusable storage makes it empty and sets `warning`."""

    def __init__(self, directory: Path, name: str = "results", *, read_only: bool = False) -> None:
        """Open or create `<name>.sqlite` in `directory`; for reading only, it must be there."""
        self.directory = directory
        self.warning: str | None = None
        self._database: sqlite3.Connection | None = None
        path = directory / f"{name}.sqlite"
        try:
            if read_only:
                uri = f"{path.resolve().as_uri()}?mode=ro"
                self._database = sqlite3.connect(uri, timeout=10.0, uri=True)
                return
            directory.mkdir(parents=True, exist_ok=True)
            self._database = sqlite3.connect(path, timeout=10.0)
            self._database.execute(
                "CREATE TABLE IF NOT EXISTS results (key TEXT PRIMARY KEY, document BLOB NOT NULL)"
            )
            self._database.execute(
                "DELETE FROM results WHERE rowid <= (SELECT max(rowid) FROM results) - ?", (ROWS_AT_MOST,)
            )
            self._database.commit()
        except (sqlite3.Error, OSError) as error:
            self._give_up(f"{path} cannot be used as a cache ({error}); results are computed afresh")

    def _give_up(self, why: str) -> None:
        self.warning = self.warning or why
        self._database = None

    def get(self, key: str) -> dict[str, Any] | None:
        """The document stored under `key`, or None; a damaged row counts as absent."""
        if self._database is None:
            return None
        try:
            row = self._database.execute("SELECT document FROM results WHERE key = ?", (key,)).fetchone()
            return json.loads(zlib.decompress(row[0])) if row else None
        except sqlite3.Error as error:
            self._give_up(f"the result cache is damaged ({error}); results are computed afresh")
        except (zlib.error, ValueError):
            pass
        return None

    def put(self, key: str, document: dict[str, Any]) -> None:
        """Store a document; committed before returning."""
        if self._database is not None:
            self.put_packed(key, pack(document))

    def put_packed(self, key: str, packed: bytes) -> None:
        """Store what `pack` made of a document."""
        if self._database is None:
            return
        try:
            with self._database:
                self._database.execute("INSERT OR REPLACE INTO results VALUES (?, ?)", (key, packed))
        except sqlite3.Error as error:
            self._give_up(f"the result cache cannot be written ({error}); results are not kept")

    def __enter__(self) -> ResultCache:
        """Use as a context manager closes the file."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the file; rows are already committed."""
        if self._database is not None:
            self._database.close()
            self._database = None


def result_key(content: str, options: str, tool: str) -> str:
    """One key from what was judged, how, and by which code."""
    return hashlib.sha256("\0".join((content, options, tool)).encode()).hexdigest()
