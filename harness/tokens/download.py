"""Fetch one file over HTTP so that it appears whole or not at all; an interrupted one goes on.

The unfinished file is NAME.part beside its final place. Only the standard library is used.
"""

from __future__ import annotations

import http.client
import os
import re
import time
import urllib.error
import urllib.request
from dataclasses import dataclass
from typing import TYPE_CHECKING

from harness import __version__
from harness.errors import SetupError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

_CHUNK_BYTES = 1 << 20
_CONTENT_RANGE = re.compile(r"bytes (\d+)-(\d+)/(\d+)")
_RETRY_STATUSES = frozenset({408, 429, 500, 502, 503, 504})


@dataclass(frozen=True, slots=True, kw_only=True)
class DownloadOptions:
    """How patient a download is; waits double from one attempt to the next."""

    attempts: int = 4
    first_wait_seconds: float = 1.0
    timeout_seconds: float = 30.0


class _TransientError(Exception):
    """The connection failed in a way that another attempt may mend."""


def _extent_told(response: http.client.HTTPResponse) -> tuple[int, int | None]:
    """Where the body begins in the file (-1: not told), and the size of the file where told."""
    length = response.headers.get("Content-Length", "")
    size = int(length) if length.isdigit() else None
    if response.status != http.HTTPStatus.PARTIAL_CONTENT:
        return 0, size
    match = _CONTENT_RANGE.fullmatch(response.headers.get("Content-Range", ""))
    return (-1, None) if match is None else (int(match[1]), int(match[3]))


def _is_whole(error: urllib.error.HTTPError, size: int) -> bool:
    """Whether a refused range means that all `size` bytes of the file are there already."""
    return bool(error.headers.get("Content-Range", "") == f"bytes */{size}")


def _write_body(
    response: http.client.HTTPResponse, part: Path, begin: int, tell_bytes: Callable[[int], None]
) -> int:
    """Append the body to the part from `begin` on and return the bytes the part now has."""
    try:
        with part.open("r+b" if begin else "wb") as file:
            file.seek(begin)
            file.truncate()
            done = begin
            while chunk := response.read(_CHUNK_BYTES):
                file.write(chunk)
                done += len(chunk)
                tell_bytes(done)
            file.flush()
            os.fsync(file.fileno())
    except http.client.IncompleteRead as error:
        raise _TransientError(f"the connection ended {error.expected or 0:,} bytes early") from error
    return done


def _attempt(url: str, part: Path, options: DownloadOptions, tell_bytes: Callable[[int], None]) -> None:
    resumed_at = part.stat().st_size if part.exists() else 0
    request = urllib.request.Request(url, headers={"User-Agent": f"golf-harness/{__version__}"})
    if resumed_at:
        request.add_header("Range", f"bytes={resumed_at}-")
    try:
        with urllib.request.urlopen(request, timeout=options.timeout_seconds) as response:
            begin, size = _extent_told(response)
            if begin not in {0, resumed_at}:
                part.unlink()
                raise _TransientError("the server answered another part of the file than was asked for")
            done = _write_body(response, part, begin, tell_bytes)
    except urllib.error.HTTPError as error:
        error.close()
        if error.code == http.HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE and resumed_at:
            if _is_whole(error, resumed_at):
                return
            part.unlink()  # longer than what is published: begin again
            raise _TransientError("the unfinished file does not fit what is published") from error
        if error.code in _RETRY_STATUSES:
            raise _TransientError(f"the server answered {error.code} {error.reason}") from error
        raise SetupError(f"{url}: the server refused: {error.code} {error.reason}") from error
    except (urllib.error.URLError, TimeoutError, ConnectionError, http.client.HTTPException) as error:
        reason = getattr(error, "reason", None) or error
        raise _TransientError(str(reason) or type(error).__name__) from error
    if size is not None and done != size:
        raise _TransientError(f"{done:,} of {size:,} bytes arrived")


def download(
    url: str,
    path: Path,
    *,
    check: Callable[[Path], None],
    tell_bytes: Callable[[int], None],
    options: DownloadOptions,
) -> None:
    """Fetch `url` to `path`; `check` sees the complete file before it takes its name, and raises SetupError.

    `tell_bytes` hears how many bytes of the file are there. Raises SetupError when the host cannot be
    reached or refuses, with what is kept for the next try.
    """
    part = path.with_name(path.name + ".part")
    wait = options.first_wait_seconds
    for attempt in range(1, options.attempts + 1):
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            _attempt(url, part, options, tell_bytes)
            break
        except _TransientError as error:
            if attempt == options.attempts:
                kept = part.stat().st_size if part.exists() else 0
                raise SetupError(
                    f"{url}: could not be fetched in {attempt} attempts: {error}; {kept:,} bytes are kept, "
                    f"the same command goes on there; without a network use golf-data demo or prepare"
                ) from error
            time.sleep(wait)
            wait *= 2
        except OSError as error:
            raise SetupError(f"{part}: cannot be written: {error.strerror or error}") from error
    try:
        check(part)
        part.replace(path)
    except SetupError:
        part.unlink(missing_ok=True)
        raise
    except OSError as error:
        raise SetupError(f"{path}: cannot be written: {error.strerror or error}") from error
