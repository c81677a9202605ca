"""official-dataset: tokens come from the published exports, or hold the same documents.

What it checks
    Train shards and validation stream of the counted runs, and whether the submission says that it trained
    on other text.
Why it matters
    Other text, or another cut of the same text, changes what a score compares.
What is allowed instead
    Any of the published exports or their mirrors, whole or in part; a rebuilt one with the same documents.
How it is detected
    A shard count that the source documents can fill passes, a larger one is a warning. A stated
    change of the training text asks a person.
What it cannot see
    What the shards contain.
Rulings
    README and data/README.md name the exports. Mirrors of sp4096, sp8192 and CaseOps stand in merged rows.
    No ruling exists on other training text.
Example
    1,600 train shards: an export of this stream fills at most 196; say how they were made.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from harness.case import needs_human, not_checked, passed, warned
from harness.evidence.prepare_scripts import most_shards
from harness.evidence.stated_methods import readme_says
from harness.evidence.validation_bytes import stream_of_tokens, tokens_of
from harness.finding import Sourced

if TYPE_CHECKING:
    from collections.abc import Iterator

    from harness.case import Case
    from harness.finding import Finding

RULE = "official-dataset"

_OTHER_TEXT = re.compile(
    r"\b(?:extra|additional|external|custom|non-?fineweb) train(?:ing)?[ "
    r"-](?:data|text|corpus|tokens|documents)\b"
    r"|\b\w*-?inject\w*\b.{0,60}\b(?:train\w* (?:shards?|data|set|split|tokens)|shards?|corpus)\b"
    r"|\btrained on (?!fineweb)(?:wikipedia|c4|the pile|openwebtext|slimpajama|dolma|books)",
    re.IGNORECASE,
)
_JSON_KEYS = ("dataset_modification", "extra_training_data", "external_data", "training_corpus")


def check(case: Case) -> Iterator[Finding]:
    """One finding per distinct shard count, and one for stated other text."""
    stated = next(_other_text(case), None)
    if stated is not None:
        yield needs_human(
            RULE,
            "the submission says that its training text differs from the published export: "
            f"{stated.value[:160]!r}",
            stated.place("stated change of the training text"),
            ask="Is training on this text allowed on this track?",
        )
    yield from _shards(case)


def _other_text(case: Case) -> Iterator[Sourced[str]]:
    yield from readme_says(case.submission, _OTHER_TEXT)
    json = case.submission.json
    for key in _JSON_KEYS:
        if json.raw.get(key):
            yield Sourced(f"{key} is set in submission.json", json.path)


def _shards(case: Case) -> Iterator[Finding]:
    seen: set[int] = set()
    for seed in case.evidence.seeds:
        run = seed.training_run or seed.run
        shards = run.train_shards if run is not None else None
        if shards is None or shards.value in seen:
            continue
        seen.add(shards.value)
        tokens = tokens_of(seed)
        stream = stream_of_tokens(tokens.value, case.limits) if tokens is not None else None
        place = shards.place("train shards")
        most = most_shards(tokens.value if tokens is not None else None, case.limits)
        if shards.value <= most:
            known = f", and the {stream.name} validation stream" if stream is not None else ""
            yield passed(RULE, f"{shards.value:,} train shards, as exports have{known}", place)
        else:
            yield warned(
                RULE,
                f"{shards.value:,} train shards: an export of this stream fills at most {most:,}; say how "
                "they were made",
                place,
            )
    if not seen:
        yield not_checked(RULE, "no log prints how many train shards there were")
