"""val-full: the complete first-50,000-document validation split is scored.

What it checks
    The validation tokens a counted run prints, and the bytes its score implies.
Why it matters
    A part of the set has another difficulty and another noise; scores on parts cannot be compared.
What is allowed instead
    Score every shard that matches fineweb_val_*. A cut partial window is val-tail's matter.
How it is detected
    A token count of a known stream passes. An unknown count passes when loss and score imply the bytes of
    the whole text. Two independent facts fail it: fewer tokens than every known stream of the tokenizer
    whose bytes per token they show, and implied bytes below the text's. One fact alone asks a person. So do
    two counts in one run, unless they are a known stream's length and the part of it that is scored, and code
    that takes random minibatches of validation or cuts it at a number the claimed run sets. A part that only
    calibration or a copy sees, on no line that makes a claimed score, asks nothing. Losses that a test on
    themselves or on the scored token lets into the claimed sum ask; masks of positions do not.
What it cannot see
    Whether all printed tokens were scored, and which documents they came from.
Rulings
    README: the full first-50,000-document set (a15093ada). #2009 was refused for 20 minibatches
    (2026-05-02). #2014 scores all 47,853,343 tokens.
Example
    seed 42 scored 9,662,464 validation tokens; the CaseOps 8192 stream has 47,853,343, and the implied
    30,509,120 bytes are 20.19 % of the text's 151,080,891: score the whole set.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.audit.scans.setting_values import holds, value_of
from harness.audit.token_leaks.left_out_losses import losses_left_out
from harness.case import failed, needs_human, not_checked, passed, warned
from harness.evidence.code_facts import fact_place, of_the_logs, scan_facts
from harness.evidence.counted_loss import is_scored_part
from harness.evidence.validation_bytes import (
    Agreement,
    diagnose,
    known_streams,
    measure_any_pass,
    stream_of_tokens,
    tokens_of,
)
from harness.finding import Role, RuleVerdict
from harness.wording import seed_label

if TYPE_CHECKING:
    from collections.abc import Iterator

    from harness.case import Case
    from harness.evidence.seed_evidence import SeedEvidence
    from harness.finding import Finding, Sourced

RULE = "val-full"

_TAIL_SHARE = 5e-4  # a cut partial window; val-tail judges it


def check(case: Case) -> Iterator[Finding]:
    """One finding per seed, and one for code that scores a sample or a part."""
    yield from _in_code(case)
    yield from _filtered(case)
    if not case.evidence.seeds:
        yield not_checked(RULE, "no log of a counted run: nothing shows how much was scored")
    for seed in case.evidence.seeds:
        tokens = tokens_of(seed)
        if tokens is None:
            yield not_checked(
                RULE,
                f"{seed_label(seed.seed)}: no log prints val_tokens; print how many validation tokens are "
                "scored",
            )
            continue
        finding = _judge(case, seed, tokens)
        other = _other_count(case, seed, tokens)
        yield (
            finding
            if other is None or finding.verdict is RuleVerdict.FAIL
            else _two_counts(seed, tokens, other)
        )


def _in_code(case: Case) -> Iterator[Finding]:
    """Random minibatches, and a slice whose limit is set in the claimed run."""
    run = case.audit.claim_run if case.audit is not None else None
    for fact in scan_facts(case, "validation_caps") or ():
        if fact["kind"] == "random-minibatches":
            passes = value_of(fact["passes"], run)
            times = f"{passes} " if isinstance(passes, int) else ""
            yield needs_human(
                RULE,
                f"the loop at {fact['file']}:{fact['line']} takes {times}random minibatches of validation",
                fact_place(case, fact, "takes random minibatches", Role.PRIMARY),
                fact_place(case, fact, "a random place", prefix="random_"),
                ask="Does the claimed score come from this loop?",
            )
            return
        limit = value_of(fact["limit"], run)
        if not isinstance(limit, int | float) or limit <= 0 or holds(fact["tests"], run) is False:
            continue
        below_all = all(stream.tokens > limit for stream in known_streams(case.limits))
        if below_all and is_scored_part(case, fact):
            yield needs_human(
                RULE,
                f"{fact['file']}:{fact['line']} keeps the first {limit:,.0f} validation tokens",
                fact_place(case, fact, "cuts the stream", Role.PRIMARY),
                ask="Is the claimed score taken over this part?",
            )
            return


def _filtered(case: Case) -> Iterator[Finding]:
    """A sum that some tokens' losses are left out of."""
    found = losses_left_out(case)
    if found is not None:
        ask = "Are losses of some tokens left out of the claimed sum?"
        yield needs_human(RULE, found.message, *found.places(case), ask=ask)


