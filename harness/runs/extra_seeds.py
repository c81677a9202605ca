"""Secret seeds: drawn when a run is first asked for them, kept beside its records, never in a submission.

A script may treat the seeds it knows well; a seed nobody chose shows it. The seeds are drawn once for a
submission, so that a run that is resumed asks for the same ones.
"""

from __future__ import annotations

import json
import secrets
from typing import TYPE_CHECKING

from harness.errors import SetupError
from harness.whole_file import whole_file

if TYPE_CHECKING:
    from collections.abc import Collection
    from pathlib import Path

_NAME = "extra_seeds.json"
LARGEST_SEED = 2**31 - 1  # numpy takes 32 bits, some scripts a signed number
_LARGEST_FILE = 1 << 16


def extra_seeds(folder: Path, count: int, chosen: Collection[int]) -> tuple[int, ...]:
    """The first `count` secret seeds of the submission whose runs lie in `folder`, none of them in `chosen`.

    Raises `SetupError` where they cannot be kept or were damaged.
    """
    if count == 0:
        return ()
    path = folder / _NAME
    drawn = _read(path)
    usable = [seed for seed in drawn if seed not in chosen]
    if len(usable) < count:
        while len(usable) < count:
            seed = secrets.randbelow(LARGEST_SEED)
            if seed not in chosen and seed not in drawn:
                drawn.append(seed)
                usable.append(seed)
        _write(path, drawn)
    return tuple(usable[:count])


def _read(path: Path) -> list[int]:
    try:
        with path.open("rb") as file:
            seeds = json.loads(file.read(_LARGEST_FILE))
    except FileNotFoundError:
        return []
    except (OSError, ValueError, RecursionError) as error:
        raise SetupError(f"{path}: cannot be read as a list of seeds ({error}); move it away") from error
    if not isinstance(seeds, list) or not all(type(one) is int and 0 <= one <= LARGEST_SEED for one in seeds):
        raise SetupError(f"{path}: is no list of seeds; move it away")
    return seeds


def _write(path: Path, seeds: list[int]) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with whole_file(path) as file:
            file.write((json.dumps(seeds) + "\n").encode())
    except OSError as error:
        raise SetupError(f"{path}: cannot be written ({error}); choose another --out") from error
