"""Per seed: what was claimed, which run proves it, and which pass of that run is the counted score."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from harness.evidence.seed_matching import (
    Fit,
    Found,
    SeedRun,
    best_match,
    distinct_runs,
    know_seeds,
    last_final,
    last_scored,
    runs_of_seed,
    sizes_of,
    training_run_for,
)
from harness.submission import SeedClaim

if TYPE_CHECKING:
    from collections.abc import Sequence

    from harness.finding import Sourced
    from harness.logs.training_log import EvalPass, Run
    from harness.ruleset import Limits
    from harness.submission import Submission, SubmissionJson

# Runs that claims are matched with; the rest count as unused. Only a hostile folder holds thousands.
RUNS_AT_MOST = 4_000


class Match(StrEnum):
    """How the counted pass was found."""

    CLAIM = "claim"  # equals the per-seed claim within 1e-4
    CLAIM_NEAR = "claim-near"  # within 1e-3
    HEADLINE = "headline"  # no per-seed claim; close to the headline
    LAST = "last"  # no usable claim; last final pass of the run
    NONE = "none"  # no pass of this seed's logs fits


@dataclass(frozen=True, slots=True, kw_only=True)
class SeedEvidence:
    """The evidence for one seed.

    `run` is the run whose pass is counted (it may be evaluation-only); `training_run` the run that trained
    the artifact (equal to `run` in most submissions). Sizes, steps and times come from these two only, never
    from another retry in the same file. `other_runs` are the seed's remaining runs, duplicates left out.
    With `Match.NONE` nothing is counted: `run` is then the seed's last scored run, `nearest` its last final
    pass, and `found_in` the run of another seed that printed the claimed value, if one did.
    """

    seed: int | None
    claim: SeedClaim | None
    match: Match
    run: Run | None
    training_run: Run | None
    counted: EvalPass | None
    total_bytes: Sourced[int] | None = None
    code_bytes: Sourced[int] | None = None
    model_bytes: Sourced[int] | None = None
    other_runs: tuple[Run, ...] = ()
    nearest: EvalPass | None = None
    found_in: Run | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """All seeds, in order of the claims, then of the logs; `unused_runs` belong to no claimed seed."""

    seeds: tuple[SeedEvidence, ...]
    unused_runs: tuple[Run, ...] = ()

    @property
    def counted_scores(self) -> tuple[Sourced[float], ...]:
        """The counted score of each seed that has one, bits per byte."""
        return tuple(s.counted.val_bpb for s in self.seeds if s.counted is not None)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Tolerances:
    """How far a printed score may lie from a claimed one, bits per byte."""

    claim: float
    near: float
    headline: float


def collect_evidence(submission: Submission, limits: Limits) -> Evidence:
    """Join what is claimed per seed with the runs of the logs.

    Seeds come from the per-seed claims of submission.json, else of the README table, else from the logs.
    """
    tolerances = _Tolerances(
        claim=limits.number("score.claim_tolerance_bpb"),
        near=limits.number("score.near_tolerance_bpb"),
        headline=limits.number("score.headline_near_bpb"),
    )
    all_runs = distinct_runs(submission.logs)
    runs = all_runs[:RUNS_AT_MOST]
    claims = _claims(submission, tolerances)
    if claims:
        seeds = _evidence_of_claims(claims, runs, tolerances)
    else:
        seeds = _evidence_of_logs(submission.json, runs, tolerances)
    used = {id(run) for seed in seeds for run in (seed.run, seed.training_run, *seed.other_runs)}
    return Evidence(seeds=tuple(seeds), unused_runs=tuple(run for run in all_runs if id(run) not in used))


def _claims(submission: Submission, tolerances: _Tolerances) -> tuple[SeedClaim, ...]:
    """Per-seed scores of submission.json, else of a README table that fits the headline.

    A README may hold tables of ablations; one is taken only when its mean or one of its values is the
    headline, or when there is no headline.
    """
    claims = tuple(claim for claim in submission.json.per_seed if claim.val_bpb is not None)
    if claims:
        return claims
    table = tuple(claim for claim in submission.readme_claims.per_seed if claim.val_bpb is not None)
    headline = submission.json.headline
    if not table or headline is None:
        return table
    values = [claim.val_bpb.value for claim in table if claim.val_bpb is not None]
    offsets = [abs(value - headline.value) for value in values]
    mean_offset = abs(sum(values) / len(values) - headline.value)
    fits = mean_offset <= tolerances.near or min(offsets) <= tolerances.claim
    return table if fits else ()


def _evidence_of_claims(
    claims: Sequence[SeedClaim], runs: Sequence[Run], tolerances: _Tolerances
) -> list[SeedEvidence]:
    alone = len(claims) == 1
    known = know_seeds(runs)
    seed_of = {id(run): seed for run, seed in zip(known.runs, known.seeds, strict=True)}
    candidates = [
        runs_of_seed(claim.seed, known, alone=alone)
        if claim.seed is not None
        else [SeedRun(run=run, doubt=4) for run in runs]
        for claim in claims
    ]
    found = [
        best_match(claim, own, tolerances.claim, tolerances.near)
        for claim, own in zip(claims, candidates, strict=True)
    ]
    taken = {id(match.run) for match in found if match is not None}
    free = [run for run in runs if run.seed is None and run.seed_from_name is None and id(run) not in taken]
    found = [
        match or _in_unnamed_run(claim, free, tolerances) for claim, match in zip(claims, found, strict=True)
    ]
    counted_elsewhere = {id(match.run) for match in found if match is not None}
    evidence = []
    for claim, own, match in zip(claims, candidates, found, strict=True):
        if match is not None:
            group = [
                item.run for item in own if item.run is match.run or id(item.run) not in counted_elsewhere
            ]
            if claim.seed is None:
                group = [run for run in group if seed_of[id(run)] == seed_of[id(match.run)]]
            seed = claim.seed if claim.seed is not None else seed_of[id(match.run)]
            evidence.append(
                _with_run(seed, claim, _match_of(match.fit), match.run, match.counted, runs, group)
            )
        else:
            group = [
                item.run for item in own if id(item.run) not in counted_elsewhere and claim.seed is not None
            ]
            evidence.append(_unproven(claim, runs, group, tolerances))
    return evidence


def _in_unnamed_run(claim: SeedClaim, free: Sequence[Run], tolerances: _Tolerances) -> Found | None:
    """A claim whose seed no log names may stand in a run that names no seed and that no other claim uses."""
    unnamed = [SeedRun(run=run, doubt=4) for run in free]
    found = best_match(claim, unnamed, tolerances.claim, tolerances.claim)
    return found if found is not None and found.fit <= Fit.DIAGNOSTIC else None


def _match_of(fit: Fit) -> Match:
    return Match.CLAIM_NEAR if fit is Fit.NEAR else Match.CLAIM


def _with_run(
    seed: int | None,
    claim: SeedClaim | None,
    match: Match,
    run: Run | None,
    counted: EvalPass | None,
    runs: Sequence[Run],
    group: Sequence[Run],
    nearest: EvalPass | None = None,
    found_in: Run | None = None,
) -> SeedEvidence:
    """Fill in what follows from the choice of the run: who trained, and the sizes."""
    trained = training_run_for(run, runs, group) if run is not None else None
    printed = sizes_of(run) if run is not None else None
    fallback = sizes_of(trained) if trained is not None else None
    sizes = [
        (getattr(printed, what, None) or getattr(fallback, what, None)) for what in ("total", "code", "model")
    ]
    return SeedEvidence(
        seed=seed,
        claim=claim,
        match=match,
        run=run,
        training_run=trained,
        counted=counted,
        total_bytes=sizes[0],
        code_bytes=sizes[1],
        model_bytes=sizes[2],
        other_runs=tuple(other for other in group if other is not run and other is not trained),
        nearest=nearest,
        found_in=found_in,
    )


def _unproven(
    claim: SeedClaim, runs: Sequence[Run], group: Sequence[Run], tolerances: _Tolerances
) -> SeedEvidence:
    """No pass of the seed's logs fits: keep its run, and the other seed's run that has the value."""
    elsewhere = best_match(
        claim, [SeedRun(run=run, doubt=4) for run in runs], tolerances.claim, tolerances.claim
    )
    run = last_scored(group)
    return _with_run(
        claim.seed,
        claim,
        Match.NONE,
        run,
        None,
        runs,
        group,
        nearest=last_final(run) if run is not None else None,
        found_in=elsewhere.run if elsewhere is not None else None,
    )


def _evidence_of_logs(
    json: SubmissionJson, runs: Sequence[Run], tolerances: _Tolerances
) -> list[SeedEvidence]:
    """Without per-seed claims: one seed per seed of the logs, those that submission.json lists if it does."""
    groups: dict[int | None, list[Run]] = {}
    known = know_seeds(runs)
    for run, seed in zip(known.runs, known.seeds, strict=True):
        if run.passes or run.has_training or run.sizes:
            groups.setdefault(seed, []).append(run)
    listed = [seed.value for seed in json.seeds]
    if len(groups) == 1 and None in groups and len(listed) == 1:
        groups = {listed[0]: groups[None]}
    named: dict[int | None, list[Run]] = {seed: groups[seed] for seed in listed if seed in groups}
    if not named:
        # Logs that name no seed are evidence of a seed only while no log names one.
        named = {seed: group for seed, group in groups.items() if seed is not None} or groups
    if not named:
        return []
    if len(named) == 1:
        return [_of_one_seed(seed, group, json, runs, tolerances) for seed, group in named.items()]
    label = _headline_label(list(named.values()), json, tolerances)
    return [_of_many(seed, group, label, runs) for seed, group in named.items()]


def _of_one_seed(
    seed: int | None, group: Sequence[Run], json: SubmissionJson, runs: Sequence[Run], tolerances: _Tolerances
) -> SeedEvidence:
    """The headline is this seed's score: find it as if it were a claim."""
    as_claim = SeedClaim(
        seed=seed,
        label="headline",
        source="submission.json",
        val_bpb=json.headline,
        total_bytes=json.total_bytes,
        model_bytes=json.model_bytes,
        code_bytes=json.code_bytes,
        steps=json.steps,
        train_seconds=json.train_seconds,
    )
    candidates = [SeedRun(run=run, doubt=0) for run in group]
    found = best_match(as_claim, candidates, tolerances.claim, tolerances.headline)
    if found is not None:
        return _with_run(seed, None, Match.HEADLINE, found.run, found.counted, runs, group)
    return _of_last_pass(seed, group, runs)


