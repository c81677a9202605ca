"""Error families, split by who must act. Anything else that escapes is our own bug (exit status 70)."""

from __future__ import annotations


class GolfError(Exception):
    """A failure with a message for people: what, where, measured against what, what to do."""


class SubmissionError(GolfError):
    """The submission cannot be read as one; its author must act (no folder, an empty pull request)."""


class SetupError(GolfError):
    """The operator's machine, clone or arguments are at fault; says the command that mends it.

    It never counts against a submission: the verdict is could-not-check.
    """


class UsageError(GolfError):
    """The command line asks for something that does not exist or go together (exit status 2)."""
