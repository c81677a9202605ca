from __future__ import annotations

import threading
import time
from types import SimpleNamespace

import pytest

from harness.dynamic import run_pool
from harness.dynamic.run_causes import CauseKind, RunCause
from harness.dynamic.run_pool import RunPool

SOON = 30.0  # a bound that only a hung pool meets


class Runs:
    """Stands for `run_child`: each run goes on until it is let go or no longer wanted."""

    def __init__(self):
        self.begun, self.free, self.slots = [], {}, []
        self.cause = None
        self.has_begun = threading.Condition()

    def __call__(self, folder, plan, data, sandbox, limits, *, slot, should_stop, **_):
        with self.has_begun:
            self.begun.append(plan)
            self.slots.append(slot)
            self.has_begun.notify_all()
        until = time.monotonic() + SOON
        while not self.free.get(plan) and not should_stop() and time.monotonic() < until:
            time.sleep(0.001)
        return SimpleNamespace(branches=(), cause=self.cause, outcome=SimpleNamespace(seconds=1.0), plan=plan)

    def wait_for(self, count):
        with self.has_begun:
            assert self.has_begun.wait_for(lambda: len(self.begun) >= count, SOON)


@pytest.fixture
def runs(monkeypatch):
    made = Runs()
    monkeypatch.setattr(run_pool, "run_child", made)
    return made


def pool_of(*, workers=2, side_by_side=True, seconds=SOON):
    subject = SimpleNamespace(folder=None, vocabulary=SimpleNamespace(names=None))
    return RunPool(
        subject,
        SimpleNamespace(seen_at=lambda mount: mount.inside if side_by_side else str(mount.host)),
        time.monotonic() + seconds,
        on_run=lambda name: None,
        should_stop=lambda: False,
        workers=workers,
    )


def climbed(cause):
    run = SimpleNamespace(cause=cause, outcome=SimpleNamespace(seconds=2.0))
    return SimpleNamespace(run=run, step=SimpleNamespace(value="small"))


def begin(pool, name, least_seconds=0.0):
    return pool.begin(name, f"{name} of a test", name, None, least_seconds=least_seconds)


def test_two_runs_go_side_by_side_in_places_of_their_own(runs):
    with pool_of() as pool:
        begin(pool, "one"), begin(pool, "two")
        runs.wait_for(2)
    assert sorted(runs.slots) == [0, 1]


def test_a_place_that_is_held_leaves_one_run_at_a_time(runs):
    with pool_of() as pool:
        with pool.slot() as held:
            first, second = begin(pool, "first"), begin(pool, "second")
            runs.wait_for(1)
            assert runs.begun == ["first"]
            runs.free["first"] = True
            assert first.result().plan == "first"
            runs.wait_for(2)
            assert held not in runs.slots
        runs.free["second"] = True
        assert second.result().plan == "second"


def test_a_single_place_that_is_held_lets_nothing_begin(runs):
    with pool_of(workers=1) as pool:
        with pool.slot():
            waiting = begin(pool, "waiting")
            with pytest.raises(TimeoutError):
                waiting.future.result(timeout=0.2)
            assert runs.begun == []
        runs.free["waiting"] = True
        assert waiting.result().plan == "waiting"


def test_a_run_that_is_forgotten_ends_and_is_not_among_those_made(runs):
    with pool_of() as pool:
        kept, forgotten = begin(pool, "kept"), begin(pool, "forgotten")
        runs.wait_for(2)
        forgotten.forget()
        assert forgotten.result() is None
        runs.free["kept"] = True
        kept.result()
    assert [run.name for run in pool.made] == ["kept"]


def test_a_run_that_is_forgotten_after_its_end_is_not_among_those_made(runs):
    runs.free["ended"] = True
    with pool_of() as pool:
        ended = begin(pool, "ended")
        assert ended.result() is not None
        ended.forget()
    assert pool.made == []


def test_a_run_is_not_begun_when_less_is_left_than_it_takes(runs):
    with pool_of(seconds=5.0) as pool:
        assert begin(pool, "long", least_seconds=6.0).result() is None
    assert runs.begun == []
    assert pool.made == []
    assert pool.lacking == (CauseKind.TIME,)


@pytest.mark.parametrize(
    ("kind", "lacking"),
    [(CauseKind.MISSING_MODULE, (CauseKind.MISSING_MODULE,)), (CauseKind.SETTINGS, ()), (None, ())],
)
def test_a_run_that_this_machine_ended_is_told_of(runs, kind, lacking):
    runs.cause = RunCause(kind=kind, message="so") if kind is not None else None
    runs.free["one"] = True
    with pool_of() as pool:
        begin(pool, "one").result()
    assert pool.lacking == lacking


def test_what_a_run_lacked_that_nobody_wants_any_more_is_not_told(runs):
    runs.cause = RunCause(kind=CauseKind.MACHINE, message="stopped")
    with pool_of() as pool:
        forgotten = begin(pool, "forgotten")
        runs.wait_for(1)
        forgotten.forget()
        forgotten.result()
    assert pool.lacking == ()


def test_what_a_step_of_the_climb_lacked_is_told_though_a_later_one_was_driven():
    lacked = RunCause(kind=CauseKind.MISSING_MODULE, message="No module named 'x'")
    with pool_of() as pool:
        pool.keep_attempts([climbed(lacked), climbed(None)])
    assert pool.lacking == (CauseKind.MISSING_MODULE,)


def test_the_climb_stands_before_what_was_begun_beside_it(runs):
    runs.free["beside"] = True
    with pool_of() as pool:
        begin(pool, "beside").result()
        pool.keep_attempts([climbed(None)])
    assert [run.name for run in pool.made] == ["base", "beside"]


def test_runs_that_see_paths_of_the_host_go_one_at_a_time():
    with pool_of(workers=2, side_by_side=False) as pool:
        assert pool.workers == 1
