"""Hyperparameters as the log printed them, in place of what the environment alone would make of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.audit.interpreter.values import ENVIRONMENT, UNKNOWN, Value

if TYPE_CHECKING:
    from harness.audit.interpreter.machine import Machine
    from harness.audit.run_profile import RunProfile


def as_logged(machine: Machine, name: str, value: Value) -> Value:
    """The value a log printed for a hyperparameter, where the script takes it from the environment."""
    const = value.const
    if value.ref is not None or ENVIRONMENT not in value.source.labels:
        return value
    if const is not UNKNOWN and not isinstance(const, int | float):
        return value
    logged = machine.ask(("logged", name, repr(const)), lambda profile: _number_logged(profile, name, const))
    return value if logged is None else Value(logged, None, value.source)


def _number_logged(profile: RunProfile, name: str, const: object) -> float | None:
    """The number the log printed, of the type of `const`; None where there is none, or only `const` again."""
    setting = profile.attributes.get(name)
    if setting is None:
        return None
    text = setting.value.strip()
    number: float | None = None
    try:
        if const is UNKNOWN:  # only the shell knew what the variable was set to; the log does too
            number = _printed(text)
        elif isinstance(const, bool):
            if text.lower() in {"true", "false", "0", "1"}:
                number = text.lower() in {"true", "1"}
        else:
            number = float(text)
            if isinstance(const, int):
                number = int(number) if number == int(number) else None
    except (ValueError, OverflowError):
        return None
    return None if repr(number) == repr(const) else number


def _printed(text: str) -> float:
    if text.lower() in {"true", "false"}:
        return text.lower() == "true"
    number = float(text)
    return int(number) if number == int(number) else number
