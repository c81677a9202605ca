from __future__ import annotations

from harness.dynamic.child.facade.clock import VirtualClock


def test_a_backward_pass_of_training_moves_the_clock_by_seconds() -> None:
    clock = VirtualClock(11.25, 0.01)
    clock.backward()
    assert clock.seconds == 11.25


def test_a_backward_pass_over_validation_tokens_hardly_moves_it() -> None:
    clock = VirtualClock(11.25, 0.01)
    clock.is_validation = lambda: True
    clock.backward()
    assert clock.seconds == 0.01


def test_time_never_stands_still_between_two_queries() -> None:
    clock = VirtualClock(11.25, 0.01)
    assert clock.query() < clock.query()


def test_a_loop_that_only_waits_for_a_time_ends() -> None:
    clock = VirtualClock(11.25, 0.01)
    queries = 0
    while clock.query() < 600.0:
        queries += 1
    assert queries < 5_000


def test_queries_between_work_do_not_use_up_a_budget() -> None:
    work = iter(range(100_000))
    clock = VirtualClock(11.25, 0.01, lambda: next(work))
    for _ in range(50_000):
        clock.query()
    assert clock.seconds < 10.0


def test_sleeping_takes_the_time_it_was_asked_for() -> None:
    clock = VirtualClock(11.25, 0.01)
    clock.sleep(30)
    assert clock.seconds == 30.0
