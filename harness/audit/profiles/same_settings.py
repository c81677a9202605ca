"""When two profiles are one: equal settings but for what only identifies a run (seed, run id, log name)."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from harness.audit.run_profile import RunProfile, Setting

# Who ran, where it wrote to, how the machine was set up: no part of what the script computes.
IDENTITY = re.compile(
    r"(?i)(?:.*_)?seed|run_?id|run_?name|.*uuid|.*log_?(?:dir|file|path)|wandb\w*|nccl\w*|omp_\w+|master_\w+"
    r"|pythonpath|ld_library_path|pytorch_cuda_alloc_conf|pythonunbuffered|pythonhashseed|hf_\w+|torch_logs"
    r"|tokenizers_parallelism|cuda_\w+|torchinductor\w*|triton_\w+|path|home|nproc_per_node|nnodes|tokenizer_path|out(?:put)?_?dir|exp_?name"
)

_NUMBER = re.compile(r"-?(?:\d{1,18}(?:\.\d{0,18})?|\.\d{1,18})(?:e[-+]?\d{1,3})?")
NUMBER_OR_TRUTH = re.compile(rf"(?i){_NUMBER.pattern}|true|false")


def without_identity(
    environment: Mapping[str, Setting], argv: Sequence[str], world_size: int
) -> tuple[object, ...]:
    """What two runs of one configuration share: comparable, hashable."""
    settings = tuple(
        sorted((name, one.value) for name, one in environment.items() if not IDENTITY.fullmatch(name))
    )
    words, skip = [], False
    for word in argv:
        if skip:
            skip = False
            continue
        name = word.lstrip("-").partition("=")[0].replace("-", "_")
        if word.startswith("-") and IDENTITY.fullmatch(name):
            skip = "=" not in word
            continue
        words.append(word)
    return settings, tuple(words), world_size


def differing(one: Mapping[str, Setting], other: Mapping[str, Setting]) -> list[str]:
    """Names that both set, in any case, to different values; what only identifies a run left out."""
    mine = {name.lower(): setting for name, setting in one.items()}
    theirs = {name.lower(): setting for name, setting in other.items()}
    return sorted(
        name
        for name in mine.keys() & theirs.keys()
        if not IDENTITY.fullmatch(name) and not same_value(mine[name].value, theirs[name].value)
    )


def same_value(one: str, other: str) -> bool:
    """Equal as text, as truth values or as numbers ("3" and "3.0", "True" and "1")."""
    if one.strip() == other.strip():
        return True
    numbers = []
    for text in (one, other):
        word = text.strip().lower().replace("_", "")
        if word in {"true", "false"}:
            numbers.append(float(word == "true"))
        elif _NUMBER.fullmatch(word):
            numbers.append(float(word))
        else:
            return False
    return numbers[0] == numbers[1]


def merge_equal(profiles: Sequence[RunProfile]) -> list[RunProfile]:
    """Profiles of equal settings become the first of them, which keeps the names of the others.

    What stands first stays: a log holds more than a command with the same settings.
    """
    merged: dict[tuple[object, ...], RunProfile] = {}
    for one in profiles:
        key = (
            *without_identity(one.environment, one.argv, one.world_size),
            tuple(sorted((n, s.value) for n, s in one.attributes.items() if not IDENTITY.fullmatch(n))),
        )
        known = merged.get(key)
        if known is None:
            merged[key] = one
            continue
        names = (*known.also, one.name) if one.name not in {known.name, *known.also} else known.also
        merged[key] = replace(
            known,
            also=(*names, *one.also),
            is_claim=known.is_claim or one.is_claim,
            claimed_values=tuple(dict.fromkeys((*known.claimed_values, *one.claimed_values))),
        )
    return list(merged.values())
