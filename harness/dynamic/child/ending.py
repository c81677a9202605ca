"""Says how a script ended, for the parent: written beside the record, and read as a claim."""

from __future__ import annotations

import json
import os
import traceback
from pathlib import Path
from typing import Any

ENDING_NAME = "ending.json"
_LONGEST_MESSAGE = 2_000
_MOST_FRAMES = 12


def ending_of(error: BaseException | None) -> dict[str, Any]:
    """Plain data: exit status, and for an error its type, message and the frames it came through."""
    if error is None:
        return {"status": 0, "error": "", "message": "", "frames": []}
    if isinstance(error, SystemExit):
        status = error.code if isinstance(error.code, int) else int(error.code is not None)
        message = "" if isinstance(error.code, int) or error.code is None else str(error.code)
        return {
            "status": status,
            "error": "SystemExit" if status else "",
            "message": message[:_LONGEST_MESSAGE],
            "frames": _frames(error) if status else [],
        }
    return {
        "status": 1,
        "error": type(error).__name__,
        "message": str(error)[:_LONGEST_MESSAGE],
        "frames": _frames(error),
    }


def _frames(error: BaseException) -> list[dict[str, Any]]:
    """The innermost frames, outermost first."""
    found = traceback.extract_tb(error.__traceback__)[-_MOST_FRAMES:]
    return [
        {
            "file": frame.filename[-300:],
            "line": frame.lineno,
            "function": frame.name,
            "text": (frame.line or "")[:200],
        }
        for frame in found
    ]


def ending_name(rank: int) -> str:
    """File of the ending of `rank`."""
    return ENDING_NAME if rank == 0 else f"ending.rank{rank}.json"


def write_ending(folder: str, ending: dict[str, Any], rank: int = 0) -> None:
    """Write it where the parent looks; a script that took the place is not followed out of the folder."""
    path = Path(folder) / ending_name(rank)
    path.unlink(missing_ok=True)
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o644)
    with os.fdopen(handle, "w") as file:
        json.dump(ending, file)
