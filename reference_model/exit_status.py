"""How a run ends: exit statuses, and the errors that only a run has. Imports no torch.

The numbers are golf-check's (a test holds them together); its own module is not imported, because packed
scripts would then carry verdicts and what belongs to them.
"""

from __future__ import annotations

from enum import IntEnum

from harness.errors import GolfError, SubmissionError, UsageError


class Exit(IntEnum):
    """Documented in --help; scripts rely on them."""

    OK = 0
    FAILED = 1
    USAGE = 2
    SETUP = 4
    BUG = 70
    INTERRUPTED = 130


class TrainingError(SubmissionError):
    """Training failed by the configuration's own fault (the loss is no number any more); names the step."""


class RunInterruptedError(GolfError):
    """Somebody stopped the run; says where its checkpoint is and how to go on."""


def exit_status_of(error: GolfError) -> Exit:
    """The status that a run ends with after `error`."""
    if isinstance(error, UsageError):
        return Exit.USAGE
    if isinstance(error, SubmissionError):
        return Exit.FAILED
    return Exit.INTERRUPTED if isinstance(error, RunInterruptedError) else Exit.SETUP
