"""How many bytes of validation text a printed score implies, and what is wrong when it is another number.

`tokens * val_loss / (ln 2 * val_bpb)` is the byte count below a score. It must be 151,080,891 for every
tokenizer, because the 50,000 documents are the same. Losses are nats per token, scores bits per byte. The
identity holds only when loss and score come from one distribution: a mixture line may not fulfil it.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from harness.finding import Role
from harness.logs.training_log import PassKind

if TYPE_CHECKING:
    from harness.evidence.seed_evidence import SeedEvidence
    from harness.finding import Place, Sourced
    from harness.logs.training_log import EvalPass, Run
    from harness.ruleset import Limits
    from harness.submission import Submission

# A printed stream is a known one when its length differs by less than this share (a tail, or one BOS).
_SAME_STREAM = 5e-4
_SAME_RATIO = 3e-4
# Bytes per token that a tokenizer of this challenge may have: one is a byte each, the largest known has 3.7.
_PER_TOKEN = (0.99, 16.0)
# Up to this share too few bytes below a full token count is an averaging error that makes the score worse.
_SHORT_AT_MOST = 0.05
_PRECISE = 1e-6
_MIXTURE = re.compile(r"ppm|mix|n_?gram|cache|hedge|blend|tilt(?!ed_none)", re.IGNORECASE)
_BYTE_MIXTURE = re.compile(r"ppm|byte.?mix|mix.?byte|\bmix", re.IGNORECASE)
# A byte count that can only be that of the scored text, and one that may also be a size of the artifact.
_TEXT_BYTES = re.compile(
    r"\b(?:N_?bytes|n_bytes|num_bytes|scored_bytes|val_bytes|byte_count)\s?[=:]\s?(\d[\d,]{3,14})\b",
    re.IGNORECASE,
)
_ANY_BYTES = re.compile(r"\b(?:total_)?bytes\s?[=:]\s?(\d[\d,]{3,14})\b", re.IGNORECASE)


class Agreement(StrEnum):
    """How an implied byte count compares with the canonical one."""

    EXACT = "exact"
    TAIL = "tail"  # a partial window short
    OLD_EXPORT = "old export"  # a published stream that was replaced
    SHORT = (
        "short"  # a few per cent too few bytes: the score is worse than it should be, or a part is missing
    )
    SUBSET = "subset"  # far fewer tokens, at a known tokenizer's bytes per token
    OTHER_SET = "other set"  # tokens of no known stream that hold fewer bytes, or more at a right ratio
    OFF = "off"  # another denominator


@dataclass(frozen=True, slots=True, kw_only=True)
class Stream:
    """A known validation stream: its tokens, those usually scored, and its bytes."""

    name: str
    tokens: int
    scored: int
    implied_bytes: int
    bytes_per_token: float
    superseded: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ImpliedBytes:
    """The byte count a score implies.

    `bytes_per_token` is loss / (ln 2 * score); `rounding` the relative error the printed decimals leave.
    `tokens` and `value` are None when no token count was printed. `is_mixture` says that the line's label
    names a mixture, whose loss and score may come from different distributions.
    """

    seed: int | None
    label: str
    loss: Sourced[float]
    score: Sourced[float]
    tokens: Sourced[int] | None
    bytes_per_token: float
    value: float | None
    rounding: float
    is_mixture: bool = False

    def places(self) -> tuple[Place, ...]:
        """The line of the score, and that of the token count."""
        first = self.score.place("loss and score")
        if self.tokens is None:
            return (first,)
        return (first, self.tokens.place(f"{self.tokens.value:,} validation tokens", Role.RELATED))


@dataclass(frozen=True, slots=True, kw_only=True)
class Diagnosis:
    """What an implied byte count says. `ratio` is implied / canonical; `cause` would break `rule`."""

    agreement: Agreement
    ratio: float
    stream: Stream | None = None
    rule: str = "bpb-formula"
    cause: str = ""


def implied_bytes(tokens: int, val_loss: float, val_bpb: float) -> float:
    """Bytes below a score; raises `ZeroDivisionError` for a score of zero."""
    return tokens * bytes_per_token(val_loss, val_bpb)


def bytes_per_token(val_loss: float, val_bpb: float) -> float:
    """Mean bytes per scored token that loss and score imply."""
    return val_loss / (math.log(2) * val_bpb)


def known_streams(limits: Limits) -> tuple[Stream, ...]:
    """The validation streams of the rules folder."""
    return tuple(
        Stream(
            name=row["name"],
            tokens=row["tokens"],
            scored=row["scored"],
            implied_bytes=row["implied_bytes"],
            bytes_per_token=row["bytes_per_token"],
            superseded=row.get("superseded", False),
        )
        for row in limits.rows("validation.stream")
    )


def stream_of_tokens(tokens: int, limits: Limits) -> Stream | None:
    """The known stream of nearly this length, None when there is none."""
    nearest = min(
        known_streams(limits),
        key=lambda stream: min(abs(stream.tokens - tokens), abs(stream.scored - tokens)),
    )
    gap = min(abs(nearest.tokens - tokens), abs(nearest.scored - tokens))
    return nearest if gap <= _SAME_STREAM * nearest.tokens else None


def stream_of_ratio(ratio: float, limits: Limits, rounding: float = 0.0) -> Stream | None:
    """The known stream with these bytes per token, None when there is none."""
    nearest = min(known_streams(limits), key=lambda stream: abs(stream.bytes_per_token - ratio))
    close = abs(nearest.bytes_per_token - ratio) <= (_SAME_RATIO + rounding) * ratio
    return nearest if close else None


def tokens_of(seed: SeedEvidence) -> Sourced[int] | None:
    """The validation tokens printed by the run that scored, else by the one that trained."""
    for run in (seed.run, seed.training_run):
        if run is not None and run.val_tokens is not None and run.val_tokens.value > 0:
            return run.val_tokens
    return None


def pass_with_loss(run: Run | None, counted: EvalPass | None) -> EvalPass | None:
    """The counted pass, or its rounded twin, if it prints a loss beside the score; None otherwise."""
    if counted is None or counted.val_loss is not None:
        return counted
    twins = [
        each
        for each in (run.passes if run else ())
        if each.val_loss is not None
        and each.kind in {PassKind.FINAL, PassKind.DIAGNOSTIC}
        and abs(each.val_bpb.value - counted.val_bpb.value)
        <= 0.51 * 10.0 ** -(min(each.digits, counted.digits) or 4)
    ]
    return twins[0] if twins else None


def measure(seed: SeedEvidence) -> ImpliedBytes | None:
    """The byte count the counted score of one seed implies; None when loss or score is not printed."""
    scored = pass_with_loss(seed.run, seed.counted)
    if scored is None or scored.val_loss is None:
        return None
    return _measured(
        seed.seed,
        scored.label,
        scored.val_loss,
        scored.val_bpb,
        tokens_of(seed),
        _half_unit(scored.loss_digits or 4),
        _half_unit(scored.digits or 4),
    )


def measure_any_pass(seed: SeedEvidence) -> ImpliedBytes | None:
    """As `measure`, else from the most precise other pass of the same run.

    Good for questions about the validation set, which all passes of a run share, never about the headline.
    """
    counted = measure(seed)
    if counted is not None and not counted.is_mixture:
        return counted
    others = [
        each
        for each in (seed.run.passes if seed.run else ())
        if each.val_loss is not None
        and each.kind is not PassKind.PROGRESS
        and not _MIXTURE.search(each.label)
    ]
    for each in sorted(others, key=lambda each: -min(each.digits, each.loss_digits)):
        found = (
            _measured(
                seed.seed,
                each.label,
                each.val_loss,
                each.val_bpb,
                tokens_of(seed),
                _half_unit(each.loss_digits or 4),
                _half_unit(each.digits or 4),
            )
            if each.val_loss is not None
            else None
        )
        if found is not None:
            return found
    return counted


def measure_claim(submission: Submission) -> ImpliedBytes | None:
    """The same from submission.json's headline pair, for submissions whose logs print none."""
    loss, score = submission.json.val_loss, submission.json.headline
    if loss is None or score is None:
        return None
    digits = [len(repr(value).partition(".")[2]) for value in (loss.value, score.value)]
    return _measured(None, "submission.json", loss, score, None, _half_unit(digits[0]), _half_unit(digits[1]))


