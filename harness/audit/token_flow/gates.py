"""Numbers that a test on tokens chose: whoever knows the number knows something of the tokens."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.audit.token_flow.flow import SELECTION, SUM, Flow, replace

if TYPE_CHECKING:
    from collections.abc import Mapping

    from harness.audit.token_flow.walker import Walker


def tells_tokens(test: Flow) -> bool:
    """Whether a test tells something of single tokens."""
    return bool(test.tokens) and SUM not in test.kinds


def is_number(value: Flow) -> bool:
    """Whether it is a plain number, or may be one; positions, scores, tokens and objects are not."""
    if value.tokens or value.about or value.scores or value.lookups or value.objects or value.items:
        return False
    return value.text in (None, "True", "False") and (value.number is None or value.number.is_constant)


def number_of(walker: Walker, test: Flow, value: Flow) -> Flow:
    """A number that the test chose: a test on the tokens itself, of more than two outcomes."""
    return replace(
        value,
        number=None,
        text=None,
        tokens=test.tokens,
        lookups=test.lookups,
        keys=test.keys,
        kinds=frozenset({SELECTION}),
        loops=value.loops | test.loops,
        joined_at=test.joined_at or walker.here,
    )


def decide(walker: Walker, test: Flow, before: Mapping[str, Flow]) -> None:
    """After the arms of `if test:` the numbers that they set tell what the test asked."""
    if not tells_tokens(test):
        return
    names = walker.scope.names
    for name, value in list(names.items()):
        old = before.get(name)
        if value is not old and is_number(value) and (old is None or is_number(old)):
            names[name] = number_of(walker, test, value)
