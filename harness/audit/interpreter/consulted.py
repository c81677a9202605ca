"""Which questions a walk asked its run profile, and what the answers were.

A walk is determined by the sources and by these answers: a profile that would give the same ones makes the
same events, and need not be walked.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable

    from harness.audit.run_profile import RunProfile

_A = TypeVar("_A")


@dataclass(slots=True)
class Consulted:
    """What one walk asked, and heard."""

    tests: set[tuple[int, object]] = field(default_factory=set)  # ids of `if` nodes with how they came out
    _asked: dict[Hashable, tuple[Callable[[RunProfile], object], object]] = field(default_factory=dict)

    def ask(self, profile: RunProfile, question: Hashable, answer: Callable[[RunProfile], _A]) -> _A:
        """The answer of the profile; `question` is equal where `answer` looks up the same thing."""
        heard = answer(profile)
        self._asked.setdefault(question, (answer, heard))
        return heard

    def would_hear_the_same(self, profile: RunProfile) -> bool:
        """Whether this profile answers everything that was asked as it was answered."""
        return all(_is_same(answer(profile), heard) for answer, heard in self._asked.values())


def _is_same(one: object, other: object) -> bool:
    """Equal in type and to the last digit: 1, 1.0 and True are three constants, 0.0 and -0.0 two."""
    return type(one) is type(other) and repr(one) == repr(other)
