"""seed-identity: the logs of different seeds come from different runs.

What it checks
    The seed a log prints against its file name and the claim; and whether two seeds share a run: equal first
    train losses, one run id, or byte-identical logs.
Why it matters
    Three copies of one run have no spread and prove nothing; a deviation made from them looks splendid.
What is allowed instead
    train.log as a second copy of a seed's log, several seeds in one file, reruns of one seed.
How it is detected
    Printed seeds, file names, run ids, hashes of files, and the first four train losses of every seed's run:
    real seeds differ in the third decimal at the latest; in 503 multi-seed submissions 6 pairs were equal
    within 6e-4, each for a reason worth asking about.
What it cannot see
    A log that prints no seed and no early loss, and a log that was edited with care.
Rulings
    README d2bd76079, 2026-03-19 (A1): runs, not copies. #1729 (A3): a log named seed 0 prints seed 1337, and
    has a row; #2058 (A3, non-record): three logs print seed 1337. So this rule only asks.
Example
    seed 0 and seed 42 start with the same train losses 6.9347, 8.2101, 7.4410, 6.6021
    (train_seed0.log, train_seed42.log): one run under two names?
"""

from __future__ import annotations

import re
from itertools import combinations
from typing import TYPE_CHECKING

from harness.case import needs_human, not_checked, passed
from harness.evidence.seed_scores import name_of, proven_seeds
from harness.finding import Place, Role
from harness.wording import count_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from harness.case import Case
    from harness.evidence.seed_evidence import SeedEvidence
    from harness.finding import Finding
    from harness.logs.training_log import Run
    from harness.submission import Submission

RULE = "seed-identity"

_UUID = re.compile(r"[0-9a-f]{8}(?:-?[0-9a-f]{4}){3}-?[0-9a-f]{12}", re.IGNORECASE)
_LOSSES = 4
_EQUAL_LOSS = 6e-4  # nats per token; one unit in the fourth decimal is rounding


def check(case: Case) -> Iterator[Finding]:
    """Names first, then pairs of seeds, then equal files."""
    seeds = proven_seeds(case.evidence)
    if not seeds:
        yield not_checked(RULE, "no log proves a score of a seed")
        return
    found = [*_misnamed(seeds), *_shared(seeds), *_equal_files(case.submission)]
    yield from found
    if not found:
        yield passed(RULE, f"{count_of(len(seeds), 'seed')}, each with a run of its own")


def _training_run(seed: SeedEvidence) -> Run | None:
    return seed.training_run or seed.run


def _misnamed(seeds: tuple[SeedEvidence, ...]) -> Iterator[Finding]:
    for seed in seeds:
        for run in dict.fromkeys(id(run) for run in (seed.run, seed.training_run) if run is not None):
            yield from _misnamed_run(seed, seed.run if id(seed.run) == run else seed.training_run)


def _misnamed_run(seed: SeedEvidence, run: Run | None) -> Iterator[Finding]:
    if run is None or run.seed is None:
        return
    printed = run.seed.value
    named = run.seed_from_name if run.seed_from_name is not None else printed
    claimed = seed.seed if seed.seed is not None else printed
    if printed in (named, claimed) and printed == named == claimed:
        return
    expected = [f"file name says {named}"] if named != printed else []
    expected += [f"the claim says {claimed}"] if claimed != printed else []
    yield needs_human(
        RULE,
        f"{run.seed.file}:{run.seed.line} prints seed {printed}, but {' and '.join(expected)}",
        run.seed.place("printed seed"),
        ask=f"Is this the log of seed {claimed if claimed != printed else named}?",
    )


def _shared(seeds: tuple[SeedEvidence, ...]) -> Iterator[Finding]:
    for one, other in combinations(seeds[:16], 2):
        first, second = _training_run(one), _training_run(other)
        if first is None or second is None:
            continue
        pair = f"{name_of(one)} and {name_of(other)}"
        places = (
            Place(file=first.file, line=first.first_line, note=f"run of {name_of(one)}"),
            Place(
                file=second.file, line=second.first_line, role=Role.RELATED, note=f"run of {name_of(other)}"
            ),
        )
        ask = f"Were {pair} trained in two separate runs?"
        if first is second:
            yield needs_human(RULE, f"{pair} rest on one and the same run ({first.file})", *places, ask=ask)
        elif _same_start(first, second):
            losses = ", ".join(f"{loss:.4f}" for loss in first.first_losses[:_LOSSES])
            yield needs_human(
                RULE,
                f"{pair} start with the same train losses {losses} ({first.file}, {second.file}): one run "
                "under two names?",
                *places,
                ask=ask,
            )
        elif _same_id(first, second) and first.run_id is not None and second.run_id is not None:
            yield needs_human(
                RULE,
                f"{pair} print the same run id {first.run_id.value} ({first.file}:{first.run_id.line}, "
                f"{second.file}:{second.run_id.line})",
                *places,
                ask=ask,
            )


def _same_id(first: Run, second: Run) -> bool:
    """True for one generated id (a UUID); names that people give are reused between seeds."""
    if first.run_id is None or second.run_id is None:
        return False
    return first.run_id.value == second.run_id.value and bool(_UUID.fullmatch(first.run_id.value.strip()))


def _same_start(first: Run, second: Run) -> bool:
    one, other = first.first_losses[:_LOSSES], second.first_losses[:_LOSSES]
    if len(one) < _LOSSES or len(other) < _LOSSES or len(set(one)) < 2:
        return False
    return all(abs(a - b) <= _EQUAL_LOSS for a, b in zip(one, other, strict=True))


def _equal_files(submission: Submission) -> Iterator[Finding]:
    for one, other in combinations(submission.logs[:32], 2):
        if one.sha256 != other.sha256 or not one.runs or not other.runs:
            continue
        names = (one.runs[0].seed_from_name, other.runs[0].seed_from_name)
        if None in names or names[0] == names[1]:
            continue
        yield needs_human(
            RULE,
            f"{one.path} and {other.path} are the same file, byte for byte, under the names of seeds "
            f"{names[0]} and {names[1]}",
            Place(file=one.path, note="first copy"),
            Place(file=other.path, role=Role.RELATED, note="second copy"),
            ask="Was one of the two logs copied by mistake?",
        )
