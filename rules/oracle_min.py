"""oracle-min: no choice of the lower loss per token, document, epoch or pass.

What it checks
    Choices of the lower of two losses in the code, the label of the counted line, and what the submission
    calls itself.
Why it matters
    Whoever picks the better of two scores after seeing the token has spent the answer.
What is allowed instead
    Mix the distributions with weights fixed before the token.
How it is detected
    The static audit sees the lower of two losses kept, per token or of whole passes: that fails. Losses of a
    chunk that are compared, of which one is counted, and words (oracle, minimum of losses, best of passes or
    epochs) ask a person. It passes only when the code was followed to the claimed number.
What it cannot see
    Code it cannot follow: then it says what is missing.
Rulings
    #573 and #685 (2026-03-24) took the minimum over passes, #659 (2026-03-25) the better of two experts.
Example
    the submission calls itself 'Frozen n-gram oracle', which speaks of a choice made with the answer
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from harness.audit.score_order.family import lowest_of_passes, member_verdict, order_of
from harness.audit.token_leaks.kept_losses import kept_loss, open_choice
from harness.audit.token_leaks.leak_family import clean_or_open, leak_findings, leaks_of
from harness.audit.token_leaks.leaks import LeakKind
from harness.case import needs_human, not_checked
from harness.evidence.stated_methods import named, readme_says
from harness.wording import seed_label

if TYPE_CHECKING:
    from collections.abc import Iterator

    from harness.case import Case
    from harness.finding import Finding

RULE = "oracle-min"

_LABEL = re.compile(
    r"oracle|\bmin[-_ ]?(?:nll|loss|over)|best[-_ ]of[-_ ]?(?:\d+[-_ ])?(?:pass|epoch)", re.IGNORECASE
)
_README = re.compile(
    r"\b(?:minimum|min|lowest|best|lower)\b.{0,30}\b(?:nll|loss(?:es)?|score)\b.{0,40}"
    r"\b(?:across|over|of|per token|between)\b.{0,20}\b(?:pass(?:es)?|epochs?|experts?|models?|per "
    r"token|the two)\b",
    re.IGNORECASE,
)
_ASK = "Is the counted probability of each token fixed before the token is looked at?"


def check(case: Case) -> Iterator[Finding]:
    """Where the code keeps the lower loss of passes, else one finding for labels, names and README."""
    kept = lowest_of_passes(case, RULE) or leak_findings(case, RULE, LeakKind.ORACLE) or _of_a_part(case)
    yield from kept
    if kept:
        return
    labels = [seed for seed in case.evidence.seeds if seed.counted is not None]
    hit = next((s for s in labels if s.counted and _LABEL.search(s.counted.label)), None)
    ask = _ASK
    if hit is not None and hit.counted is not None:
        score = hit.counted.val_bpb
        yield needs_human(
            RULE,
            f"{seed_label(hit.seed)}: the counted line is {hit.counted.label!r} "
            f"({score.file}:{score.line}), which names a choice made with the answer",
            score.place("counted score"),
            ask=ask,
        )
        return
    name = named(case.submission, _LABEL)
    said = name or next(readme_says(case.submission, _README), None)
    if said is not None:
        where = "calls itself" if name is not None else "says in its README"
        yield needs_human(
            RULE,
            f"the submission {where} {said.value[:160]!r}, which speaks of a choice made with the answer",
            said.place("its own words"),
            ask=ask,
        )
    else:
        yield _clean(case)


def _of_a_part(case: Case) -> list[Finding]:
    """A question where losses of one chunk are compared and one of them is counted."""
    found = kept_loss(case)
    if found is None or not (found.is_chosen and found.is_part):
        return []
    return [needs_human(RULE, found.message, *found.places(case), ask=_ASK)]


def _clean(case: Case) -> Finding:
    """A pass where order and single tokens were followed to the claimed number, else what is missing."""
    missing = open_choice(case)
    if missing is not None:
        return not_checked(RULE, missing)
    reading = order_of(case)
    gates = leaks_of(case, LeakKind.TARGET_GATE)
    if gates:
        return not_checked(RULE, "open until the question of ngram-target-gate is answered")
    if reading is not None and not reading.is_clean:
        return member_verdict(case, RULE, clean="", absent="")
    return clean_or_open(
        case, RULE, "no lower one of two losses is kept, and no label or README speaks of it"
    )
