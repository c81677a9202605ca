"""The techniques a row names, for people who look for rows: words of title and folder, no verdict."""

from __future__ import annotations

import re
import tomllib
from functools import lru_cache
from typing import TYPE_CHECKING

from harness.errors import SetupError

if TYPE_CHECKING:
    from pathlib import Path

    from harness.leaderboard.board_row import BoardRow

_NAME_CHARACTERS = 400


@lru_cache(maxsize=4)
def technique_patterns(rules_dir: Path) -> tuple[tuple[str, re.Pattern[str]], ...]:
    """The words of techniques.toml in its order; none where a rules folder has no such file.

    Raises `SetupError` for a file that is not a table of patterns.
    """
    path = rules_dir / "techniques.toml"
    if not path.is_file():
        return ()
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))["techniques"]
        return tuple((name, re.compile(pattern, re.IGNORECASE)) for name, pattern in table.items())
    except (OSError, KeyError, TypeError, AttributeError, re.error, tomllib.TOMLDecodeError) as error:
        raise SetupError(f"{path}: {error}; write [techniques] with a pattern for each name") from error


def techniques_of(row: BoardRow, rules_dir: Path) -> tuple[str, ...]:
    """The techniques that its name or folder mentions, in the order of the file."""
    text = f"{row.name} {row.folder or ''}".replace("_", " ")[:_NAME_CHARACTERS]
    return tuple(name for name, pattern in technique_patterns(rules_dir) if pattern.search(text))
