"""report-mean: the headline is the mean over seeds of the final score, without corrections.

What it checks
    The claimed score of submission.json against the mean of the per-seed scores, logged or stated, and
    against the mean that the README states.
Why it matters
    The table ranks by the mean. A best seed, an offset or a slip of the pen buys places that the runs do not.
What is allowed instead
    The mean of all counted seeds, rounded as one likes; single-run entries state their run.
How it is detected
    Mean of the logged scores when every stated seed has one, else of the stated ones. The headline may differ
    by 5e-5 or half a unit of its last decimal. It fails when it is lower than every per-seed score although
    those scores are confirmed by the logs or stated by the same file: no choice of seeds gives it. Where
    another run of the folder is as low, a person is asked which runs count. Equal to
    the best seed is a warning, as the mean can be read off (#63, #287 were accepted so); lower than the mean
    otherwise asks a person; higher than the mean is a remark. Where that finds nothing, the headline is
    held against the README: a line labelled mean that is indeed the mean of the README's own scores per
    seed, yet not the headline, is a warning.
What it cannot see
    Whether per-seed scores themselves were corrected: claim-in-log compares them with the logs.
Rulings
    #1981, 2026-05-02 (A2): a headline with an unsupported correction of 0.005 is refused. README rows of
    #63, #287, #315 and #414 (A3) show the best seed instead of the mean.
Example
    headline 1.19000 is lower than every one of 3 logged scores (lowest 1.20000, mean 1.20100): it is 0.01100
    BPB below their mean, and no choice of seeds gives it. State the mean.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING

from harness.case import failed, needs_human, not_checked, noted, passed, warned
from harness.evidence.seed_evidence import Match
from harness.evidence.seed_scores import ScoreSample, proven_seeds
from harness.finding import Role, RuleVerdict
from harness.wording import count_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from harness.case import Case
    from harness.finding import Finding, Sourced

RULE = "report-mean"

_MEAN = re.compile(r"\b(?:mean|average|avg)\b", re.IGNORECASE)
_CONFIRMED = {Match.CLAIM, Match.CLAIM_NEAR}


def _decimals(value: float) -> int:
    """Decimals that a number was stated with: 1.081 has three."""
    text = repr(value)
    if "e" in text or "." not in text:
        return 17
    return len(text.split(".")[1])


def _tolerance(case: Case, headline: float) -> float:
    return max(case.limits.number("score.headline_tolerance_bpb"), 0.5001 * 10.0 ** -_decimals(headline))


def _sample(case: Case) -> tuple[ScoreSample | None, bool]:
    """The per-seed scores, and whether they are firm enough to contradict the headline."""
    seeds = proven_seeds(case.evidence)
    claims = tuple(c.val_bpb for c in case.submission.json.per_seed if c.val_bpb is not None)
    logged = tuple(seed.counted.val_bpb for seed in seeds if seed.counted is not None)
    if logged and len(logged) >= len(claims):
        confirmed = bool(claims) and all(seed.match in _CONFIRMED for seed in seeds)
        return ScoreSample(scores=logged, proven=True), confirmed
    if claims:
        return ScoreSample(scores=claims, proven=False), True
    return None, False


def _reached_elsewhere(case: Case, score: float) -> float | None:
    """A final score as low as `score` that is not counted: of another logged run, or stated without a log."""
    logged_claims = [seed.claim for seed in case.evidence.seeds if seed.counted is not None]
    stated = (
        claim.val_bpb
        for claim in case.submission.json.per_seed
        if not any(claim is other for other in logged_claims)
    )
    others = [run for seed in case.evidence.seeds for run in seed.other_runs]
    logged = (each.val_bpb for run in (*others, *case.evidence.unused_runs) for each in run.final_passes)
    low = [each.value for each in (*logged, *stated) if each is not None and each.value <= score]
    return min((*low, *_repeated_runs(case, score)), default=None)


def _repeated_runs(case: Case, score: float) -> Iterator[float]:
    """Scores in lists of runs of submission.json, where one seed may stand twice."""
    for runs in case.submission.json.raw.values():
        for run in runs if isinstance(runs, list) else ():
            stated = run.get("val_bpb") if isinstance(run, Mapping) else None
            if isinstance(stated, float) and stated <= score:
                yield stated


def check(case: Case) -> Iterator[Finding]:
    """The headline against the mean of the seeds."""
    headline = case.submission.json.headline
    if headline is None:
        yield not_checked(RULE, "submission.json states no score (val_bpb)")
        return
    sample, firm = _sample(case)
    if sample is None:
        yield not_checked(RULE, "neither logs nor submission.json give a score per seed", headline.place())
        return
    found = _compare(case, headline, sample, firm)
    yield found
    if found.verdict is RuleVerdict.PASS and (other := _readme_mean(case)) is not None:
        stated, seeds = other
        apart = headline.value - stated.value
        side = "lower" if apart < 0 else "higher"
        yield warned(
            RULE,
            f"the README states the mean {stated.value:.5f} of its {seeds:,} seeds, submission.json "
            f"{headline.value:.5f}, {abs(apart):.5f} BPB {side}. State one mean in both.",
            headline.place("claimed score"),
            stated.place("mean that the README states", Role.RELATED),
        )


def _readme_mean(case: Case) -> tuple[Sourced[float], int] | None:
    """A labelled mean of the README's scores per seed that is not the headline, and how many seeds it has."""
    headline, claims = case.submission.json.headline, case.submission.readme_claims
    scores = {claim.seed: claim.val_bpb.value for claim in claims.per_seed if claim.val_bpb is not None}
    if headline is None or len(scores) < 2:
        return None
    mean = sum(scores.values()) / len(scores)
    for score in claims.scores:
        near = max(_tolerance(case, score.value), _tolerance(case, headline.value))
        labelled = score.excerpt is not None and _MEAN.search(score.excerpt)
        if labelled and abs(score.value - mean) <= near < abs(score.value - headline.value):
            return score, len(scores)
    return None


