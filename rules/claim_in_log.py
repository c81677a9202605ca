"""claim-in-log: every claimed score stands in the log of its seed, as a final score.

What it checks
    Each per-seed score (of submission.json, else of the README's table that fits the headline) against the
    log of that seed: found, found only in another seed's log, contradicted, or read from a diagnostic pass.
    Without per-seed scores the headline against the logs.
Why it matters
    The log is the only evidence of a score. A claim its own log contradicts is no result.
What is allowed instead
    Claiming the last final evaluation of the run, rounded to 1e-4; several evaluations in one log are fine.
How it is detected
    Runs are matched to seeds by printed seed, then by file name. It fails when submission.json claims a score
    that is better, by more than 1e-3, than every final score of the logs of that seed, and the value stands
    nowhere in the logs. A value found in another seed's log, a pass labelled as diagnostic, or a worse claim
    asks a person; a final pass that is not the run's last is a warning (#1334 was accepted so).
What it cannot see
    Logs that were not shipped (not-checked), custom formats it cannot read, and edited logs: log-plausible
    and seed-identity look for traces.
Rulings
    README a15093ada, 2026-03-18 (A1): the train log is produced by the script. Merged with such a fault (A3):
    #1371 (non-record, one seed from another seed's log), #86 (README values of a run whose log is missing).
Example
    seed 42 claims 1.04340 BPB, but its log ends at 1.05770 and prints no such score: 0.01430 BPB better
    than the best evidence (train_seed42.log:512). Claim what the log shows, or ship the log of the
    claimed run.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.case import failed, needs_human, not_checked, noted, passed, warned
from harness.evidence.seed_evidence import Match
from harness.evidence.seed_scores import name_of, proven_seeds
from harness.finding import Role
from harness.logs.training_log import PassKind

if TYPE_CHECKING:
    from collections.abc import Iterator

    from harness.case import Case
    from harness.evidence.seed_evidence import SeedEvidence
    from harness.finding import Finding, Sourced
    from harness.logs.training_log import EvalPass

RULE = "claim-in-log"


def check(case: Case) -> Iterator[Finding]:
    """Each seed's claim, then the headline when there are no claims per seed."""
    claimed = [
        seed for seed in case.evidence.seeds if seed.claim is not None and seed.claim.val_bpb is not None
    ]
    for seed in claimed:
        yield _seed(case, seed)
    if not claimed:
        yield _headline(case)


def _seed(case: Case, seed: SeedEvidence) -> Finding:
    claim = seed.claim.val_bpb if seed.claim is not None else None
    assert claim is not None  # `check` selects seeds with a claim
    if seed.counted is not None:
        return _found(case, seed, claim, seed.counted)
    if seed.found_in is not None:
        other = seed.found_in
        printed = f", which prints seed {other.seed.value}" if other.seed is not None else ""
        return needs_human(
            RULE,
            f"{name_of(seed)} claims {claim.value:.5f} BPB, which stands only in {other.file} (run at line "
            f"{other.first_line}{printed})",
            claim.place("claimed score"),
            ask=f"Is {other.file} the log of {name_of(seed)}?",
        )
    if seed.nearest is None:
        what = f"{seed.run.file} prints no final score" if seed.run is not None else "no log of it is shipped"
        return not_checked(RULE, f"{name_of(seed)} claims {claim.value:.5f} BPB, but {what}", claim.place())
    return _contradicted(case, seed, claim, seed.nearest)


def _found(case: Case, seed: SeedEvidence, claim: Sourced[float], counted: EvalPass) -> Finding:
    score = counted.val_bpb
    where = f"{score.file}:{score.line}"
    places = (score.place("counted score"), claim.place("claimed score", Role.RELATED))
    if counted.kind is not PassKind.FINAL:
        kind = {
            PassKind.DIAGNOSTIC: "a diagnostic pass",
            PassKind.IN_TRAINING: "a validation during training",
            PassKind.PROGRESS: "a running value inside a pass",
        }[counted.kind]
        return needs_human(
            RULE,
            f"{name_of(seed)} claims {claim.value:.5f} BPB, which {where} prints as {kind} "
            f"({counted.label or 'no label'}), not as the score of the submitted artifact",
            *places,
            ask="Is this pass the score of the compressed artifact after reloading it?",
        )
    if seed.match is Match.CLAIM_NEAR:
        off = claim.value - score.value
        return warned(
            RULE,
            f"{name_of(seed)} claims {claim.value:.5f} BPB, {where} prints {score.value:.5f} ({off:+.5f})",
            *places,
        )
    last = seed.run.final_passes[-1] if seed.run is not None and seed.run.final_passes else counted
    worse = last.val_bpb.value - score.value
    if abs(worse) > case.limits.number("score.claim_tolerance_bpb"):
        say = warned if worse > 0 else noted
        return say(
            RULE,
            f"{name_of(seed)}: the claimed {claim.value:.5f} BPB ({where}, {counted.label or 'no label'}) "
            f"is not the run's last final score, which is {last.val_bpb.value:.5f} "
            f"({last.label or 'no label'}, line {last.val_bpb.line})",
            *places,
            last.val_bpb.place("last final score", Role.RELATED),
        )
    return passed(RULE, f"{name_of(seed)}: {claim.value:.5f} BPB claimed, {where} prints it", *places)


def _contradicted(case: Case, seed: SeedEvidence, claim: Sourced[float], nearest: EvalPass) -> Finding:
    runs = [run for run in (seed.run, *seed.other_runs) if run is not None]
    finals = [each.val_bpb for run in runs for each in run.final_passes] or [nearest.val_bpb]
    best = min(finals, key=lambda score: score.value)
    off = best.value - claim.value
    stated_in_json = seed.claim is not None and seed.claim.source == "submission.json"
    places = (nearest.val_bpb.place("what the log shows"), claim.place("claimed score", Role.RELATED))
    text = (
        f"{name_of(seed)} claims {claim.value:.5f} BPB, but its log ends at {nearest.val_bpb.value:.5f} and "
        "prints no such score"
    )
    if off > case.limits.number("score.near_tolerance_bpb") and stated_in_json:
        return failed(
            RULE,
            f"{text}: {off:.5f} BPB better than the best evidence ({best.file}:{best.line}). Claim what the "
            "log shows, or ship the log of the claimed run.",
            *places,
        )
    return needs_human(RULE, text, *places, ask=f"Is there a log that shows {claim.value:.5f} for this seed?")


def _headline(case: Case) -> Finding:
    headline = case.submission.json.headline
    seeds = proven_seeds(case.evidence)
    if headline is None:
        return not_checked(RULE, "no score is claimed in submission.json or a README table")
    if not seeds:
        return not_checked(
            RULE, f"{headline.value:.5f} BPB is claimed, but no log prints a final score", headline.place()
        )
    scores = [seed.counted.val_bpb for seed in seeds if seed.counted is not None]
    mean = sum(score.value for score in scores) / len(scores)
    offsets = [abs(headline.value - value) for value in (mean, *(score.value for score in scores))]
    places = (
        headline.place("claimed score"),
        *(score.place("final score in the log", Role.RELATED) for score in scores[:4]),
    )
    numbers = ", ".join(f"{score.value:.5f}" for score in scores[:6])
    if min(offsets) <= case.limits.number("score.near_tolerance_bpb"):
        return passed(RULE, f"the logs print {numbers}; {headline.value:.5f} BPB is claimed", *places)
    return needs_human(
        RULE,
        f"{headline.value:.5f} BPB is claimed, but the logs end at {numbers} (mean {mean:.5f})",
        *places,
        ask="Is there a log that shows the claimed score?",
    )
