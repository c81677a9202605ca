"""val-order: validation shards and tokens keep their order.

What it checks
    Whether documents or windows of validation are sorted, shuffled or handed out at run time where the
    claimed scores are made.
Why it matters
    Whoever learns while scoring gains from an order that suits the model: short documents first, similar ones
    together.
What is allowed instead
    The order of the stream. In practice documents sorted by length and claimed by ranks were accepted.
How it is detected
    What is made of validation tokens is followed through the code to calls that sort by a key, shuffle or
    turn round, and to file locks by which ranks share a queue. It speaks when a claimed score is made in
    that function or in one that calls it. A warning in practice, else a question. It never passes: loops may
    walk backwards without any such call.
What it cannot see
    Orders made by index arithmetic, and the order in which ranks really came.
Rulings
    #1017 (2026-03-28) asks for the default order. #1530 and the rows up to #1855 score documents sorted by
    length. D15.
Example
    train_gpt.py:871 sorts what is scored: the order differs from that of the stream
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.audit.score_order.event_index import EventIndex
from harness.audit.submission_audit import why_no_audit
from harness.case import needs_human, not_checked
from harness.evidence.code_facts import fact_place, scan_facts, unseen_code
from harness.finding import Role

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from typing import Any

    from harness.case import Case
    from harness.finding import Finding

RULE = "val-order"

_SAID = {
    "sorted": "sorts what is scored",
    "shuffled": "shuffles what is scored",
    "turned": "turns what is scored round",
    "claimed": "hands out what is scored under a lock, in the order in which ranks come",
}
_ASK = {
    "claimed": "Is the score the same for every order in which ranks take their share?",
}


def check(case: Case) -> Iterator[Finding]:
    """One finding for each way in which the order changes, else what is left open."""
    facts = scan_facts(case, "validation_order")
    if facts is None or case.audit is None:
        yield not_checked(RULE, why_no_audit(case) or "the code was not scanned for the order of validation")
        return
    index = EventIndex(case.audit.claim)
    lines = {
        (spot.file, spot.line)
        for score in index.validation_scores()
        for spot in (score.at, score.forward, *score.calls[2:], *score.calls[-2:])
    }
    told: set[str] = set()
    for fact in facts:
        if fact["kind"] in told or not _is_claimed(fact, lines):
            continue
        told.add(fact["kind"])
        yield needs_human(
            RULE,
            f"{fact['file']}:{fact['line']} {_SAID[fact['kind']]}: the order differs from that of the "
            "stream, as in the accepted #1530 to #1855",
            fact_place(case, fact, _SAID[fact["kind"]], Role.PRIMARY),
            ask=_ASK.get(fact["kind"], "Is this order fixed without looking at losses of the model?"),
        )
    if not told:
        why = unseen_code(case)
        if why is None and not index.validation_scores():
            why = "no score of validation tokens was followed into the printed number"
        if why is None and facts:
            first = facts[0]
            why = f"whether {first['file']}:{first['line']} changes the order of what is scored"
        if why is None:
            yield not_checked(RULE, "no call sorts or shuffles what is scored; only a run shows its order")
        else:
            yield not_checked(RULE, f"unresolved: {why}")


def _is_claimed(fact: Mapping[str, Any], lines: set[tuple[str, int]]) -> bool:
    return any(
        file == path and begin <= line <= end for path, begin, end in fact["within"] for file, line in lines
    )
