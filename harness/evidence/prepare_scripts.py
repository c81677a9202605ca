"""How training data was prepared: what shipped scripts hold out, and how many shards an export can have."""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING

from harness.evidence.stated_methods import commands
from harness.evidence.validation_bytes import known_streams, stream_of_tokens

if TYPE_CHECKING:
    from collections.abc import Iterator

    from harness.finding import Sourced
    from harness.ruleset import Limits
    from harness.submission import Submission

_OPTION = re.compile(r"^--(?:num[-_])?val(?:idation)?[-_](?:num[-_])?docs$")
_COMMAND = re.compile(r"--(?:num[-_])?val(?:idation)?[-_](?:num[-_])?docs[= ]+['\"]?(\d[\d_,]{0,11})\b")


def most_shards(val_tokens: int | None, limits: Limits) -> int:
    """How many train shards of the published size the source documents can fill.

    Their tokens per document are those of the validation stream; for an unknown stream, those of the known
    one with the most tokens per document, the byte-level one left out.
    """
    stream = stream_of_tokens(val_tokens, limits) if val_tokens is not None else None
    longest = max(each.tokens for each in known_streams(limits) if each.bytes_per_token > 1.5)
    per_document = (stream.tokens if stream is not None else longest) / limits.integer("validation.documents")
    return math.ceil(
        limits.integer("data.source_documents") * per_document / limits.integer("data.shard_tokens")
    )


def held_out_defaults(submission: Submission) -> Iterator[Sourced[int]]:
    """The default of each `--val-docs` style option in a shipped Python script, with its line."""
    for default in submission.code.option_defaults:
        if _OPTION.match(default.option):
            yield default.value


def held_out_commands(submission: Submission) -> Iterator[Sourced[int]]:
    """The number each shown command passes to a `--val-docs` style option."""
    for command in commands(submission):
        for match in _COMMAND.finditer(command.value):
            yield command.with_value(int(match.group(1).replace("_", "").replace(",", "")))
