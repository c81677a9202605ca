"""byte-ppm-mixture: a byte model is not mixed with token probability spread over the realised bytes.

What it checks
    Whether the counted score was produced by a byte-level PPM mixture.
Why it matters
    Spreading a token's probability over its bytes after the token is known, then mixing byte by byte, is no
    distribution over tokens: its sum exceeds one and the score is no code length.
What is allowed instead
    Mix full distributions over the token alphabet, with weights fixed before the token.
How it is detected
    In the code: a log-probability divided by a length of its own token, then mixed with looked-up counts. In
    the logs: the label of the counted line. A line that names a PPM mixer fails; one that says it is
    conditional or marginalised, or names PPM without a mixture, asks a person, since a proper byte model was
    never ruled on. A label without such words passes only when the code was followed to the claimed number.
What it cannot see
    A mixture in native code: the sum over alternative tokens (a run) decides it.
Rulings
    #1902 (2026-04-28) left such scores out; #1991 and #2076 were refused (2026-05-02), #1959 too. A
    marginalised form was never adjudicated.
Example
    seed 42: the counted 0.92982823 is the 'ppm_mixer' line (train_seed42.log:147), a byte-level PPM
    mixture; report a score of the token distribution
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from harness.audit.token_leaks.leak_family import leak_findings, why_not_clean
from harness.audit.token_leaks.leaks import LeakKind
from harness.case import failed, needs_human, not_checked, noted, passed
from harness.finding import RuleVerdict
from harness.wording import seed_label

if TYPE_CHECKING:
    from collections.abc import Iterator

    from harness.case import Case
    from harness.evidence.seed_evidence import SeedEvidence
    from harness.finding import Finding

RULE = "byte-ppm-mixture"

_PPM = re.compile(r"ppm", re.IGNORECASE)
_MIXES = re.compile(r"ppm\w{0,3}[_\- ]?mix|mix\w{0,4}[_\- ]?ppm|byte[_\- ]?mix", re.IGNORECASE)
_PROPER = re.compile(r"cond|marginal|token[_\- ]?level|exact[_\- ]?marg", re.IGNORECASE)


def check(case: Case) -> Iterator[Finding]:
    """One finding per seed with a counted line."""
    mine = leak_findings(case, RULE, LeakKind.SPREAD)
    yield from mine
    judged = [finding for seed in case.evidence.seeds for finding in _judge(seed)]
    if mine:
        # The code decides: a label without a word of PPM is no clean bill beside it.
        judged = [finding for finding in judged if finding.verdict is not RuleVerdict.PASS]
    missing = why_not_clean(case)
    if missing is not None and any(finding.verdict is RuleVerdict.PASS for finding in judged):
        # A label says what its author calls the number; only the code says how it was made.
        judged = [finding for finding in judged if finding.verdict is not RuleVerdict.PASS]
        judged.append(not_checked(RULE, f"no counted line names a byte-level mixture, but {missing}"))
    yield from judged
    if not judged and not mine:
        yield not_checked(RULE, "no log line belongs to the claimed score")


def _judge(seed: SeedEvidence) -> Iterator[Finding]:
    counted = seed.counted
    if counted is None:
        return
    who, label = seed_label(seed.seed), counted.label or "unlabelled"
    place = counted.val_bpb.place("counted score")
    where = f"({counted.val_bpb.file}:{counted.val_bpb.line})"
    said = (
        f"{who}: the counted {counted.val_bpb.value:.{max(counted.digits, 4)}f} is the {label!r} line {where}"
    )
    if _MIXES.search(label) and not _PROPER.search(label):
        yield failed(
            RULE,
            f"{said}, a byte-level PPM mixture; report a score of the token distribution",
            place,
        )
    elif _PPM.search(label) or _MIXES.search(label):
        yield needs_human(
            RULE,
            f"{said}, which names a byte-level model",
            place,
            ask="Is every token's probability, summed over the whole alphabet, one before the token is seen?",
        )
    else:
        yield passed(RULE, f"{said}, no byte-level mixture", place)
        yield from _beside(seed)


def _beside(seed: SeedEvidence) -> Iterator[Finding]:
    others = [each for each in (seed.run.final_passes if seed.run else ()) if _MIXES.search(each.label)]
    if others:
        yield noted(
            RULE,
            f"{seed_label(seed.seed)}: a byte-level PPM mixture is printed too "
            f"({others[0].val_bpb.value:.4f}), but not counted",
            others[0].val_bpb.place("mixture line"),
        )
