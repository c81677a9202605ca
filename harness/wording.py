"""Words that messages share: a number with its noun, a list cut short, the name of a seed."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence


def count_of(number: int, noun: str) -> str:
    """A number and its noun: "1 seed", "3 seeds", "12,000 lines". The plural ends in s."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def listed(items: Sequence[str], at_most: int, separator: str = ", ") -> str:
    """The first items of a list and how many were left out: "a, b and 1,200 more"."""
    left = len(items) - at_most
    return separator.join(items[:at_most]) + (f" and {left:,} more" if left > 0 else "")


def seed_label(seed: int | None) -> str:
    """How messages name a seed: "seed 42", or "the run" when no seed is known."""
    return "the run" if seed is None else f"seed {seed}"
