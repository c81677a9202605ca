from __future__ import annotations

from types import SimpleNamespace

from harness.dynamic.dynamic_audit import why_not_driven
from harness.dynamic.run_causes import CauseKind, RunCause


def attempts(*causes):
    return [SimpleNamespace(run=SimpleNamespace(cause=cause)) for cause in causes]


def settings(message, line=None):
    return RunCause(kind=CauseKind.SETTINGS, message=message, line=line)


def test_a_run_that_reached_its_score_was_driven():
    assert why_not_driven(attempts(settings("too small"), None), 9.0) is None


def test_the_cause_of_the_first_way_is_told_before_that_of_the_last():
    told = why_not_driven(attempts(settings("too small", 7), settings("no width"), settings("no data")), 9.0)
    assert told == (
        "could not be driven to its score in 3 ways and 9 s: settings: too small (line 7); "
        "the last of them: settings: no data"
    )


def test_a_cause_that_all_ways_share_is_told_once():
    told = why_not_driven(attempts(settings("too small"), settings("too small")), 9.0)
    assert told == "could not be driven to its score in 2 ways and 9 s: settings: too small"
