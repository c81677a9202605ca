"""Numbers that a test on tokens chose: whoever knows the number knows something of the tokens."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.audit.token_flow.flow import SELECTION, SUM, Flow, replace

if TYPE_CHECKING:
    from collections.abc import Mapping

    from harness.audit.token_flow.flow import Token
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


def with_sums(value: Flow) -> Flow:
    """The value on its way into a sum: of which tokens there are losses in it."""
    return replace(value, summed=value.summed | value.about) if value.scores and value.about else value


def is_of_the_same(walker: Walker, weight: Flow, tokens: frozenset[Token]) -> bool:
    """Whether losses of these very tokens, summed in this very pass of the loops, decide the weight.

    Tokens of a list of windows are the same in each pass as far as can be seen: a weight that only earlier
    passes decided is of earlier windows.
    """
    if not weight.scores or not weight.summed:
        return False
    if {token.place for token in weight.summed}.isdisjoint({token.place for token in tokens}):
        return False
    passes = {loop for loop, _ in weight.loops}
    return all((loop, number) in weight.loops for loop, number in walker.loops if loop in passes)


def decide(walker: Walker, test: Flow, before: Mapping[str, Flow]) -> None:
    """After the arms of `if test:` the numbers that they set tell what the test asked."""
    if not tells_tokens(test):
        return
    names = walker.scope.names
    for name, value in list(names.items()):
        old = before.get(name)
        if value is not old and is_number(value) and (old is None or is_number(old)):
            names[name] = number_of(walker, test, value)