def _half_unit(digits: int) -> float:
    return 0.5 * 10.0 ** -min(digits, 15)


def _measured(
    seed: int | None,
    label: str,
    loss: Sourced[float],
    score: Sourced[float],
    tokens: Sourced[int] | None,
    loss_error: float,
    score_error: float,
) -> ImpliedBytes | None:
    usable = all(math.isfinite(value) and value > 0 for value in (loss.value, score.value))
    if not usable:
        return None
    ratio = bytes_per_token(loss.value, score.value)
    return ImpliedBytes(
        seed=seed,
        label=label,
        loss=loss,
        score=score,
        tokens=tokens,
        bytes_per_token=ratio,
        value=tokens.value * ratio if tokens is not None else None,
        rounding=loss_error / loss.value + score_error / score.value,
        is_mixture=bool(_MIXTURE.search(label)),
    )


def diagnose(implied: ImpliedBytes, limits: Limits) -> Diagnosis | None:
    """Compare with the canonical byte count; None when no token count was printed.

    Bands are those of the rules folder (1e-4 exact, 5e-4 tail), widened by the rounding of the print.
    """
    if implied.value is None or implied.tokens is None:
        return None
    canonical = limits.integer("validation.canonical_bytes")
    ratio = implied.value / canonical
    deviation = abs(ratio - 1)
    stream = stream_of_tokens(implied.tokens.value, limits)
    if deviation <= limits.number("validation.pass_relative") + implied.rounding:
        return Diagnosis(agreement=Agreement.EXACT, ratio=ratio, stream=stream)
    known = _known_cause(ratio, limits) or _document_starts(implied, ratio, limits)
    if known is not None:
        rule, cause = known
        return Diagnosis(agreement=Agreement.OFF, ratio=ratio, stream=stream, rule=rule, cause=cause)
    if deviation <= limits.number("validation.warn_relative") + implied.rounding:
        return Diagnosis(agreement=Agreement.TAIL, ratio=ratio, stream=stream)
    if stream is not None and stream.superseded and abs(implied.value / stream.implied_bytes - 1) <= 1e-3:
        return Diagnosis(agreement=Agreement.OLD_EXPORT, ratio=ratio, stream=stream)
    if (stream is None or not stream.superseded) and 1 - _SHORT_AT_MOST <= ratio < 1:
        return Diagnosis(
            agreement=Agreement.SHORT,
            ratio=ratio,
            stream=stream,
            cause=_direction(ratio),
        )
    same_tokenizer = stream_of_ratio(implied.bytes_per_token, limits, 0.02)
    if stream is None and ratio < 1 and same_tokenizer is not None:
        return Diagnosis(agreement=Agreement.SUBSET, ratio=ratio, stream=same_tokenizer)
    if stream is None and _is_another_set(implied, ratio, limits):
        return Diagnosis(agreement=Agreement.OTHER_SET, ratio=ratio)
    return Diagnosis(agreement=Agreement.OFF, ratio=ratio, stream=stream, cause=_direction(ratio))