def _other_count(case: Case, seed: SeedEvidence, tokens: Sourced[int]) -> Sourced[int] | None:
    """A count of validation tokens in the seed's runs that belongs to another set than `tokens`."""
    runs = [run for run in (seed.run, seed.training_run) if run is not None]
    stream = stream_of_tokens(tokens.value, case.limits)
    for count in (count for run in runs for count in run.val_token_counts):
        near = abs(count.value - tokens.value) <= _TAIL_SHARE * tokens.value
        known = stream is not None and stream_of_tokens(count.value, case.limits) == stream
        if not near and not known:
            return count
    return None


def _two_counts(seed: SeedEvidence, tokens: Sourced[int], other: Sourced[int]) -> Finding:
    return needs_human(
        RULE,
        f"{seed_label(seed.seed)}: {tokens.file}:{tokens.line} prints {tokens.value:,} validation tokens, "
        f"{other.file}:{other.line} prints {other.value:,}: two sets, and one score",
        tokens.place("validation tokens"),
        other.place("another count", Role.RELATED),
        ask=f"Were {max(tokens.value, other.value):,} tokens scored for the counted result?",
    )


def _judge(case: Case, seed: SeedEvidence, tokens: Sourced[int]) -> Finding:
    who, place = seed_label(seed.seed), tokens.place("validation tokens")
    stream = stream_of_tokens(tokens.value, case.limits)
    if stream is not None and stream.superseded:
        return warned(
            RULE,
            f"{who}: {tokens.value:,} validation tokens are the {stream.name}, which was replaced on "
            "2026-03-18; its score cannot be compared with later ones",
            place,
        )
    if stream is not None:
        said = f"{who} prints {tokens.value:,} validation tokens, the {stream.name} stream"
        return passed(RULE, f"{said}{of_the_logs(case)}", place)
    return _unknown(case, seed, tokens)


def _unknown(case: Case, seed: SeedEvidence, tokens: Sourced[int]) -> Finding:
    who, place = seed_label(seed.seed), tokens.place("validation tokens")
    canonical = case.limits.integer("validation.canonical_bytes")
    implied = measure_any_pass(seed)
    found = diagnose(implied, case.limits) if implied is not None else None
    if implied is None or found is None or implied.value is None:
        shortest = min(known_streams(case.limits), key=lambda stream: stream.tokens)
        return needs_human(
            RULE,
            f"{who}: {tokens.value:,} validation tokens belong to no known stream (the shortest, "
            f"{shortest.name}, has {shortest.tokens:,}), and no loss is printed to check their bytes",
            place,
            ask=f"Are these {tokens.value:,} tokens all of the 50,000 documents?",
        )
    related = implied.score.place("implied bytes", Role.RELATED)
    share = (
        f"{implied.value:,.0f} bytes are {implied.value / canonical * 100:,.2f} % of the text's {canonical:,}"
    )
    if found.agreement in {Agreement.EXACT, Agreement.TAIL}:
        said = f"{who} prints {tokens.value:,} validation tokens; the implied {share}"
        return passed(RULE, f"{said}{of_the_logs(case)}", place, related)
    if found.agreement is Agreement.SUBSET and found.stream is not None:
        return failed(
            RULE,
            f"{who} scored {tokens.value:,} validation tokens; the {found.stream.name} stream has "
            f"{found.stream.tokens:,}, and the implied {share}: score the whole set",
            place,
            related,
        )
    return needs_human(
        RULE,
        f"{who}: {tokens.value:,} validation tokens belong to no known stream, and the implied {share}",
        place,
        related,
        ask=f"Are these {tokens.value:,} tokens exactly the 50,000 documents?",
    )
