"""The seed that a path names."""

from __future__ import annotations

import re

_SEED_IN_NAME = (
    re.compile(r"seeds?[ _=-]{0,2}(\d{1,10})(?!\d)", re.IGNORECASE),
    re.compile(r"(?:^|[/_.-])seeds/(\d{1,10})(?=/)", re.IGNORECASE),
    re.compile(r"(?:^|[/_.-])s[_-]?(\d{1,10})(?=[/_.-]|$)", re.IGNORECASE),
    re.compile(r"(?:^|[/_.-])(\d{1,10})[_-]?seed", re.IGNORECASE),
)
# A number that ends a file name is a seed only if it is one that people use.
_COMMON_SEED = re.compile(
    r"[/_.-](42|1337|2025|2026|2024|1234|314|999|1111|31415|1338|1339)(?=[_.-][^/]*$|$)"
)


def seed_from_name(path: str) -> int | None:
    """The seed a path names: `train_seed42.log`, `seeds/42/run.log`, `log_s42.txt`; None if it names none.

    The file name counts before its folders.
    """
    name = path.rpartition("/")[2]
    for text in (name, path):
        for pattern in (*_SEED_IN_NAME, _COMMON_SEED):
            found = pattern.findall(text if pattern is not _COMMON_SEED else f"_{name}")
            if found:
                return int(found[-1])
    return None
