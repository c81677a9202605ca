"""val-tail: the last partial window of the validation stream is scored.

What it checks
    How many tokens of a known stream a run leaves out at its end.
Why it matters
    Cutting the stream to a multiple of the window leaves tokens unscored; long windows leave more.
What is allowed instead
    Score the rest as a shorter window. Up to 4,096 tokens pass with a remark.
How it is detected
    The printed token count against the full length of the stream.
What it cannot see
    A loader that prints the full count and drops the tail later.
Rulings
    #50 (2026-03-19): score the tail; #124 mended it on main. Most rows still cut under one sequence: 213
    tokens for sp1024, 1,823 for CaseOps.
Example
    seed 42 leaves 24,789 of 62,021,845 validation tokens unscored (0.040 %); score the last window too.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.case import not_checked, noted, passed, warned
from harness.evidence.validation_bytes import stream_of_tokens, tokens_of
from harness.wording import seed_label

if TYPE_CHECKING:
    from collections.abc import Iterator

    from harness.case import Case
    from harness.finding import Finding

RULE = "val-tail"


def check(case: Case) -> Iterator[Finding]:
    """One finding per seed with a known stream."""
    known = False
    for seed in case.evidence.seeds:
        tokens = tokens_of(seed)
        stream = stream_of_tokens(tokens.value, case.limits) if tokens is not None else None
        if tokens is None or stream is None:
            continue
        known = True
        missing = max(stream.tokens - tokens.value, 0)
        said = f"{seed_label(seed.seed)} leaves {missing:,} of {stream.tokens:,} validation tokens unscored"
        place = tokens.place("validation tokens")
        if missing == 0:
            yield passed(RULE, f"{seed_label(seed.seed)} scores all {tokens.value:,} tokens", place)
        elif missing <= case.limits.integer("validation.tail_info_tokens"):
            yield noted(RULE, f"{said}, less than {_window(case)}", place)
        else:
            share = missing / stream.tokens * 100
            yield warned(RULE, f"{said} ({share:.3f} %); score the last window too", place)
    if not known:
        yield not_checked(RULE, "no printed token count belongs to a known stream")


def _window(case: Case) -> str:
    return f"{case.limits.integer('validation.tail_info_tokens'):,} tokens"
