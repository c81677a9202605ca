"""How a probe ends, of a submission that was run (`harness.dynamic`) or of a scorer (`harness.black_box`)."""

from __future__ import annotations

from enum import StrEnum


class Outcome(StrEnum):
    """Only `CLEAN` says something good, and only about what the probe looked at."""

    CLEAN = "clean"
    BREACH = "breach"
    NO_POWER = "no-power"
    """It ran, and would not have seen a breach either, or not all of one."""
    NOT_REPRODUCIBLE = "not-reproducible"
    """The same once more gave other numbers: differences mean nothing."""
    NOT_RUN = "not-run"
    """Something it needs was not there."""
