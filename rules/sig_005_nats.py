"""sig-005-nats: the mean beats the standing record by at least 0.005 nats.

What it checks
    The mean over seeds against the standing record, as a point estimate, in nats per token. The gain in BPB
    and in nats per byte is printed beside it.
Why it matters
    A row should mean progress that a reader would notice, not the luck of three seeds.
What is allowed instead
    A pure systems speed-up needs no margin (sig-waiver-systems). A valid run that falls short can be filed
    as non-record. Since the chain of 2026-04-28 staff ask for p < 0.25 instead (sig-p025-chain), also of
    pull requests from #1494 (2026-04-09) on; there this rule only remarks.
How it is detected
    Gain = (mean of the record - own mean) x ln 2 x own bytes per token, own bytes per token being
    val_loss / (ln 2 x val_bpb) of the counted passes. 0.005 nats per token are 0.00296 BPB for sp1024,
    0.00194 for sp8192. Without bytes per token the gain is given per byte and a person decides.
What it cannot see
    Which unit the README means: it says "nats" (D22). March rulings fit nats per token; 0.005 nats per byte
    would be 0.0072 BPB, which 6 of 41 rows reach. The record is that of the table as it stands now.
Rulings
    README a15093ada, 2026-03-18 (A1): 0.005 nats. #569 and #589, 2026-03-24 (A2): too small a gain.
    #549, 2026-03-24, and #1019, 2026-03-30 (A2): clear it. #1413 and others (A3): rows without it.
Example
    gain of 0.0027 nats/token, below the 0.005 nats a record needs: mean 1.11780 of 3 logged scores 1.11760,
    1.11780, 1.11800, against #549 with mean 1.11938 of 3 scores: 0.00158 BPB lower (+0.0027 nats/token at
    2.4359 bytes/token, +0.0011 nats/byte); one-sided Welch: p = 0.0107 for any gain, ...
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from harness.case import Profile, failed, needs_human, not_checked, noted, passed
from harness.evidence.record_comparison import chain_covers, compare_with_record

if TYPE_CHECKING:
    from collections.abc import Iterator

    from harness.case import Case
    from harness.finding import Finding

RULE = "sig-005-nats"


def check(case: Case) -> Iterator[Finding]:
    """The gain over the standing record against the README's margin."""
    found = compare_with_record(case)
    if isinstance(found, str):
        yield not_checked(RULE, found)
        return
    gain, margin = found.numbers.gain, found.numbers.margin_nats
    places = found.places()
    if gain.nats_per_token is None:
        if gain.nats_per_byte >= margin:  # a token is at least one byte: enough per byte is enough per token
            yield passed(RULE, f"gains {gain.nats_per_byte:.4f} nats/byte: {found.words()}", *places)
            return
        yield needs_human(
            RULE,
            f"gain of {gain.nats_per_byte:.4f} nats/byte; per token it is unknown, as no log gives loss and "
            f"score together: {found.words()}",
            *places,
            ask=f"Is the gain at least {margin} nats per token of this tokenizer?",
        )
    elif gain.nats_per_token >= margin:
        yield passed(RULE, f"gains {gain.nats_per_token:.4f} nats/token: {found.words()}", *places)
    elif case.profile is not Profile.TEXT and chain_covers(case):
        yield noted(
            RULE,
            f"gain of {gain.nats_per_token:.4f} nats/token, below the README's {margin}; the chain of p < "
            f"0.25 decides here (sig-p025-chain): {found.words()}",
            *places,
        )
    elif not found.sample.proven:
        yield not_checked(RULE, f"the gain rests on claims that no log proves: {found.words()}", *places)
    else:
        finding = failed(
            RULE,
            f"gain of {gain.nats_per_token:.4f} nats/token, below the {margin} nats a record needs: "
            f"{found.words()}",
            *places,
        )
        # The question is kept when the practice profile lowers the finding to a person's decision.
        ask = f"Is there a reason for a row without the {margin}-nat gain (systems work, more runs)?"
        yield dataclasses.replace(finding, ask=ask)