def _is_another_set(implied: ImpliedBytes, ratio: float, limits: Limits) -> bool:
    """Whether a count of no known stream says nothing of how bytes are counted.

    A smaller set gives nobody an advantage by its byte count; a larger one with the bytes per token of a
    known tokenizer is counted rightly. Both are no less than a matter of val-full.
    """
    if implied.tokens is None or not may_be_the_text(implied.tokens.value, limits) or ratio < 1:
        return True
    return stream_of_ratio(implied.bytes_per_token, limits, implied.rounding) is not None


def may_be_the_text(tokens: int, limits: Limits) -> bool:
    """Whether so many tokens can hold the validation text, at one byte a token and at very many.

    Any other count is another set, whose bytes are not to be measured against those of the text.
    """
    low, high = _PER_TOKEN
    return low <= limits.integer("validation.canonical_bytes") / max(tokens, 1) <= high


def _known_cause(ratio: float, limits: Limits) -> tuple[str, str] | None:
    for row in limits.rows("validation.wrong_denominator"):
        if row["low"] <= ratio <= row["high"]:
            return row["rule"], row["cause"]
    return None


def _document_starts(implied: ImpliedBytes, ratio: float, limits: Limits) -> tuple[str, str] | None:
    """The cause when one token a document is missing from the loss while every byte is counted (#807)."""
    documents = limits.integer("validation.documents")
    if implied.tokens is None or implied.tokens.value < 100 * documents:
        return None
    off = abs(ratio * (1 - documents / implied.tokens.value) - 1)
    if off > limits.number("validation.pass_relative") + implied.rounding:
        return None
    return "bytes-boundary-zero", f"the loss of the {documents:,} document-start tokens is left out"


def _direction(ratio: float) -> str:
    if ratio > 1:
        return "bytes are counted that the text does not have, or another validation set was scored"
    return "fewer bytes than the text has: part of it was scored, or bytes were missed"


def percent(ratio: float) -> str:
    """How far a ratio is from one, with sign: "+8.94 %"."""
    off = (ratio - 1) * 100
    return f"{off:+,.4f} %" if abs(off) < 0.1 else f"{off:+,.2f} %"


def equation(implied: ImpliedBytes, limits: Limits) -> str:
    """The identity in numbers, with what it is measured against."""
    if implied.tokens is None or implied.value is None:
        return f"loss and score imply {implied.bytes_per_token:.5f} bytes per token"
    canonical = limits.integer("validation.canonical_bytes")
    shown = 8 if implied.rounding < 1e-6 else 4
    blur = f" (the print leaves +-{implied.rounding * 100:.3f} %)" if implied.rounding > 1e-6 else ""
    return (
        f"{implied.tokens.value:,} tokens x {implied.loss.value:.{shown}f} / (ln 2 x "
        f"{implied.score.value:.{shown}f}) imply {implied.value:,.0f} bytes{blur}, "
        f"{percent(implied.value / canonical)} against the {canonical:,} bytes of the validation text"
    )


def printed_byte_count(scored: EvalPass) -> int | None:
    """A count of text bytes printed on the score's own line ("N_bytes=151078222"), None when there is none.

    A plain "bytes=" counts only on a mixture's line: elsewhere it is the size of the artifact.
    """
    line = scored.val_bpb.excerpt or ""
    match = _TEXT_BYTES.search(line)
    if match is None and _BYTE_MIXTURE.search(scored.label):
        match = _ANY_BYTES.search(line)
    return int(match.group(1).replace(",", "")) if match else None


def is_precise(implied: ImpliedBytes) -> bool:
    """True when the print has enough decimals to compare ratios across seeds."""
    return implied.rounding < _PRECISE
