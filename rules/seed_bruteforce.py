"""seed-bruteforce: seeds are not searched for.

What it checks
    Signs that the reported seeds were picked: logs of further seeds that all score worse, words such as "best
    3 of 10 seeds", and odd seed numbers with next to no spread.
Why it matters
    The best three of many seeds beat the mean of the lineage without any progress, and tests of significance
    assume seeds that were not chosen by their score.
What is allowed instead
    Any seeds fixed beforehand; showing more seeds than three and reporting the mean of all of them.
How it is detected
    Runs in the package whose seed no claim names, when each scores worse than every claimed one; a phrase in
    README or submission.json; three or more seeds without pattern whose deviation is below a third of the
    lineage's smallest usual one (0.0004 BPB).
What it cannot see
    Runs that were not shipped, which is where a search would be.
Rulings
    README a15093ada, 2026-03-18 (A1): brute-forcing seeds is not fair compute. Nobody was refused for this
    alone, so it warns.
Example
    2 further seeds are logged (7: 1.20310, 99: 1.20290) and all score worse than the 3 claimed ones (worst
    1.20150): report the mean of all
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from harness.case import not_checked, passed, warned
from harness.evidence.seed_scores import places_of, proven_seeds
from harness.evidence.significance import sample_std
from harness.finding import Place
from harness.wording import count_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from harness.case import Case
    from harness.evidence.seed_evidence import SeedEvidence
    from harness.finding import Finding
    from harness.logs.training_log import EvalPass

RULE = "seed-bruteforce"

_WORDS = re.compile(
    r"\bbest (?:\d+|two|three|five) (?:out )?of (?:\d+|five|ten|many) (?:seeds|runs)\b"
    r"|\bseed (?:search|sweep|hunt(?:ing)?|brute[- ]?force)\b|\bcherry[- ]?pick(?:ed|ing)? (?:the )?seeds?\b"
    r"|\b(?:picked|selected|chosen) the best (?:\d+ |three )?seeds?\b",
    re.IGNORECASE,
)
_NEGATED = re.compile(r"\b(?:no|not|never|without|avoid(?:s|ed)?|isn't)\b[^.|]{0,30}$", re.IGNORECASE)
# Seeds people take without thinking: small numbers, repeated or counting digits, years, 10^n, famous ones.
_USUAL = re.compile(
    r"\d{1,3}|(\d)\1+|1234\d*|12345\d*|20[0-3]\d|10+|1337|31337|31415\d*|3141|2718\d*|9001|8675309"
)


def check(case: Case) -> Iterator[Finding]:
    """Left-out runs, then words, then spread."""
    seeds = proven_seeds(case.evidence)
    found = [*_left_out(case, seeds), *_words(case), *_spread(case, seeds)]
    yield from found
    if found:
        return
    if not seeds:
        yield not_checked(RULE, "no log proves a score of a seed")
        return
    yield passed(
        RULE, f"{count_of(len(seeds), 'seed')} claimed, no better-or-worse selection visible in the package"
    )


def _left_out(case: Case, seeds: tuple[SeedEvidence, ...]) -> Iterator[Finding]:
    claimed = {seed.seed for seed in seeds}
    worst = max((s.counted.val_bpb.value for s in seeds if s.counted is not None), default=None)
    labels = {seed.counted.label for seed in seeds if seed.counted is not None}
    others: dict[int, EvalPass] = {}
    for run in case.evidence.unused_runs:
        seed = run.seed.value if run.seed is not None else run.seed_from_name
        same_kind = [each for each in run.final_passes if each.label in labels]
        if seed is not None and seed not in claimed and same_kind:
            others[seed] = same_kind[-1]
    if len(seeds) < 2 or worst is None or not others:
        return
    if min(each.val_bpb.value for each in others.values()) <= worst:
        return
    listed = ", ".join(f"{seed}: {each.val_bpb.value:.5f}" for seed, each in sorted(others.items())[:5])
    yield warned(
        RULE,
        f"{len(others)} further seed{'s are' if len(others) > 1 else ' is'} logged ({listed}) and all score "
        f"worse than the {len(seeds)} claimed ones (worst {worst:.5f}): report the mean of all",
        *places_of([each.val_bpb for each in others.values()], "left-out score"),
    )


def _words(case: Case) -> Iterator[Finding]:
    readme = case.submission.readme
    if readme is None:
        return
    for number, line in enumerate(readme.text.splitlines(), start=1):
        found = _WORDS.search(line)
        if found and not _NEGATED.search(line[: found.start()]):
            yield warned(
                RULE,
                f'{readme.path}:{number} speaks of choosing seeds ("{found[0]}"): report the mean of all',
                Place(file=readme.path, line=number, note="this phrase", excerpt=line.strip()[:160]),
            )
            return


def _spread(case: Case, seeds: tuple[SeedEvidence, ...]) -> Iterator[Finding]:
    scores = [seed.counted.val_bpb for seed in seeds if seed.counted is not None]
    std = sample_std([score.value for score in scores])
    limit = case.limits.number("seeds.lineage_std_bpb") / 3
    odd = [seed.seed for seed in seeds if seed.seed is not None and not _USUAL.fullmatch(str(seed.seed))]
    if len(scores) < 3 or std is None or std >= limit or len(odd) < 2:
        return
    yield warned(
        RULE,
        f"seeds without pattern ({', '.join(str(seed) for seed in odd[:5])}) spread by only {std:.6f} BPB, "
        f"less than a third of the lineage's usual {case.limits.number('seeds.lineage_std_bpb')}: picked?",
        *places_of(scores, "counted score"),
    )
