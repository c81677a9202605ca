"""Where two places say otherwise about a setting of the run that was counted.

Only pairs that no other rule compares: what a claimed log prints against the commands that may have made it,
and without a log the README's command against the shell script's. Logs of different seeds are compared by
`same-config`. A default that the log does not show is no contradiction: logs name what they print as they
like, and a setting that a command may change was not promised.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from harness.audit.profiles.same_settings import IDENTITY, NUMBER_OR_TRUTH, same_value
from harness.audit.run_profile import ProfileKind

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from harness.audit.run_profile import RunProfile, Setting

MOST_CONTRADICTIONS = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Contradiction:
    """One setting, by its name in lower case, and the values that two places give it."""

    name: str
    ran: Setting  # as the log prints it; without a log as the shell script sets it
    stated: Setting
    is_logged: bool

    def message(self) -> str:
        """Name and both values."""
        return f"{self.name}={self.ran.value} where {self.stated.source} says {self.stated.value}"


def contradictions(profiles: Sequence[RunProfile]) -> tuple[Contradiction, ...]:
    """Every setting of the claimed run that a command or a shell script contradicts.

    With several commands a value that one of them states is explained, and a log may come from one that says
    nothing about the setting.
    """
    logs = [one for one in profiles if one.kind is ProfileKind.LOG and one.is_claim]
    stated = [one for one in profiles if one.kind in {ProfileKind.COMMAND, ProfileKind.SHELL}]
    found: dict[tuple[str, str, str], Contradiction] = {}
    if logs:
        pairs = [(name, ran, _against(name, stated)) for log in logs for name, ran in _printed(log).items()]
    else:
        pairs = _documented_apart(stated)
    for name, ran, others in pairs:
        if any(same_value(ran.value, one.value) or not _is_comparable(ran, one) for one in others):
            continue
        for one in others:
            contradiction = Contradiction(name=name, ran=ran, stated=one, is_logged=bool(logs))
            found.setdefault((name, ran.value, one.value), contradiction)
    return tuple(sorted(found.values(), key=lambda one: one.name)[:MOST_CONTRADICTIONS])


def _printed(log: RunProfile) -> dict[str, Setting]:
    """What the log itself says, by lower-case name; settings that come from a command are not its words."""
    both = {**log.environment, **log.attributes}
    return {name: one for name, one in _by_name(both).items() if one.file == log.log_file}


def _by_name(settings: Mapping[str, Setting]) -> dict[str, Setting]:
    return {name.lower(): one for name, one in settings.items() if not IDENTITY.fullmatch(name)}


def _against(name: str, stated: Sequence[RunProfile]) -> list[Setting]:
    """What the commands say about a setting, when all of them say something."""
    said = [_by_name(one.environment).get(name) for one in stated]
    return [one for one in said if one is not None] if None not in said else []


def _documented_apart(stated: Sequence[RunProfile]) -> list[tuple[str, Setting, list[Setting]]]:
    """Settings that the only shell script and the only command of the README give different values."""
    shells = [one for one in stated if one.kind is ProfileKind.SHELL]
    commands = [one for one in stated if one.kind is ProfileKind.COMMAND]
    if len(shells) != 1 or len(commands) != 1:
        return []
    said = _by_name(commands[0].environment)
    own = _by_name(shells[0].environment)
    return [(name, one, [said[name]]) for name, one in own.items() if name in said]


def _is_comparable(one: Setting, other: Setting) -> bool:
    """Whether both are numbers or truth values; a list printed in part, or a word, is something else."""
    return all(NUMBER_OR_TRUTH.fullmatch(setting.value.strip()) for setting in (one, other))
