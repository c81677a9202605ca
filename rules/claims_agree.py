"""claims-agree: submission.json, README and title state the same numbers.

What it checks
    The headline against the README and the pull request's title; the stated deviation; bytes, steps and
    seconds stated for a seed against its log, and the README's score of a seed; and compliance
    flags of submission.json that the evidence contradicts.
Why it matters
    Reviewers copy these numbers into the table. Nothing here is trusted by other rules, but a wrong number
    misleads a reader and a flag without evidence is worth nothing.
What is allowed instead
    Rounding; other scores in the README (ablations, earlier rows); no deviation at all.
How it is detected
    A README or title number "fits" when it equals the headline after rounding to its own decimals. The
    deviation is recomputed from the per-seed scores: sample (n - 1) is right, population (n) is named.
    Flags are compared with proven seeds, logged bytes and printed seconds.
What it cannot see
    Numbers in images and prose without digits.
Rulings
    None; submission.json with a val_bpb is asked for by README a15093ada, 2026-03-18 (A1). Accepted rows
    state population deviations (#1610, #1626, #1729, #1855) and best seeds (#63, #287): this rule only warns.
Example
    submission.json flags three_seeds as true, but the logs prove 1 seed
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from harness.case import not_checked, passed, warned
from harness.evidence.clocks import measure_clocks
from harness.evidence.seed_scores import proven_seeds, score_sample
from harness.evidence.significance import population_std, sample_std
from harness.finding import Place, Role
from harness.wording import count_of, seed_label

if TYPE_CHECKING:
    from collections.abc import Iterator

    from harness.case import Case
    from harness.finding import Finding, Sourced
    from harness.submission import Submission

RULE = "claims-agree"

_SECONDS_APART = 1.5  # a cap rounded to whole seconds, or the step after it
_EVALUATION_APART = 1.0
_TITLE_SCORE = re.compile(r"(?<![\d.])([01]\.\d{3,8})(?!\d)")
_DECIMAL = re.compile(r"\d{1,2}\.\d{1,18}")


def _rounds_to(exact: float, stated: str) -> bool:
    """True when `stated` is `exact` rounded (or cut) to the decimals it is written with."""
    decimals = len(stated.partition(".")[2])
    return abs(exact - float(stated)) <= 1.0001 * 10.0**-decimals


def _as_written(score: Sourced[float]) -> str:
    """The number with the decimals of its line: 1.2000 has four, though its value has one."""
    for word in _DECIMAL.findall(score.excerpt or ""):
        if float(word) == score.value:
            return str(word)
    return repr(score.value)


def check(case: Case) -> Iterator[Finding]:
    """One warning for each pair of numbers that do not agree."""
    submission = case.submission
    if not submission.json.present:
        yield not_checked(RULE, "there is no submission.json to compare with")
        return
    found = [
        *_headline_in_readme(submission),
        *_headline_in_title(submission),
        *_deviation(case),
        *_bytes(case),
        *_steps_and_seconds(case),
        *_evaluation_seconds(case),
        *_seeds_in_readme(case),
        *_flags(case),
    ]
    yield from found
    if not found:
        yield passed(
            RULE, "the numbers of submission.json agree with README, title and logs as far as stated"
        )


def _headline_in_readme(submission: Submission) -> Iterator[Finding]:
    headline, scores = submission.json.headline, submission.readme_claims.scores
    if headline is None or not scores or any(_rounds_to(headline.value, _as_written(s)) for s in scores):
        return
    nearest = min(scores, key=lambda score: abs(score.value - headline.value))
    yield warned(
        RULE,
        f"the headline {headline.value:.5f} of submission.json stands nowhere in the README; the nearest of "
        f"its {len(scores)} scores is {nearest.value:g} (line {nearest.line})",
        headline.place("headline"),
        nearest.place("nearest score of the README", Role.RELATED),
    )


def _headline_in_title(submission: Submission) -> Iterator[Finding]:
    headline, title = submission.json.headline, submission.origin.title
    if headline is None or not title:
        return
    stated = _TITLE_SCORE.findall(title)
    if not stated or any(_rounds_to(headline.value, number) for number in stated):
        return
    yield warned(
        RULE,
        f"the title says {', '.join(stated[:3])}, submission.json {headline.value:.5f}",
        headline.place("headline"),
    )


def _deviation(case: Case) -> Iterator[Finding]:
    stated = case.submission.json.stated_std
    sample = score_sample(case.submission, case.evidence)
    if stated is None or sample is None or len(sample.values) < 2:
        return
    right, population = sample_std(sample.values), population_std(sample.values)
    if right is None or population is None or _close(stated.value, right):
        return
    kind = (
        "that is the population deviation (n); state the sample deviation (n - 1)"
        if _close(stated.value, population)
        else f"neither the sample deviation nor the population deviation {population:.5f}"
    )
    yield warned(
        RULE,
        f"the stated deviation {stated.value:g} differs from {right:.5f}, that of the {sample.words()}: "
        f"{kind}",
        stated.place("stated deviation"),
    )


def _close(stated: float, exact: float) -> bool:
    """Equal within one unit of the fifth decimal or 2 %, whichever is more."""
    return abs(stated - exact) <= max(1.1e-5, 0.02 * exact) or _rounds_to(exact, repr(stated))


def _bytes(case: Case) -> Iterator[Finding]:
    for seed in case.evidence.seeds:
        claim = seed.claim.total_bytes if seed.claim is not None else None
        logged = seed.total_bytes
        if claim is None or logged is None or claim.value == logged.value:
            continue
        model = seed.model_bytes
        why = " (the claim is the model without code)" if model and model.value == claim.value else ""
        yield warned(
            RULE,
            f"{seed_label(seed.seed)}: {claim.value:,} bytes claimed, {logged.file}:{logged.line} prints "
            f"{logged.value:,}{why}",
            claim.place("claimed bytes"),
            logged.place("logged bytes", Role.RELATED),
        )


def _steps_and_seconds(case: Case) -> Iterator[Finding]:
    """Steps and training seconds claimed for a seed, against the run that trained the counted score."""
    for seed in case.evidence.seeds:
        claim, run = seed.claim, seed.training_run
        if claim is None or run is None or run.stop is None:
            continue  # without a stop, the last step printed need not be the last one taken
        steps, seconds = run.stop.step, run.stop.train_seconds
        if claim.steps is not None and steps is not None and not _same_count(claim.steps.value, steps):
            yield warned(
                RULE,
                f"{seed_label(seed.seed)}: {claim.steps.value:,} steps claimed, {seconds.file}:"
                f"{seconds.line} stops after {steps:,}",
                claim.steps.place("claimed steps"),
                seconds.place("logged steps", Role.RELATED),
            )
        stated = claim.train_seconds
        if stated is not None and abs(stated.value - seconds.value) > _SECONDS_APART:
            yield warned(
                RULE,
                f"{seed_label(seed.seed)}: {stated.value:,.1f} s of training claimed, {seconds.file}:"
                f"{seconds.line} stops at {seconds.value:,.1f} s",
                stated.place("claimed training time"),
                seconds.place("logged training time", Role.RELATED),
            )


def _evaluation_seconds(case: Case) -> Iterator[Finding]:
    """Evaluation seconds claimed for a seed, against the counted pass or a sum that holds it."""
    for seed in case.evidence.seeds:
        stated = seed.claim.eval_seconds if seed.claim is not None else None
        clocks = measure_clocks(seed)
        if stated is None or clocks.counted is None:
            continue
        printed = [
            each.value for each in (clocks.counted, clocks.counted_encloses, clocks.stated_total) if each
        ]
        printed += [clocks.evaluation_seconds or clocks.counted.value, clocks.all_evaluation_seconds]
        if any(abs(stated.value - each) <= max(_EVALUATION_APART, 0.01 * each) for each in printed):
            continue
        yield warned(
            RULE,
            f"{seed_label(seed.seed)}: {stated.value:,.1f} s of evaluation claimed, {clocks.counted.file}:"
            f"{clocks.counted.line} prints {clocks.counted.value:,.1f} s",
            stated.place("claimed evaluation time"),
            clocks.counted.place("logged evaluation time", Role.RELATED),
        )


def _same_count(stated: int, logged: int) -> bool:
    """Equal, one apart (counting from 0 or 1), or the logged number rounded to tens or hundreds."""
    return abs(stated - logged) <= 1 or any(
        stated % unit == 0 and abs(stated - logged) < unit for unit in (10, 50, 100)
    )


def _seeds_in_readme(case: Case) -> Iterator[Finding]:
    """Scores of the README's table against the counted ones, where the counted one stands nowhere in it."""
    claims = case.submission.readme_claims
    stated = {claim.seed: claim.val_bpb for claim in claims.per_seed if claim.val_bpb is not None}
    for seed in case.evidence.seeds:
        said, counted = stated.get(seed.seed), seed.counted
        if seed.seed is None or said is None or counted is None:
            continue
        score = counted.val_bpb
        if any(_rounds_to(score.value, _as_written(each)) for each in (said, *claims.scores)):
            continue
        yield warned(
            RULE,
            f"{seed_label(seed.seed)}: the README states {said.value:g}, {score.file}:{score.line} prints "
            f"{score.value:.5f}, which stands nowhere in the README",
            said.place("score in the README"),
            score.place("counted score", Role.RELATED),
        )


