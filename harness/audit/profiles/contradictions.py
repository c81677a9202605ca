"""Where what is documented and what a claimed log prints disagree about a setting, with both places.

Only pairs that no other rule compares: a claimed log against the commands that may have made it, and against
the defaults when no command explains its value. Logs of different seeds are compared by `same-config`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from harness.audit.profiles.same_settings import IDENTITY, same_value
from harness.audit.run_profile import ProfileKind

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from harness.audit.run_profile import RunProfile, Setting

MOST_CONTRADICTIONS = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Contradiction:
    """One setting, by its name in lower case, that the claimed log and another source give different values.

    `stated_kind` says whether a README command, a shell script or the script's default states the other one.
    """

    name: str
    logged: Setting
    stated: Setting
    logged_in: str  # names of the profiles
    stated_in: str
    stated_kind: ProfileKind

    def message(self) -> str:
        """Both values with their places, as findings quote them."""
        return (
            f"{self.logged.source} ran with {self.name}={self.logged.value} where {self.stated.source} says "
            f"{self.name}={self.stated.value}"
        )


def contradictions(
    profiles: Sequence[RunProfile], defaults: Mapping[str, Setting] | None = None
) -> tuple[Contradiction, ...]:
    """Every setting a claimed log prints that a command, a shell script or a default contradicts.

    With several commands a value that one of them states is explained. `defaults` are the script's own, by
    name, where the caller knows them; a default that any command changes is no contradiction.
    """
    stated = [one for one in profiles if one.kind in {ProfileKind.COMMAND, ProfileKind.SHELL}]
    found: list[Contradiction] = []
    seen: set[tuple[str, str, str]] = set()
    for log in profiles:
        if log.kind is not ProfileKind.LOG or not log.is_claim:
            continue
        for name, logged in sorted(_printed(log).items()):
            against = _against(name, logged, stated, defaults or {})
            for other, setting in against:
                key = (name, logged.value, setting.value)
                if key in seen or len(found) >= MOST_CONTRADICTIONS:
                    continue
                seen.add(key)
                found.append(
                    Contradiction(
                        name=name,
                        logged=logged,
                        stated=setting,
                        logged_in=log.name,
                        stated_in=other.name if other is not None else "defaults",
                        stated_kind=other.kind if other is not None else ProfileKind.DEFAULTS,
                    )
                )
    return tuple(found)


def _printed(log: RunProfile) -> dict[str, Setting]:
    """What the log itself says, by lower-case name; settings that come from a command are not its words."""
    both = {**log.environment, **log.attributes}
    return {
        name.lower(): setting
        for name, setting in both.items()
        if setting.file == log.log_file and not IDENTITY.fullmatch(name)
    }


def _against(
    name: str, logged: Setting, stated: Sequence[RunProfile], defaults: Mapping[str, Setting]
) -> list[tuple[RunProfile | None, Setting]]:
    """The statements about this setting, when none of them agrees with the log."""
    statements: list[tuple[RunProfile | None, Setting]] = []
    for profile in stated:
        own = {key.lower(): setting for key, setting in profile.environment.items()}
        if name not in own:
            if len(stated) > 1:
                return []  # the log may come from the command that says nothing about this setting
            continue
        statements.append((profile, own[name]))
    if not statements:
        default = defaults.get(name) or defaults.get(name.upper())
        statements = [(None, default)] if default is not None else []
    if any(same_value(logged.value, setting.value) for _, setting in statements):
        return []
    return statements