def _compare(case: Case, headline: Sourced[float], sample: ScoreSample, firm: bool) -> Finding:
    tolerance = _tolerance(case, headline.value)
    off, lowest = headline.value - sample.mean, min(sample.values)
    kind = "logged" if sample.proven else "stated"
    runs = count_of(len(sample.values), f"{kind} score")
    numbers = f"lowest {lowest:.5f}, mean {sample.mean:.5f}"
    places = (
        headline.place("claimed score"),
        *(score.place("per-seed score", Role.RELATED) for score in sample.scores[:4]),
    )
    if abs(off) <= tolerance:
        return passed(RULE, f"headline {headline.value:.5f} is the mean of {runs} ({numbers})", *places)
    text = f"headline {headline.value:.5f} differs by {off:+.5f} BPB from the mean of {runs} ({numbers})"
    if off > 0:
        return noted(RULE, f"{text}: it understates the result", *places)
    if headline.value < lowest - tolerance:
        where = f"the only {kind} score" if len(sample.values) == 1 else f"every one of {runs}"
        lower = f"headline {headline.value:.5f} is lower than {where} ({numbers})"
        lower = f"{lower}: it is {-off:.5f} BPB below their mean"
        reached = _reached_elsewhere(case, headline.value + tolerance)
        if reached is not None:
            message = f"{lower}; another run here has {reached:.5f}. State the mean of the counted seeds."
            ask = "Does the headline average the runs that the rules count?"
            return needs_human(RULE, message, *places, ask=ask)
        message = f"{lower}, and no choice of seeds gives it. State the mean."
        if firm:
            return failed(RULE, message, *places)
        ask = "Do the shipped logs belong to the claimed runs?"
        return needs_human(RULE, message, *places, ask=ask)
    if headline.value <= lowest + tolerance:
        return warned(RULE, f"{text}: it is the best seed. State the mean; rows rank by it.", *places)
    if -off <= case.limits.number("score.claim_tolerance_bpb"):
        return warned(RULE, f"{text}. State the mean of all seeds.", *places)
    ask = "Is the headline explained by runs that are not shipped?"
    return needs_human(RULE, f"{text}. State the mean of all seeds.", *places, ask=ask)
