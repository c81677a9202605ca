"""no-state-from-warmup: warm-up and compile steps leave no learned state.

What it checks
    Steps of an optimiser that the claimed score does not depend on, and steps on a fixed piece of validation
    that it does depend on.
Why it matters
    A warm-up whose state is kept is training outside the clock; on validation it is training on the answers.
What is allowed instead
    Save weights and optimiser state, warm up, load both back before the clock starts, as the baseline does;
    or warm up on random tokens with an adapter that is thrown away.
How it is detected
    The static audit sees the steps, where the weights forget them, and that no later score contains them. It
    passes when the optimiser takes its state back as well, or when what was warmed up is never used again.
    A step on validation that is kept fails here in short; the chain stands at the rule it breaks.
What it cannot see
    Where the clock starts: warm-up on training tokens that is kept looks like training. Loader positions.
Rulings
    train_gpt.py on main has restored model and optimisers after 20 warm-up steps since 2026-03-18.
Example
    optimizer.step at train_gpt.py:2210 is a warm-up step: the weights go back at train_gpt.py:2230, an
    optimiser is restored or made anew at train_gpt.py:2232
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.audit.score_order.evidence_chain import at, placed
from harness.audit.score_order.family import decisive_places, member_verdict, order_of, primary_rule
from harness.audit.score_order.warm_up import kept_warm_up, undone_warm_up
from harness.case import failed, not_checked, passed

if TYPE_CHECKING:
    from collections.abc import Iterator

    from harness.audit.score_order.warm_up import WarmUp
    from harness.case import Case
    from harness.finding import Finding

RULE = "no-state-from-warmup"

_NO_CLOCK = "no step is seen to be undone; which steps come before the clock starts, only a run shows"


def check(case: Case) -> Iterator[Finding]:
    """A kept step on validation, else a warm-up that is undone, else what is missing."""
    reading = order_of(case)
    kept = kept_warm_up(reading) if reading is not None else None
    if reading is None or kept is None:
        found = undone_warm_up(reading) if reading is not None and reading.is_clean else None
        yield _undone(case, found) if found is not None else _open(case)
        return
    update, rule = kept.update, primary_rule(kept.shape, case.submission.track)
    yield failed(
        RULE,
        f"{update.how} at {at(update.at)} learns from a fixed piece of validation before the scored pass, "
        f"and the claimed score is computed with what it learned; the chain is at {rule}",
        *decisive_places(case, kept),
    )


def _undone(case: Case, found: WarmUp) -> Finding:
    update, reset, optimizer = found.update, found.reset, found.optimizer
    said = f"{update.how} at {at(update.at)} is a warm-up step"
    steps = [(update.at, "a step that is undone")]
    if reset is None:
        steps = [(update.at, "a step whose state nothing uses again")]
        said += ": nothing printed depends on it, and its state is not used again"
    else:
        steps.append((reset.at, "the weights go back"))
        said += f": the weights go back at {at(reset.at)}"
    if optimizer is not None:
        steps.append((optimizer.at, "an optimiser is restored or made anew"))
        said += f", an optimiser is restored or made anew at {at(optimizer.at)}"
    if not found.leaves_nothing:
        return not_checked(RULE, f"{said}, but no optimiser was seen to take its state back")
    places = placed(case.audit, steps, update.at) if case.audit is not None else ()
    return passed(RULE, said, *places)


def _open(case: Case) -> Finding:
    reading = order_of(case)
    if reading is not None and reading.is_clean:
        return not_checked(RULE, _NO_CLOCK)
    return member_verdict(case, RULE, clean="", absent="")
