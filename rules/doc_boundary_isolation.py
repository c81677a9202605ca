"""doc-boundary-isolation: state that claims to be per document does not read the previous one.

What it checks
    Networks whose attention is told where documents begin, and that mix the previous position into the next
    one all the same.
Why it matters
    The first token of a packed document then sees the last token of another one, which the reset claims it
    does not.
What is allowed instead
    Set the mixing to zero where a document begins. Plain causal attention over packed documents is free to
    look back; only a claim of isolation binds.
How it is detected
    The shape of the syntax tree: a tensor plus a computed share of itself shifted by one position, without
    any comparison behind that share, beside attention with document borders, and switched on by the settings
    of the claimed run. That asks a person.
What it cannot see
    Isolation by other means, and other paths between documents.
Rulings
    #1797 (2026-04-24) was stopped for it and mended with a mask at document starts; #1667 was merged without.
Example
    train_gpt.py:1335 mixes the previous position into the next without a mask at document starts, while
    attention is told where documents begin (train_gpt.py:1026)
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from harness.audit.events import Spot
from harness.audit.scans.setting_values import holds
from harness.audit.score_order.evidence_chain import at, placed
from harness.audit.submission_audit import why_no_audit
from harness.case import needs_human, not_applicable, not_checked, passed

if TYPE_CHECKING:
    from collections.abc import Iterator

    from harness.case import Case
    from harness.finding import Finding

RULE = "doc-boundary-isolation"


def check(case: Case) -> Iterator[Finding]:
    """One finding."""
    facts = case.audit.scans.get("previous_token") if case.audit is not None else None
    if case.audit is None or not isinstance(facts, dict):
        yield not_checked(RULE, why_no_audit(case) or "the script could not be searched for it")
        return
    run = case.audit.claim_run
    mixes = [each for each in facts["mixes"] if holds(each["conditions"], run) is not False]
    if not mixes or not facts["isolates"]:
        yield not_applicable(
            RULE,
            "no attention with document borders beside a mixing of neighbouring positions is switched on",
        )
        return
    border = _spot(facts["isolates"][0])
    open_ones = [each for each in mixes if not each["masked"]]
    if not open_ones:
        mix = _spot(mixes[0])
        yield passed(
            RULE,
            f"the mixing of neighbouring positions at {at(mix)} is masked",
            *placed(case.audit, [(mix, "masked where documents begin")], mix),
        )
        return
    mix = _spot(open_ones[0])
    steps = [(_spot(each), "previous position mixed in, no mask") for each in open_ones[:4]]
    steps.append((border, "attention is told where documents begin"))
    yield needs_human(
        RULE,
        f"{at(mix)} mixes the previous position into the next without a mask at document starts, while "
        f"attention is told where documents begin ({at(border)})",
        *placed(case.audit, steps, mix),
        ask="Does the first token of a packed document read the last token of the one before it?",
    )


def _spot(fact: dict[str, Any]) -> Spot:
    return Spot(file=str(fact["file"]), line=int(fact["line"]))
