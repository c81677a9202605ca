"""The settings of the claimed run, as far as they can be handed to the script again."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from harness.audit.profiles.same_settings import IDENTITY
from harness.dynamic.script_knobs import KnobKind

if TYPE_CHECKING:
    from collections.abc import Sequence

    from harness.audit.run_profile import RunProfile
    from harness.dynamic.script_knobs import Knob, ScriptKnobs

# Places of the author's machine, commands, and what a README leaves to its reader.
_NOT_OURS = re.compile(r"[/<>$`\\{}]|\.\.\.")
_NUMBER = re.compile(r"[-+]?(?:\d[\d_]*\.?[\d_]*|\.\d+)(?:[eE][-+]?\d+)?")
_TRUTH = {"true": "1", "false": "0"}
_LONGEST, _LONGEST_NUMBER, _LARGEST = 400, 60, 1e15


def claimed_settings(knobs: ScriptKnobs, profile: RunProfile | None) -> tuple[dict[str, str], list[str]]:
    """Environment variables of the claimed run that this script can read, and in words what was left out.

    A value that is no number where the script's default is one is a printed list or a typo: left out.
    """
    found: dict[str, str] = {}
    notes: list[str] = []
    if profile is None:
        return found, notes
    by_name = {knob.name: knob for knob in knobs.of(KnobKind.ENVIRONMENT)}
    for name, setting in sorted(profile.environment.items()):
        if IDENTITY.fullmatch(name) and not re.fullmatch(r"(?i)(?:.*_)?seed", name):
            continue
        value = _fitting(by_name.get(name), setting.value)
        if value is None:
            notes.append(f"{name}={setting.value[:60]} ({setting.source}) was left out")
        else:
            found[name] = value
    for knob in knobs.of(KnobKind.ENVIRONMENT):
        # What a log prints is the attribute that keeps a variable; only a plain number is taken from there.
        setting_printed = profile.attributes.get(knob.target or "")
        if setting_printed is None or knob.name in found or knob.value is None:
            continue
        value = _fitting(knob, setting_printed.value)
        if value is not None and not _same_number(value, knob.value):
            found[knob.name] = value
    return found, notes


def claimed_words(words: Sequence[str]) -> tuple[str, ...]:
    """Command-line words of the claimed run without those that are places."""
    kept: list[str] = []
    for word in words:
        if _NOT_OURS.search(word):
            if kept and kept[-1].startswith("-") and not word.startswith("-"):
                kept.pop()
            continue
        kept.append(word)
    return tuple(kept)


def number_of(text: str | None) -> float | None:
    """The number a setting's text is; None for other text and for what is no size of anything."""
    if text is None or len(text) > _LONGEST_NUMBER or _NUMBER.fullmatch(text.strip()) is None:
        return None
    number = float(text.strip().replace("_", ""))
    return number if abs(number) <= _LARGEST else None


def _fitting(knob: Knob | None, value: str) -> str | None:
    """The value as the script can read it; None where it cannot."""
    value = value.strip()
    if len(value) > _LONGEST or _NOT_OURS.search(value):
        return None
    if knob is None:
        return value
    if number_of(knob.value) is not None:
        value = _TRUTH.get(value.lower(), value)
    if knob.type not in {"int", "float"}:
        return value  # text that the script compares with words, whatever its default looks like
    number = number_of(value)
    if number is None:
        return None
    is_whole = knob.type == "int" or re.fullmatch(r"[-+]?[\d_]+", knob.value or "") is not None
    if not is_whole or re.fullmatch(r"[-+]?[\d_]+", value):
        return value
    return str(int(number)) if number == int(number) else value


def _same_number(one: str, other: str) -> bool:
    return number_of(one) == number_of(other)
