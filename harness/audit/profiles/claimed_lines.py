"""The lines of a log that carry the claimed score."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

_FEWEST_DIGITS = 4  # decimals of a claimed score that a line must repeat
_SURE_DIGITS = 6
_MOST_DIGITS = 10
_NEAR_LINES = 4


def lines_with_claim(
    log_lines: Sequence[tuple[int, str]], claimed_values: Sequence[float]
) -> tuple[tuple[int, str], ...]:
    """Lines that print a claimed score with many decimals, and shorter ones beside them.

    Four decimals alone are met by chance on a line of training. Those with most decimals come first, of
    equals the last.
    """
    forms = [
        (count, f"{value:.{count}f}")
        for value in claimed_values
        for count in range(_MOST_DIGITS, _FEWEST_DIGITS - 1, -1)
    ]
    # Rounded forms differ in their first decimals; a line with none of these starts carries no form.
    starts = {form[: form.index(".") + _FEWEST_DIGITS] for _, form in forms}
    digits = [
        max((count for count, form in forms if form in text), default=0)
        if any(start in text for start in starts)
        else 0
        for _, text in log_lines
    ]
    best = max(digits, default=0)
    wanted = min(best, _SURE_DIGITS)
    sure = [at for at, count in enumerate(digits) if count and count >= wanted]
    kept = [
        at
        for at, count in enumerate(digits)
        if count and any(abs(at - other) <= _NEAR_LINES for other in sure)
    ]
    return tuple(log_lines[at] for at in sorted(kept, key=lambda at: (-digits[at], -at)))
