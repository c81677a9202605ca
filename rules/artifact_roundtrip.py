"""artifact-roundtrip: the score comes from weights read back from the written, compressed file.

What it checks
    Whether the counted run evaluated after it wrote and reloaded the compressed model.
Why it matters
    Quantisation and compression cost score. A number taken before them is the score of a larger model.
What is allowed instead
    Evaluate after deserialisation: a roundtrip line, or test-time training that starts from the reloaded
    weights.
How it is detected
    In the log: the counted line stands after the printed compressed size, or its label says roundtrip,
    quantised, intN, sliding window or test-time training. A counted line that the run itself labels a
    diagnostic before quantisation goes to a person.
What it cannot see
    Which weights the evaluation really used: that takes the code or a run.
Rulings
    train_gpt.py on main, 2026-03-18 (A5): logs final_int8_zlib_roundtrip_exact and counts it.
Example
    seed 42: the counted 1.12340000 is labelled 'pre-quantization post-ema', printed before the model was
    compressed
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from harness.case import needs_human, not_checked, passed
from harness.finding import Confidence
from harness.logs.training_log import PassKind
from harness.wording import count_of, seed_label

if TYPE_CHECKING:
    from collections.abc import Iterator

    from harness.case import Case
    from harness.evidence.seed_evidence import SeedEvidence
    from harness.finding import Finding

RULE = "artifact-roundtrip"

_RELOADED = re.compile(
    r"round.?trip|(?<!pre.)quant|int\d|ttt|ternary|dequant|deserial|sliding", re.IGNORECASE
)
_BEFORE = re.compile(r"pre.?quant|pre_export|fp32|bf16|raw_model", re.IGNORECASE)


def _compressed_line(seed: SeedEvidence) -> int | None:
    """The line of the compressed size in the same log as the counted pass."""
    if seed.model_bytes is None or seed.counted is None or seed.model_bytes.file != seed.counted.val_bpb.file:
        return None
    return seed.model_bytes.line


def check(case: Case) -> Iterator[Finding]:
    """One finding for each doubtful seed, one for those that were evaluated after the roundtrip."""
    good = []
    for seed in case.evidence.seeds:
        counted = seed.counted
        if counted is None:
            continue
        name = seed_label(seed.seed)
        size_line, line = _compressed_line(seed), counted.val_bpb.line
        before = size_line is not None and line is not None and line < size_line
        if (counted.kind is PassKind.DIAGNOSTIC and _BEFORE.search(counted.label)) or (
            before and counted.kind is PassKind.IN_TRAINING
        ):
            when = ", printed before the model was compressed" if before else ""
            yield needs_human(
                RULE,
                f"{name}: the counted {counted.val_bpb.value:.8f} is labelled "
                f"{counted.label or 'nothing'!r}{when}",
                counted.val_bpb.place("counted score"),
                ask="Was this score computed with weights reloaded from the compressed file?",
            )
        elif (size_line is not None and not before) or _RELOADED.search(counted.label):
            good.append(seed)
        else:
            yield not_checked(
                RULE,
                f"{name}: the line {counted.label!r} does not say whether the weights were reloaded; the "
                "code or a run would decide",
                counted.val_bpb.place("counted score"),
            )
    if good and good[0].counted is not None:
        counted = good[0].counted
        yield passed(
            RULE,
            f"{count_of(len(good), 'seed')}: the counted line {counted.label!r} follows the compressed model",
            counted.val_bpb.place("counted score"),
            confidence=Confidence.MEDIUM,
        )
