"""Submissions whose sizes matter: scripts of a given size and logs whose size lines agree with them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from tests.builders import SEEDS, good_json, good_log, make_submission

if TYPE_CHECKING:
    from pathlib import Path

    from harness.submission import Submission

SCRIPT_BYTES = 60_000


def script(size_bytes: int = SCRIPT_BYTES, start: str = "") -> str:
    """A script of exactly this size that packs badly: distinct hexadecimal constants, no two alike."""
    lines = [start] if start else []
    length = sum(len(line) + 1 for line in lines)
    number = 1
    while length < size_bytes - 40:
        line = f"v{number} = 0x{(number * 0x9E3779B97F4A7C15) % 2**64:016x}"
        lines.append(line)
        length += len(line) + 1
        number += 1
    text = "\n".join(lines) + "\n"
    return text + "#" * (size_bytes - len(text) - 1) + "\n"


def sized_log(seed: int, *, model: int, code: int = SCRIPT_BYTES, total: int | None = None) -> str:
    """A good log with these sizes; the total is model plus code unless given."""
    total = model + code if total is None else total
    return good_log(
        seed,
        model_bytes=f"Serialized model quantized+brotli: {model} bytes",
        code=f"Code size: {code} bytes",
        total=f"Total submission size quantized+brotli: {total} bytes",
    )


def sized_submission(
    root: Path,
    *,
    model: int,
    logged_code: int = SCRIPT_BYTES,
    claim: int | None = None,
    entry: str = "records/track_10min_16mb/2026-04-01_Example",
    **files: str | bytes | None,
) -> Submission:
    """A good submission whose three logs print this model and code size; `claim` is every seed's total."""
    total = model + logged_code if claim is None else claim
    results = {str(seed): {"val_bpb": 1.2, "artifact_bytes": total} for seed in SEEDS}
    document = good_json(bytes_total=total, bytes_code=logged_code, seed_results=results)
    given: dict[str, str | bytes | None] = {
        "train_gpt__py": script(),
        "submission__json": json.dumps(document, indent=2),
    }
    for seed in SEEDS:
        given[f"train_seed{seed}__log"] = sized_log(seed, model=model, code=logged_code)
    given.update(files)
    return make_submission(root, entry, **given)