def _of_last_pass(seed: int | None, group: Sequence[Run], runs: Sequence[Run]) -> SeedEvidence:
    run = last_scored(group)
    counted = last_final(run) if run is not None else None
    match = Match.LAST if counted is not None else Match.NONE
    return _with_run(seed, None, match, run, counted, runs, group)


def _passes_by_label(group: Sequence[Run]) -> dict[str, tuple[Run, EvalPass]]:
    """The last final pass of each label over the runs of one seed."""
    return {score.label: (run, score) for run in group for score in run.final_passes}


def _headline_label(
    groups: Sequence[Sequence[Run]], json: SubmissionJson, tolerances: _Tolerances
) -> str | None:
    """The label whose mean over all seeds is the headline, None when no label's is."""
    if json.headline is None:
        return None
    tables = [_passes_by_label(group) for group in groups]
    offsets: list[tuple[float, int, str]] = []
    for label in set.intersection(*(set(table) for table in tables)):
        scores = [table[label][1] for table in tables]
        mean = sum(score.val_bpb.value for score in scores) / len(scores)
        offset = abs(mean - json.headline.value)
        if offset <= tolerances.headline:
            offsets.append((round(offset, 5), -min(score.digits for score in scores), label))
    return min(offsets)[2] if offsets else None


def _of_many(seed: int | None, group: Sequence[Run], label: str | None, runs: Sequence[Run]) -> SeedEvidence:
    found = _passes_by_label(group).get(label) if label is not None else None
    if found is None:
        return _of_last_pass(seed, group, runs)
    return _with_run(seed, None, Match.HEADLINE, found[0], found[1], runs, group)
