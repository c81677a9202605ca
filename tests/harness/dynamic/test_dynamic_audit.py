from __future__ import annotations

import datetime
import threading
import time
from types import SimpleNamespace

from harness.dynamic import run_ladder, run_pool
from harness.dynamic.dynamic_audit import audit_by_running, why_not_driven
from harness.dynamic.run_causes import CauseKind, RunCause
from harness.folder_tree import FolderTree
from harness.ruleset import load_ruleset
from harness.submission_reader import read_submission

SIDE_BY_SIDE = SimpleNamespace(seen_at=lambda mount: mount.inside)


def attempts(*causes):
    return [SimpleNamespace(run=SimpleNamespace(cause=cause)) for cause in causes]


def settings(message, line=None):
    return RunCause(kind=CauseKind.SETTINGS, message=message, line=line)


def audit_of(folder, **asked):
    """The audit of a script that does nothing; no run is made without a stand-in for `run_child`."""
    (folder / "train_gpt.py").write_text("import torch\n")
    files = FolderTree(folder)
    limits = load_ruleset().limits(datetime.date(2026, 4, 1))
    return audit_by_running(folder, read_submission(files), files, None, limits, SIDE_BY_SIDE, **asked)


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


def test_the_run_begun_beside_a_first_that_failed_is_given_up(tmp_path, monkeypatch):
    given_up = []

    def fails(*_, **__):
        beside.wait(30.0)
        return SimpleNamespace(cause=settings("too small"), outcome=SimpleNamespace(seconds=1.0), branches=())

    def goes_on(*_, should_stop, **__):
        beside.set()
        until = time.monotonic() + 30.0
        while not should_stop() and time.monotonic() < until:
            time.sleep(0.001)
        given_up.append(should_stop())
        return fails()

    beside = threading.Event()
    monkeypatch.setattr(run_ladder, "run_child", fails)
    monkeypatch.setattr(run_pool, "run_child", goes_on)
    audit = audit_of(tmp_path, workers=2)
    assert audit.failure is not None
    assert given_up == [True]
    assert {run.name for run in audit.runs} == {"base"}


def test_an_audit_that_came_to_nothing_says_what_was_asked_of_it(tmp_path, monkeypatch):
    def fails(*_, **__):
        return SimpleNamespace(cause=settings("too small"), outcome=SimpleNamespace(seconds=1.0), branches=())

    monkeypatch.setattr(run_ladder, "run_child", fails)
    monkeypatch.setattr(run_pool, "run_child", fails)
    audit = audit_of(tmp_path, ranks=2, thorough=True, whole_seconds=60.0)
    asked = {"ranks": 2, "device": "cpu", "thorough": True, "whole_seconds": 60.0}
    assert asked.items() <= audit.settings.items()
