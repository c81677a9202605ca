"""Computes the conditions and amounts of scans (`setting_expressions`) under the settings of one run."""

from __future__ import annotations

import operator
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from harness.audit.run_profile import RunProfile

Value = int | float | str | bool | list[Any] | None


class _Unknown:
    """The value of what no setting determines."""


UNKNOWN = _Unknown()

_COMPARE: dict[str, Callable[[Any, Any], Any]] = {
    ">": operator.gt,
    ">=": operator.ge,
    "<": operator.lt,
    "<=": operator.le,
    "==": operator.eq,
    "!=": operator.ne,
    "is": operator.eq,
    "is not": operator.ne,
    "in": lambda one, many: one in many,
    "not in": lambda one, many: one not in many,
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": operator.truediv,
    "//": operator.floordiv,
}
_CASTS: dict[str, Callable[[Any], Any]] = {
    "int": int,
    "float": float,
    "bool": bool,
    "str": str,
    "not": operator.not_,
    "neg": operator.neg,
    "lower": lambda text: text.lower(),
    "upper": lambda text: text.upper(),
    "strip": lambda text: text.strip(),
}
_SIZE_AT_MOST = 10**18


def value_of(expression: Mapping[str, Any] | None, run: RunProfile | None) -> Value | _Unknown:
    """The value under this run, UNKNOWN when its settings do not determine it."""
    if expression is None:
        return UNKNOWN
    if "const" in expression:
        constant: Value = expression["const"]
        return constant
    if "attribute" in expression:
        printed = run.attributes.get(expression["attribute"]) if run is not None else None
        return value_of(expression["is"], run) if printed is None else _plain(printed.value)
    if "env" in expression:
        given = run.environment.get(expression["env"]) if run is not None else None
        if given is None and run is not None and expression["env"] in run.unknown:
            return UNKNOWN
        return value_of(expression["default"], run) if given is None else given.value
    return _operation(expression["op"], expression["of"], run)


def holds(conditions: list[Mapping[str, Any] | None], run: RunProfile | None) -> bool | None:
    """Whether all conditions hold under the run: None when nothing refutes them and one is unknown."""
    unknown = False
    for condition in conditions:
        value = value_of(condition, run)
        if isinstance(value, _Unknown):
            unknown = True
        elif not value:
            return False
    return None if unknown else True


def _operation(op: str, of: list[Any], run: RunProfile | None) -> Value | _Unknown:
    if op == "if":
        test = value_of(of[0], run)
        return UNKNOWN if isinstance(test, _Unknown) else value_of(of[1] if test else of[2], run)
    values = [value_of(one, run) for one in of]
    if op in {"and", "or"}:
        return _logical(values, decisive=op == "or")
    known = [one for one in values if not isinstance(one, _Unknown)]
    if len(known) < len(values):
        return UNKNOWN
    try:
        if op == "list":
            return known
        if op in {"max", "min"}:
            return max(known) if op == "max" else min(known)  # type: ignore[type-var]
        if op in _CASTS:
            return _bounded(_CASTS[op](known[0]))
        return _bounded(_COMPARE[op](known[0], known[1]))
    except (TypeError, ValueError, ZeroDivisionError, OverflowError, AttributeError):
        return UNKNOWN


def _logical(values: list[Value | _Unknown], *, decisive: bool) -> Value | _Unknown:
    """`and` and `or` of values: one deciding value settles it whatever the others are."""
    if any(not isinstance(one, _Unknown) and bool(one) is decisive for one in values):
        return decisive
    return UNKNOWN if any(isinstance(one, _Unknown) for one in values) else values[-1]


def _bounded(value: Any) -> Value | _Unknown:
    if isinstance(value, str) and len(value) > 10_000:
        return UNKNOWN
    if isinstance(value, int | float) and not isinstance(value, bool) and abs(value) > _SIZE_AT_MOST:
        return UNKNOWN
    result: Value = value
    return result


def _plain(text: str) -> Value:
    """A printed number or boolean as one; other text as it is."""
    if text in {"True", "False"}:
        return text == "True"
    for cast in (int, float):
        try:
            return cast(text)
        except ValueError:
            continue
    return text
