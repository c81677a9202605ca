"""two-pass-rescore: no cache or weights from a first pass are used to report a second.

What it checks
    Whether the counted scores come from a second pass with weights or tables of a first one; the label of
    the counted line, and what the submission calls itself.
Why it matters
    On the second pass every token has been seen: its score is no prediction.
What is allowed instead
    One pass. Each token is scored once, then learned from.
How it is detected
    The static audit sees a scored pass that learns, and a later one over the same tokens that uses what was
    learned and is printed; or a table filled from tokens before they are scored with it. Words (two-pass,
    second pass, multi-pass, rescoring) are names, so a person decides, unless the code was followed whole. It
    never passes on names alone.
What it cannot see
    Code it cannot follow: a prefix test looks there.
Rulings
    Closures of 2026-03-27; #573 and #685 (2026-03-24) scored several passes.
Example
    validation is scored and learned from once (train_gpt.py:1301, then optimizer.step at train_gpt.py:1420),
    and scored again at train_gpt.py:1588 with the adapted state; the score printed at train_gpt.py:1598 is
    that second one
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from harness.audit.run_profile import ProfileKind
from harness.audit.score_order.family import member_verdict, order_of, own_findings
from harness.audit.token_leaks.leak_family import leak_findings
from harness.audit.token_leaks.leaks import LeakKind
from harness.case import needs_human
from harness.evidence.stated_methods import named
from harness.wording import seed_label

if TYPE_CHECKING:
    from collections.abc import Iterator

    from harness.case import Case
    from harness.finding import Finding

RULE = "two-pass-rescore"

_PASSES = re.compile(
    r"two[-_ ]?pass|\b2[-_ ]?pass|second[-_ ]pass|\bpass[-_ ]?[2-9]\b|multi(?:ple)?[-_ "
    r"]?pass|re-?scor(?:e|ing)|rescored",
    re.IGNORECASE,
)


def check(case: Case) -> Iterator[Finding]:
    """The breach in the code, else labels and names that ask, else what is missing to pass."""
    mine = own_findings(case, RULE) or leak_findings(case, RULE, LeakKind.COUNTED_FIRST)
    yield from mine
    if mine:
        return
    reading = order_of(case)
    name = named(case.submission, _PASSES)
    is_settled = reading is not None and reading.is_clean and (name is None or _log_decides(case))
    if is_settled or (reading is not None and reading.is_proven_breach):
        yield member_verdict(case, RULE, clean="one pass over validation makes the claimed number", absent="")
        return
    labels = [seed for seed in case.evidence.seeds if seed.counted is not None]
    hit = next((s for s in labels if s.counted and _PASSES.search(s.counted.label)), None)
    if hit is not None and hit.counted is not None:
        score = hit.counted.val_bpb
        yield needs_human(
            RULE,
            f"{seed_label(hit.seed)}: the counted line is {hit.counted.label!r} "
            f"({score.file}:{score.line}), which names more than one pass",
            score.place("counted score"),
            ask="Is each token's counted score fixed before anything was learned from it?",
        )
    elif name is not None:
        yield needs_human(
            RULE,
            f"the submission calls itself {name.value[:160]!r}, which names more than one pass",
            name.place("name"),
            ask="Is each token's counted score fixed before anything was learned from it?",
        )
    else:
        yield member_verdict(case, RULE, clean="", absent="")


def _log_decides(case: Case) -> bool:
    """Whether the audited configuration is that of a log: else a second pass may have been switched on."""
    run = case.audit.claim_run if case.audit is not None else None
    return run is not None and run.kind is ProfileKind.LOG
