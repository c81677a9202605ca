"""train-val-disjoint: training documents and the 50,000 validation documents are disjoint.

What it checks
    Commands that build the data, the number of train shards, and the default of a shipped preparation
    script.
Why it matters
    A model trained on the documents it is scored on remembers them.
What is allowed instead
    The published exports, or a local build that holds out the first 50,000 documents.
How it is detected
    A shown command that holds out fewer documents than are scored fails: the documents between are in both
    sets. More shards of 100,000,000 tokens than the source documents can fill come from a local
    build and ask a person, the more so beside a script whose default is not 50,000. A shard count alone
    never fails, and never passes.
What it cannot see
    What the shards contain: that needs the data or its manifest.
Rulings
    #2130 was refused for a local build (2026-05-02); #2127 (2026-05-01) lists more. #1855 and later rows use
    the published export with 80 shards. A build with 1,499 shards was also claimed to be clean (#1967).
Example
    1,499 train shards were built locally (an export of this stream fills at most 151),
    prepare_caseops_data.py:128 holds out 10,000 documents by default, and the full 47,851,520
    validation tokens are scored.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.case import failed, needs_human, not_checked, passed
from harness.evidence.prepare_scripts import held_out_commands, held_out_defaults, most_shards
from harness.evidence.validation_bytes import stream_of_tokens, tokens_of
from harness.finding import Role

if TYPE_CHECKING:
    from collections.abc import Iterator

    from harness.case import Case
    from harness.finding import Finding, Sourced

RULE = "train-val-disjoint"


def check(case: Case) -> Iterator[Finding]:
    """Commands first, then the shard count; what they leave open is not checked."""
    shards, tokens = _printed(case)
    full = tokens is not None and stream_of_tokens(tokens.value, case.limits) is not None
    wanted = case.limits.integer("validation.documents")
    commands = list(held_out_commands(case.submission))
    for command in commands:
        place = command.place("command that builds the data")
        if command.value >= wanted:
            yield passed(RULE, f"the shown command holds out {command.value:,} documents", place)
        elif full and tokens is not None:
            yield failed(
                RULE,
                f"the shown command holds out {command.value:,} validation documents, but all {wanted:,} "
                f"are scored ({tokens.value:,} tokens): documents {command.value:,} to {wanted - 1:,} are "
                "in both sets; rebuild the data and train again",
                place,
                tokens.place("validation tokens scored", Role.RELATED),
            )
        else:
            yield needs_human(
                RULE,
                f"the shown command holds out {command.value:,} validation documents, not {wanted:,}",
                place,
                ask="Was the submitted run trained on data built with this command?",
            )
    most = most_shards(tokens.value if tokens is not None else None, case.limits)
    if shards is not None and shards.value > most:
        yield _local_build(case, shards, tokens if full else None, most)
    elif not commands:
        seen = f"{shards.value:,} train shards fit a published export, but " if shards is not None else ""
        yield not_checked(
            RULE,
            f"{seen}no log or file shows which documents the shards hold: that needs the data or its "
            "manifest",
            *((shards.place("train shards"),) if shards is not None else ()),
        )


def _printed(case: Case) -> tuple[Sourced[int] | None, Sourced[int] | None]:
    """Train shards and validation tokens; of several runs, those with the most shards."""
    runs = [(seed, seed.training_run or seed.run) for seed in case.evidence.seeds]
    printed = [(run.train_shards, tokens_of(seed)) for seed, run in runs if run and run.train_shards]
    fallback = next((tokens for seed, _ in runs if (tokens := tokens_of(seed))), None)
    return max(printed, key=lambda pair: pair[0].value if pair[0] else 0, default=(None, fallback))


def _local_build(case: Case, shards: Sourced[int], tokens: Sourced[int] | None, most: int) -> Finding:
    wanted = case.limits.integer("validation.documents")
    said = (
        f"{shards.value:,} train shards were built locally (an export of this stream fills at most {most:,})"
    )
    default = next((each for each in held_out_defaults(case.submission) if each.value != wanted), None)
    places = [shards.place("train shards")]
    if default is not None:
        said += f", {default.file}:{default.line} holds out {default.value:,} documents by default"
        places.append(default.place("default of the shipped script", Role.RELATED))
    if tokens is not None:
        said += f", and the full {tokens.value:,} validation tokens are scored"
        places.append(tokens.place("validation tokens scored", Role.RELATED))
    return needs_human(
        RULE,
        said,
        *places,
        ask=f"Does the data's manifest show that the first {wanted:,} documents are in no train shard?",
    )
