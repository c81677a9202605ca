"""ttt-warmup-on-val: compile warm-up leaves no trace of validation tokens.

What it checks
    Updates on validation tokens before the scored pass that are no part of an evaluation.
Why it matters
    A warm-up step that is kept is training on tokens that are scored next; one that is undone still makes
    every audit by hand harder.
What is allowed instead
    Warm up on random tokens, or on training tokens.
How it is detected
    The static audit sees the update, and that no printed number depends on it. An update that does reach the
    claimed score is stated at ttt-score-first.
What it cannot see
    Caches of compiled code: they hold no tokens.
Rulings
    The thread of #1530 objected to its warm-up on validation; it was merged with its adapter thrown away
    (2026-04-29). Later records use random tokens.
Example
    optimizer.step at train_gpt.py:2760 learns from validation tokens before the scored pass; nothing printed
    depends on it. Warm up on random tokens
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.audit.score_order.evidence_chain import at, entrance, own_calls, placed
from harness.audit.score_order.family import member_verdict, order_of
from harness.audit.score_order.throwaway import reset_of
from harness.case import warned

if TYPE_CHECKING:
    from collections.abc import Iterator

    from harness.audit.score_order.reading import OrderReading
    from harness.case import Case
    from harness.finding import Finding

RULE = "ttt-warmup-on-val"


def check(case: Case) -> Iterator[Finding]:
    """One finding for the first warm-up step that is undone, else what is known."""
    reading = order_of(case)
    if reading is not None and reading.throwaway:
        yield _undone(case, reading)
        return
    yield member_verdict(
        case,
        RULE,
        is_used=False,
        clean="",
        absent="nothing learns from validation tokens before the scored pass",
    )


def _undone(case: Case, reading: OrderReading) -> Finding:
    update = reading.throwaway[0]
    reset = reset_of(reading.index, update)
    steps = entrance(reading.index, update)
    scored = next(iter(reading.index.validation_scores()), None)
    calls = update.calls if scored is None else own_calls(update, scored)
    steps += [(call, "call of the warm-up") for call in calls[:2]]
    steps.append((update.at, "learns from them before anything is scored"))
    if reset is not None:
        steps.append((reset.at, "undone here"))
        undone = f" and is undone at {at(reset.at)}"
    else:
        undone = "; nothing printed depends on it"
    places = placed(case.audit, steps, update.at) if case.audit is not None else ()
    return warned(
        RULE,
        f"{update.how} at {at(update.at)} learns from validation tokens before the scored pass{undone}. Warm "
        "up on random tokens",
        *places,
    )
