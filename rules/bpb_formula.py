"""bpb-formula: val_bpb is the summed loss over ln 2, divided by the bytes of the scored text.

What it checks
    The byte count that a counted score implies, tokens x val_loss / (ln 2 x val_bpb), and the byte count a
    score line prints, against the 151,080,891 bytes of the 50,000 validation documents.
Why it matters
    The text is the same for everybody. More bytes below the line make the same loss a better score.
What is allowed instead
    Any tokenizer, if its bytes are those of the original text.
How it is detected
    One identity on printed numbers. Within 1e-4 passes, within 5e-4 is a cut tail (a warning), else it
    fails and names the likely cause; a deviation with a known cause is failed by the rule of that cause,
    and up to 5 % too few bytes below the full token count is a warning, since it makes the score worse.
    Bands are widened by the rounding of the print. A line that names a mixture may take loss and score from
    different distributions, so its deviation is put to a person, but a printed byte count of such a line
    must still be that of the text. Tokens of no known stream that hold fewer bytes than the text are
    another set, measured against nothing: val-full asks about it.
What it cannot see
    Two errors that cancel, and whether the tokens printed are the tokens scored.
Rulings
    README: the metric is tokenizer-agnostic bits per byte. #2071 and #2076 were refused for their byte
    counts (2026-05-02).
Example
    seed 42: 49,999,872 tokens x 2.85458602 / (ln 2 x 1.04026259) imply 197,944,567 bytes, +31.02 % against
    the 151,080,891 bytes of the validation text; bytes are counted that the text does not have, or another
    validation set was scored.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.case import failed, needs_human, not_checked, noted, passed, warned
from harness.evidence.byte_surplus import ORIGINAL_TEXT
from harness.evidence.code_facts import of_the_logs
from harness.evidence.validation_bytes import (
    Agreement,
    diagnose,
    equation,
    is_precise,
    may_be_the_text,
    measure,
    percent,
    printed_byte_count,
    stream_of_ratio,
    tokens_of,
)
from harness.wording import seed_label

if TYPE_CHECKING:
    from collections.abc import Iterator

    from harness.case import Case
    from harness.evidence.seed_evidence import SeedEvidence
    from harness.evidence.validation_bytes import Diagnosis, ImpliedBytes
    from harness.finding import Finding

RULE = "bpb-formula"

# Seeds of one method differ by up to 7e-5 in loss / score (variants of one evaluation); more is odd.
_SEEDS_DIFFER = 5e-4
_TAIL = "a partial window is left out"
_TOO_MANY = "more bytes than the text has: loss and score of this line may not belong together"
_SHORT = (
    "part of the text is unscored, or batches are averaged, which makes the score worse; sum loss and bytes"
)


def check(case: Case) -> Iterator[Finding]:
    """One finding per seed, one for a printed byte count, one when seeds divide by different bytes."""
    if not case.evidence.seeds:
        yield not_checked(RULE, "no log of a counted run: no score to check")
    for seed in case.evidence.seeds:
        yield from _printed_count(case, seed)
        yield _implied(case, seed)
    yield from _seeds_agree(case)


def _implied(case: Case, seed: SeedEvidence) -> Finding:
    who = seed_label(seed.seed)
    implied = measure(seed)
    if seed.counted is None:
        return not_checked(RULE, f"{who}: no log line belongs to the claimed score")
    if implied is None:
        return not_checked(
            RULE,
            f"{who}: the counted score prints no val_loss beside it; print both with 8 decimals",
            seed.counted.val_bpb.place("counted score"),
        )
    found = diagnose(implied, case.limits)
    if found is None:
        return _without_tokens(case, who, implied)
    said = f"{who}: {equation(implied, case.limits)}"
    if found.agreement is Agreement.EXACT:
        return passed(RULE, f"{said}{of_the_logs(case)}", *implied.places())
    if found.agreement is Agreement.TAIL:
        why = _TAIL if found.ratio < 1 else _TOO_MANY
        return warned(RULE, f"{said}; {why}", *implied.places())
    if found.agreement is Agreement.SHORT and not implied.is_mixture:
        return warned(RULE, f"{said}; {_SHORT}", *implied.places())
    if found.agreement is Agreement.OLD_EXPORT:
        return noted(RULE, f"{said}; right for the launch export, which was replaced", *implied.places())
    if found.agreement is Agreement.SUBSET:
        return noted(
            RULE,
            f"{said}; the bytes per token are right, the set is not the full one (see val-full)",
            *implied.places(),
        )
    if found.agreement is Agreement.OTHER_SET:
        return _another_set(case, who, implied)
    return _off(said, implied, found)


def _another_set(case: Case, who: str, implied: ImpliedBytes) -> Finding:
    return not_checked(
        RULE,
        f"{who}: loss and score imply {implied.bytes_per_token:.5f} bytes per token, but "
        f"{implied.tokens.value if implied.tokens else 0:,} tokens are those of another set than the "
        f"challenge's text, whose {case.limits.integer('validation.canonical_bytes'):,} bytes are no measure "
        "for it (see val-full)",
        *implied.places(),
    )


def _off(said: str, implied: ImpliedBytes, found: Diagnosis) -> Finding:
    if implied.is_mixture:
        return needs_human(
            RULE,
            f"{said}; {implied.label!r} names a mixture, so loss and score may belong to different "
            "distributions",
            *implied.places(),
            ask=ORIGINAL_TEXT,
        )
    if found.rule != RULE:
        return noted(RULE, f"{said}; see {found.rule}: {found.cause}", *implied.places())
    return failed(RULE, f"{said}; {found.cause}", *implied.places())


def _without_tokens(case: Case, who: str, implied: ImpliedBytes) -> Finding:
    stream = stream_of_ratio(implied.bytes_per_token, case.limits, implied.rounding)
    said = f"{who}: loss and score imply {implied.bytes_per_token:.5f} bytes per token"
    if stream is not None:
        return passed(RULE, f"{said}, as {stream.name} has{of_the_logs(case)}", *implied.places())
    return not_checked(RULE, f"{said}, like no known stream, and no log prints val_tokens", *implied.places())


def _printed_count(case: Case, seed: SeedEvidence) -> Iterator[Finding]:
    printed = printed_byte_count(seed.counted) if seed.counted is not None else None
    if printed is None or seed.counted is None:
        return
    canonical = case.limits.integer("validation.canonical_bytes")
    ratio = printed / canonical
    place = seed.counted.val_bpb.place("byte count printed with the score")
    said = (
        f"{seed_label(seed.seed)}: the score's own line counts {printed:,} bytes, {percent(ratio)} against "
        f"the {canonical:,} bytes of the validation text"
    )
    if abs(ratio - 1) <= case.limits.number("validation.warn_relative"):
        yield passed(RULE, f"{said}{of_the_logs(case)}", place)
        return
    tokens = tokens_of(seed)
    if tokens is not None and not may_be_the_text(tokens.value, case.limits):
        yield not_checked(RULE, f"{said}; its {tokens.value:,} tokens are another set (see val-full)", place)
        return
    as_tokens = " and exactly the number of its tokens" if tokens and tokens.value == printed else ""
    yield failed(
        RULE,
        f"{said}{as_tokens}; divide by the bytes of the whole text, and score all of it",
        place,
    )


def _seeds_agree(case: Case) -> Iterator[Finding]:
    found = [implied for seed in case.evidence.seeds if (implied := measure(seed)) and is_precise(implied)]
    if len(found) < 2:
        return
    low = min(found, key=lambda implied: implied.bytes_per_token)
    high = max(found, key=lambda implied: implied.bytes_per_token)
    spread = high.bytes_per_token / low.bytes_per_token - 1
    if spread > _SEEDS_DIFFER:
        yield needs_human(
            RULE,
            f"loss over score implies {low.bytes_per_token:.5f} bytes per token in {seed_label(low.seed)} "
            f"and {high.bytes_per_token:.5f} in {seed_label(high.seed)}; one method divides by one byte "
            "count",
            *low.places()[:1],
            ask="Were both seeds scored by the same code on the same validation set?",
        )
