"""What a user asked of the runs, as it stands in a report, and the words of the command that ask it again.

Light on purpose: reports are written where nothing is run.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

WHOLE_SECONDS = 300.0
"""What all runs of one submission may take; probes that no time is left for are not run, and say so."""


def asked_settings(*, ranks: int, device: str, thorough: bool, whole_seconds: float) -> dict[str, Any]:
    """The part of a report's `dynamic.settings` that the user chose."""
    return {"ranks": ranks, "device": device, "thorough": thorough, "whole_seconds": whole_seconds}


def command_words(settings: Mapping[str, Any]) -> list[str]:
    """The options of golf-check, in parts that stay together, for runs as `settings` says they were made.

    `settings` are those of a report; one of an earlier version, or of an audit that came to none, may miss
    some, and they are taken to be the defaults.
    """
    words = ["--dynamic"]
    if int(settings.get("ranks", 1)) > 1:
        words.append(f"--dynamic-ranks {int(settings['ranks'])}")
    if settings.get("device") == "cuda":
        words.append("--dynamic-device cuda")
    if settings.get("thorough"):
        words.append("--dynamic-thorough")
    seconds = settings.get("whole_seconds") or WHOLE_SECONDS
    if seconds != WHOLE_SECONDS:
        words.append(f"--dynamic-seconds {math.ceil(seconds)}")
    return words
