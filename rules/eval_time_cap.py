"""eval-time-cap: evaluation takes at most 600 seconds on 8x H100, besides training.

What it checks
    The time of the counted pass of every seed, with the separate phases its score needs: adaptation before
    quantisation, n-gram tables built outside the timer, the model pass a mixture is blended into.
Why it matters
    More evaluation seconds buy more adaptation, longer contexts and larger caches.
What is allowed instead
    Any method that fits 600 seconds. Compilation, decompression and diagnostic passes are left out.
How it is detected
    The eval_time of the counted line, else `total_eval_time`. A phase is added when another pass was printed
    between it and the counted line or when it took longer than the counted timer (it cannot be inside), or
    when the log itself says that it is outside the timer. Of one score line printed with two times the
    longer counts; a time of 0 s proves nothing. More than 600 s fails; only the script's own total above
    600 s asks a person.
What it cannot see
    Phases whose duration is not printed, and a timer that starts late.
Rulings
    README a15093ada and 9f170d4c8 (2026-03-18): 600 seconds, in addition to training. #1972 (2026-05-02) was
    refused with about 688 s. The slowest merged pass took 525.7 s.
Example
    seed 42: the counted pass and what it needs took 638.2 s, 38.2 s over the cap of 600 s (114.6 s
    "quantized_sliding_window" + 523.6 s adaptation before quantisation); cut what the score needs, then
    run it again
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.case import failed, needs_human, not_checked, passed, warned
from harness.evidence.clocks import measure_clocks, seconds_text
from harness.evidence.headline_runs import carries_headline
from harness.finding import Role
from harness.wording import seed_label

if TYPE_CHECKING:
    from collections.abc import Iterator

    from harness.case import Case
    from harness.evidence.clocks import Clocks
    from harness.evidence.seed_evidence import SeedEvidence
    from harness.finding import Finding, Place

RULE = "eval-time-cap"


def check(case: Case) -> Iterator[Finding]:
    """One finding per seed, and one when submission.json itself states more than the cap."""
    if not case.evidence.seeds:
        yield not_checked(RULE, "no log of a counted run: nothing shows how long evaluation took")
    judged = [(seed, measure_clocks(seed)) for seed in case.evidence.seeds]
    for seed, clocks in judged:
        yield _judge(case, seed, clocks)
    yield from _own_statement(case, [clocks for _, clocks in judged])


def _judge(case: Case, seed: SeedEvidence, clocks: Clocks) -> Finding:
    who = seed_label(clocks.seed)
    if clocks.counted is None or clocks.evaluation_seconds is None:
        return not_checked(
            RULE,
            f"{who}: no printed time belongs to the counted score; log eval_time on the line of the score",
        )
    cap = case.limits.number("time.eval_cap_seconds")
    seconds = clocks.evaluation_seconds
    places = _places(clocks)
    if seconds > cap:
        over = (
            f"{who}: the counted pass and what it needs took {seconds_text(seconds)}, "
            f"{seconds_text(seconds - cap)} over the cap of {seconds_text(cap)} ({_parts(clocks)})"
        )
        if not carries_headline(case, seed):
            return warned(RULE, f"{over}; the headline comes from another run", *places)
        return failed(RULE, f"{over}; cut what the score needs, then run it again", *places)
    stated = clocks.stated_total
    if stated is not None and stated.value > cap:
        return needs_human(
            RULE,
            f"{who}: the counted pass took {seconds_text(seconds)}, but the script's own total is "
            f"{seconds_text(stated.value)}, over the cap of {seconds_text(cap)}",
            stated.place("the script's own total"),
            *(place for place in places if place.role is Role.RELATED),
            ask="Does that total hold only diagnostics and compilation beyond the counted pass?",
        )
    return passed(
        RULE,
        f"{who}: {_parts(clocks)} of evaluation, within {seconds_text(cap)}",
        *places,
    )


def _parts(clocks: Clocks) -> str:
    own = clocks.counted_encloses or clocks.counted
    label = f' "{clocks.counted_label}"' if clocks.counted_label else ""
    words = [f"{seconds_text(own.value)}{label}"] if own else []
    if clocks.counted_encloses is not None and clocks.counted is not None:
        words = [f"{seconds_text(own.value) if own else ''} for the model pass around{label}"]
    words += [f"{seconds_text(phase.seconds.value)} {phase.kind.value}" for phase in clocks.headline_path]
    return " + ".join(words)


def _places(clocks: Clocks) -> tuple[Place, ...]:
    first = clocks.counted_encloses or clocks.counted
    places = [first.place("counted pass")] if first is not None else []
    if clocks.counted_encloses is not None and clocks.counted is not None:
        places.append(clocks.counted.place("the mixture inside it", Role.RELATED))
    return (*places, *(phase.place() for phase in clocks.headline_path))


def _own_statement(case: Case, clocks: list[Clocks]) -> Iterator[Finding]:
    stated = case.submission.json.eval_seconds
    cap = case.limits.number("time.eval_cap_seconds")
    if stated is None or not stated.value > cap:
        return
    if any(each.evaluation_seconds is not None and each.evaluation_seconds > cap for each in clocks):
        return
    yield needs_human(
        RULE,
        f"submission.json states {seconds_text(stated.value)} of evaluation, "
        f"{seconds_text(stated.value - cap)} over the cap of {seconds_text(cap)}; the logs print no counted "
        "pass that long",
        stated.place("stated evaluation time"),
        ask="Does the stated time hold only what is not on the evaluation clock?",
    )
