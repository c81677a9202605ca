"""Is a new score better than the standing record? Means, sample deviations, Welch's test, units.

Scores are bits per byte (BPB), lower is better, one per seed. Everything is computed from per-seed values,
never from a stated deviation: submissions state population and sample deviations alike (#1610, #1945).
"Not testable" is a value here, not an error: one seed on either side gives no variance to test with.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

LN2 = math.log(2.0)

# A token of any published tokenizer stands for 1 (bytes) to about 4 bytes; outside this the pair of loss
# and score that gave the number is a misreading, not a tokenizer.
_PLAUSIBLE_BYTES_PER_TOKEN = (0.5, 32.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Welch:
    """One-sided test of "the new mean lies at least `margin_bpb` below the old one".

    `p` is the chance of a difference this large if the true gain were only the margin; `degrees` are the
    Welch-Satterthwaite degrees of freedom.
    """

    margin_bpb: float
    t: float
    degrees: float
    p: float


@dataclass(frozen=True, slots=True, kw_only=True)
class NotTestable:
    """Why no p-value can be had."""

    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Gain:
    """How much lower the new mean is: positive is better. Nats are None without bytes per token.

    `nats_per_token` is what March rulings fit (#549, #589); `nats_per_byte` is the other reading of the
    README's "0.005 nats", which never says per what.
    """

    bpb: float
    nats_per_byte: float
    nats_per_token: float | None
    bytes_per_token: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """A new submission against the standing record, every number a reader may want to check.

    `no_margin` tests for any gain, `with_margin` for a gain of `margin_nats` per token (per byte where
    bytes per token are unknown: the stricter reading). `one_sample` replaces Welch's test against a record
    that has a single run: the record's score is then taken as exact.
    """

    new: tuple[float, ...]
    old: tuple[float, ...]
    gain: Gain
    margin_nats: float
    margin_bpb: float
    no_margin: Welch | NotTestable
    with_margin: Welch | NotTestable
    one_sample: Welch | NotTestable


def mean(scores: Sequence[float]) -> float:
    """Arithmetic mean, summed exactly (`math.fsum`). Raises `ValueError` for no scores."""
    if not scores:
        raise ValueError("mean of no scores")
    return math.fsum(scores) / len(scores)


def sample_std(scores: Sequence[float]) -> float | None:
    """Sample standard deviation (divisor n - 1); None below two scores."""
    if len(scores) < 2:
        return None
    centre = mean(scores)
    return math.sqrt(math.fsum((score - centre) ** 2 for score in scores) / (len(scores) - 1))


def population_std(scores: Sequence[float]) -> float | None:
    """Population standard deviation (divisor n), which some submissions state; None below two scores."""
    std = sample_std(scores)
    return None if std is None else std * math.sqrt((len(scores) - 1) / len(scores))


def bytes_per_token(val_loss_nats: float, val_bpb: float) -> float | None:
    """Bytes that one scored token stands for: loss / (ln 2 x BPB); None when the pair makes no sense.

    Follows from BPB = (nats / ln 2) / bytes (train_gpt.py, `eval_val`). sp1024 gives 2.43593, sp8192 3.72663.
    """
    if not (math.isfinite(val_loss_nats) and math.isfinite(val_bpb)) or val_bpb <= 0:
        return None
    ratio = val_loss_nats / (LN2 * val_bpb)
    low, high = _PLAUSIBLE_BYTES_PER_TOKEN
    return ratio if low <= ratio <= high else None


def bpb_to_nats_per_byte(bpb: float) -> float:
    """1 bit is ln 2 nats."""
    return bpb * LN2


def bpb_to_nats_per_token(bpb: float, bytes_per_token: float) -> float:
    """Nats per token = BPB x ln 2 x bytes per token."""
    return bpb * LN2 * bytes_per_token


def nats_per_token_to_bpb(nats: float, bytes_per_token: float) -> float:
    """The README's margin in BPB: 0.005 nats per token is 0.00296 BPB for sp1024, 0.00194 for sp8192."""
    return nats / (LN2 * bytes_per_token)


def nats_per_byte_to_bpb(nats: float) -> float:
    """0.005 nats per byte is 0.00721 BPB for every tokenizer."""
    return nats / LN2


def _upper_tail(t: float, degrees: float) -> float:
    """P(T > t) for Student's t; `scipy.special` loads four times faster than `scipy.stats`."""
    from scipy.special import stdtr

    return float(stdtr(degrees, -t))


def one_sided_welch(
    new: Sequence[float],
    old: Sequence[float],
    margin_bpb: float = 0.0,
    deviation: Callable[[Sequence[float]], float | None] = sample_std,
) -> Welch | NotTestable:
    """Welch's unequal-variance t-test, H0: mean(old) - mean(new) <= margin.

    t = (d - margin) / sqrt(va/n + vb/m), degrees of freedom after Welch-Satterthwaite, p = P(T > t).
    It reproduces the leaderboard's numbers: #1514 vs #1493 .0203 (README .020), #1769 vs #1736 .0626
    (.063), #1529 vs #1514 .0009 (.001). `deviation` is there to retrace p-values that were computed from
    stated population deviations (#1945, #2014); every judgement of ours uses sample deviations.
    """
    for side, scores in (("new", new), ("standing", old)):
        if len(scores) < 2:
            runs = "1 run" if scores else "no runs"
            return NotTestable(reason=f"the {side} side has {runs}: no variance to test with")
    std_new, std_old = deviation(new) or 0.0, deviation(old) or 0.0
    part_new, part_old = std_new**2 / len(new), std_old**2 / len(old)
    spread = part_new + part_old
    if spread == 0.0 or not math.isfinite(spread):
        return NotTestable(reason="all runs of both sides have the same score: no variance to test with")
    t = (mean(old) - mean(new) - margin_bpb) / math.sqrt(spread)
    degrees = spread**2 / (part_new**2 / (len(new) - 1) + part_old**2 / (len(old) - 1))
    return Welch(margin_bpb=margin_bpb, t=t, degrees=degrees, p=_upper_tail(t, degrees))


def one_sample(new: Sequence[float], old_score: float, margin_bpb: float = 0.0) -> Welch | NotTestable:
    """One-sided t-test of the new runs against one number taken as exact.

    The weaker test that is left when the standing record has a single run (#39, #50, #65, #265).
    """
    std = sample_std(new)
    if std is None:
        return NotTestable(reason=f"the new side has {len(new)} run: no variance to test with")
    if std == 0.0 or not math.isfinite(std):
        return NotTestable(reason="all new runs have the same score: no variance to test with")
    t = (old_score - mean(new) - margin_bpb) / (std / math.sqrt(len(new)))
    degrees = float(len(new) - 1)
    return Welch(margin_bpb=margin_bpb, t=t, degrees=degrees, p=_upper_tail(t, degrees))


def compare(
    new: Sequence[float], old: Sequence[float], *, margin_nats: float, bytes_per_token: float | None
) -> Comparison:
    """Everything that can be said about `new` against `old`. Raises `ValueError` when a side is empty.

    `bytes_per_token` is the new submission's: across tokenizers only BPB compares, and the margin is
    converted with the tokenizer whose nats are claimed.
    """
    d = mean(old) - mean(new)
    per_token = None if bytes_per_token is None else bpb_to_nats_per_token(d, bytes_per_token)
    margin_bpb = (
        nats_per_byte_to_bpb(margin_nats)
        if bytes_per_token is None
        else nats_per_token_to_bpb(margin_nats, bytes_per_token)
    )
    return Comparison(
        new=tuple(new),
        old=tuple(old),
        gain=Gain(
            bpb=d,
            nats_per_byte=bpb_to_nats_per_byte(d),
            nats_per_token=per_token,
            bytes_per_token=bytes_per_token,
        ),
        margin_nats=margin_nats,
        margin_bpb=margin_bpb,
        no_margin=one_sided_welch(new, old),
        with_margin=one_sided_welch(new, old, margin_bpb),
        one_sample=one_sample(new, mean(old), margin_bpb)
        if len(old) == 1
        else NotTestable(reason="the standing record has several runs: Welch's test applies"),
    )


def p_in_words(test: Welch | NotTestable) -> str:
    """The p-value to four decimals ("p = 0.0203"), or why there is none."""
    if isinstance(test, NotTestable):
        return f"not testable ({test.reason})"
    return f"p = {test.p:.4f}" if test.p >= 0.00005 else f"p = {test.p:.1e}"
