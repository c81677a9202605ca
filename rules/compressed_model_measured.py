"""compressed-model-measured: model bytes are the size of the file the evaluator loads; totals add up.

What it checks
    Whether model plus code equals the total the counted run printed, and whether the totals claimed in
    submission.json are those of the counted runs; and whether one label stands before one model size.
Why it matters
    Bytes that do not add up mean that one of the numbers was typed, or belongs to another run.
What is allowed instead
    Any codec (zlib, zstd, lzma, brotli, lrzip), as long as the printed size is that of the written file.
How it is detected
    Arithmetic on the size lines of the counted run, and comparison with the claim of the same seed. Of
    several model sizes under one label, the last that adds up to a printed total counts, else the largest.
What it cannot see
    The file itself; it is hardly ever committed.
Rulings
    train_gpt.py on main, 2026-03-18 (A5). #1855, merged (A3): a system lrzip binary was accepted.
Example
    seed 1337: submission.json claims 15,986,252 bytes, the counted run printed 16,155,712 (169,460 more)
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.case import not_checked, passed, warned
from harness.evidence.byte_count import count_bytes
from harness.evidence.seed_matching import rival_models
from harness.finding import Role
from harness.wording import count_of, seed_label

if TYPE_CHECKING:
    from collections.abc import Iterator

    from harness.case import Case
    from harness.evidence.byte_count import SeedBytes
    from harness.evidence.seed_evidence import SeedEvidence
    from harness.finding import Finding

RULE = "compressed-model-measured"


def _sum_differs(seed: SeedBytes) -> Finding | None:
    total, code, model = seed.logged_total, seed.logged_code, seed.model
    if total is None or code is None or model is None or total.value == model.value + code.value:
        return None
    return warned(
        RULE,
        f"{seed.name}: model {model.value:,} + code {code.value:,} = {model.value + code.value:,} bytes, "
        f"but the log prints a total of {total.value:,} ({abs(total.value - model.value - code.value):,} "
        "apart)",
        total.place("total"),
        model.place("model", Role.RELATED),
        code.place("code", Role.RELATED),
    )


def _claim_differs(seed: SeedBytes, logged: set[int], per_seed: set[int | None]) -> Finding | None:
    """A claim for this very seed that its counted run did not print."""
    total, claim = seed.logged_total, seed.claimed_total
    if total is None or claim is None or seed.seed not in per_seed or claim.value == total.value:
        return None
    if seed.model is not None and claim.value == seed.model.value:
        return None  # artifact-code-counted reports a total without code
    more = total.value - claim.value
    where = ", which is the total of another run here" if claim.value in logged else ""
    return warned(
        RULE,
        f"{seed.name}: {claim.file} claims {claim.value:,} bytes, the counted run printed {total.value:,} "
        f"({abs(more):,} {'more' if more > 0 else 'less'}){where}",
        claim.place("claimed"),
        total.place("printed", Role.RELATED),
    )


def _rival_sizes(seed: SeedEvidence) -> Iterator[Finding]:
    """Several sizes of the compressed model under one label in the run that made the artifact."""
    run = next((run for run in (seed.run, seed.training_run) if run is not None and rival_models(run)), None)
    if run is None:
        return
    rivals = sorted(rival_models(run), key=lambda size: -size.value)
    counted = seed.model_bytes if seed.model_bytes is not None else rivals[0]
    other = next(size for size in rivals if size.value != counted.value)
    yield warned(
        RULE,
        f"{seed_label(seed.seed)}: the run prints {len(rivals)} compressed model sizes under one label, "
        f"{counted.value:,} bytes ({counted.file}:{counted.line}) and {other.value:,} (line {other.line}); "
        f"{counted.value:,} are counted",
        counted.place("size counted"),
        other.place("another size", Role.RELATED),
    )


def _all_totals(case: Case) -> set[int]:
    runs = [run for log in case.submission.logs for run in log.runs]
    return {size.size_bytes.value for run in runs for size in run.sizes if size.what == "total"}


def check(case: Case) -> Iterator[Finding]:
    """One finding for each disagreement, one for all seeds that agree."""
    for each in case.evidence.seeds:
        yield from _rival_sizes(each)
    seeds = [seed for seed in count_bytes(case) if seed.logged_total is not None]
    if not seeds:
        yield not_checked(
            RULE,
            "no counted run prints a total; 'Total submission size ...' would decide",
        )
        return
    per_seed = {claim.seed for claim in case.submission.json.per_seed if claim.total_bytes is not None}
    logged = _all_totals(case)
    agree: list[SeedBytes] = []
    for seed in seeds:
        found = [item for item in (_sum_differs(seed), _claim_differs(seed, logged, per_seed)) if item]
        yield from found
        if not found:
            agree.append(seed)
    headline = case.submission.json.total_bytes
    if (
        headline is not None
        and not per_seed
        and headline.value not in {seed.logged_total.value for seed in seeds if seed.logged_total}
    ):
        totals = sorted(seed.logged_total.value for seed in seeds if seed.logged_total)
        yield warned(
            RULE,
            f"{headline.file} claims {headline.value:,} bytes; the counted runs printed "
            f"{', '.join(f'{total:,}' for total in totals[:5])}",
            headline.place("claimed"),
        )
    if agree and agree[0].logged_total is not None:
        labels = {
            size.label
            for log in case.submission.logs
            for run in log.runs
            for size in run.sizes
            if size.what == "model" and size.label
        }
        codec = f" ({', '.join(sorted(labels)[:3])})" if labels else ""
        yield passed(
            RULE,
            f"{count_of(len(agree), 'seed')}: model + code = total{codec}",
            agree[0].logged_total.place("total"),
        )