def _flags(case: Case) -> Iterator[Finding]:
    for key, flag in case.submission.json.compliance.items():
        against = _contradiction(case, key.lower()) if flag.value else None
        if against is None:
            continue
        text, evidence = against
        related = (evidence.place("what the log shows", Role.RELATED),) if evidence is not None else ()
        place = Place(file=flag.file, line=flag.line, note="compliance flag", excerpt=flag.excerpt)
        yield warned(RULE, f"submission.json flags {key} as true, but {text}", place, *related)


def _contradiction(case: Case, key: str) -> tuple[str, Sourced[int] | Sourced[float] | None] | None:
    """What the evidence says against a flag, with its place; None when it says nothing."""
    seeds = proven_seeds(case.evidence)
    if re.search(r"(?:three|3)[_ -]?seed", key):
        needed = case.limits.integer("seeds.required")
        if len(seeds) < needed:
            return f"the logs prove {count_of(len(seeds), 'seed')}", None
    if re.search(r"artifact.*under|under_16|16_?mb", key):
        cap = case.limits.integer("artifact.cap_bytes")
        totals = [seed.total_bytes for seed in seeds if seed.total_bytes is not None]
        worst = max(totals, key=lambda total: total.value, default=None)
        if worst is not None and worst.value > cap:
            return f"a log prints {worst.value:,} bytes, over the cap of {cap:,}", worst
    if re.search(r"train\w*_under", key):
        limit = case.limits.number("time.one_step_overshoot_seconds")
        stops = [s.training_run.stop.train_seconds for s in seeds if s.training_run and s.training_run.stop]
        longest = max(stops, key=lambda seconds: seconds.value, default=None)
        if longest is not None and longest.value > limit:
            return f"a log stops training at {longest.value:,.1f} s", longest
    if re.search(r"eval\w*_under", key):
        limit = case.limits.number("time.eval_cap_seconds")
        times = [s.counted.seconds for s in seeds if s.counted and s.counted.seconds]
        slowest = max(times, key=lambda seconds: seconds.value, default=None)
        if slowest is not None and slowest.value > limit:
            return f"a counted evaluation pass took {slowest.value:,.1f} s", slowest
    return None
