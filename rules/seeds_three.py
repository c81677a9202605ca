"""seeds-three: at least three seeded runs of the same code are shown in logs.

What it checks
    How many different seeds have a counted final score in a log, for a record claim; three are required.
Why it matters
    One run says little: accepted lineages spread over 0.0004 to 0.0009 BPB from seed to seed, as much as
    most rows gain. Seed values are free; no list of official seeds exists.
What is allowed instead
    More seeds, any seed values, several seeds in one log, or filing as non-record with one run.
How it is detected
    Seeds are taken from claims and logs; a seed counts when a final evaluation pass of its own run was found.
    It fails when submission.json states scores for three seeds (or declares three) while every shipped log
    was readable and no log of the missing seeds is there. Fewer seeds without such a claim ask a person.
What it cannot see
    Runs that were not shipped, or that stand in another pull request (#1851 was completed by #1868). A log it
    cannot read is missing evidence, not a missing seed.
Rulings
    README d2bd76079, 2026-03-19 (A1): three runs most often suffice. #1963, 2026-05-02 (A2): one seed is not
    ready to be a record. #2009, 2026-05-02 (A2): no three seed logs. #1851, 2026-04-29 (A3): one seed of its
    own, accepted with the seeds of #1868.
Example
    logs prove 1 seed of 3 (seed 42), yet submission.json states scores for 3 seeds (42, 0, 1234): no log of
    seed 0, seed 1234 is shipped. Add their train logs.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from harness.case import failed, needs_human, not_checked, passed
from harness.evidence.seed_scores import PLACES_AT_MOST, name_of, proven_seeds
from harness.finding import Place, Role
from harness.wording import count_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from harness.case import Case
    from harness.evidence.seed_evidence import SeedEvidence
    from harness.finding import Finding, Sourced
    from harness.submission import Submission

RULE = "seeds-three"

_DECLARED = re.compile(r"(?:three|3)[_ -]?seeds?")


def declares_three(submission: Submission) -> Sourced[bool] | None:
    """The compliance flag that says three seeds were run, when it is true."""
    for key, flag in submission.json.compliance.items():
        if _DECLARED.search(key.lower()) and flag.value:
            return flag
    return None


def _stated(submission: Submission) -> list[int]:
    """Seeds for which submission.json states a score of their own."""
    seeds = [c.seed for c in submission.json.per_seed if c.seed is not None and c.val_bpb is not None]
    return list(dict.fromkeys(seeds))


def _names(seeds: tuple[SeedEvidence, ...]) -> str:
    return ", ".join(name_of(seed) for seed in seeds[:8]) or "none"


def _places(seeds: tuple[SeedEvidence, ...]) -> tuple[Place, ...]:
    scores = [seed.counted.val_bpb for seed in seeds if seed.counted is not None]
    return tuple(
        score.place("counted score", Role.PRIMARY if number == 0 else Role.RELATED)
        for number, score in enumerate(scores[:PLACES_AT_MOST])
    )


def _everything_was_read(case: Case) -> bool:
    """True when no log is damaged, empty of events, or was left unread."""
    logs = case.submission.logs
    unread = any("log" in problem for problem in case.submission.problems)
    return not unread and all(not log.problems and log.runs for log in logs)


def check(case: Case) -> Iterator[Finding]:
    """Count proven seeds against what is required and what is claimed."""
    required = case.limits.integer("seeds.required")
    proven = proven_seeds(case.evidence)
    if len(proven) >= required:
        yield passed(RULE, f"logs prove {count_of(len(proven), 'seed')} ({_names(proven)})", *_places(proven))
        return
    submission = case.submission
    stated, declared = _stated(submission), declares_three(submission)
    if not submission.logs:
        claim = f"; submission.json states scores for {count_of(len(stated), 'seed')}" if stated else ""
        yield not_checked(RULE, f"no train log is shipped, {required} seeds need one each{claim}")
        return
    shown = {seed.seed for seed in proven}
    without_log = [
        seed.seed
        for seed in case.evidence.seeds
        if seed.seed in stated
        and seed.seed not in shown
        and seed.run is None
        and seed.found_in is None
        and not seed.other_runs
    ]
    count = f"logs prove {count_of(len(proven), 'seed')} of {required} ({_names(proven)})"
    places = _places(proven) or (Place(file=submission.logs[0].path, note="no final score of a seed"),)
    if len(stated) >= required and without_log and _everything_was_read(case):
        missing = ", ".join(f"seed {seed}" for seed in without_log)
        seeds = ", ".join(str(seed) for seed in stated)
        claim_place = Place(file=submission.json.path, role=Role.RELATED, note="states their scores")
        yield failed(
            RULE,
            f"{count}, yet submission.json states scores for {len(stated)} seeds ({seeds}): no log of "
            f"{missing} is shipped. Add their train logs.",
            *places,
            claim_place,
        )
    elif declared is not None and _everything_was_read(case):
        yield failed(
            RULE,
            f"{count}, yet submission.json declares three seeds. Add the logs of the other seeds.",
            *places,
            declared.place("declares three seeds", Role.RELATED),
        )
    else:
        yield needs_human(
            RULE,
            f"{count}; the README asks for the average of {required} runs. Add logs of more seeds, or file "
            "it as non-record.",
            *places,
            ask="Is there enough evidence for a record without three logged seeds (a rerun elsewhere)?",
        )
