"""Which line of its logs a submission claims: the label of the pass whose score is the claimed one."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from harness.evidence.seed_evidence import Match, collect_evidence

if TYPE_CHECKING:
    from harness.ruleset import Limits
    from harness.submission import Submission


def claimed_label(submission: Submission, limits: Limits) -> str | None:
    """The label most seeds agree on ("final_int8_zlib_roundtrip_exact"), None where no log shows it."""
    labels = Counter(
        seed.counted.label
        for seed in collect_evidence(submission, limits).seeds
        if seed.counted is not None and seed.match in {Match.CLAIM, Match.CLAIM_NEAR, Match.HEADLINE}
    )
    return labels.most_common(1)[0][0] if labels else None
