"""A script patches every clock it can reach, so that its own times are what it likes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.runs.run_record import RunStatus
from tests.attacks.whole_runs import HONEST_END, HONEST_START

if TYPE_CHECKING:
    from tests.attacks.whole_runs import Victim

STOPPED_CLOCKS = """
import time
sleep = time.sleep
for name in ("time", "perf_counter", "monotonic", "process_time"):
    setattr(time, name, lambda: 0)
    setattr(time, name + "_ns", lambda: 0)
sleep(1.5)
print(f"stopping_early: wallclock_cap train_time:{time.perf_counter() * 1000:.0f}ms step:10/10")
"""


def test_training_takes_what_our_clock_says(victim: Victim) -> None:
    attacked = victim.run(HONEST_START + STOPPED_CLOCKS + HONEST_END)
    train, evaluation = attacked.record.phases
    assert train.seconds >= 1.5
    assert evaluation.name == "evaluate"


def test_a_limit_of_ours_ends_it_all_the_same(victim: Victim) -> None:
    script = HONEST_START + STOPPED_CLOCKS.replace("sleep(1.5)", "sleep(600)") + HONEST_END
    attacked = victim.run(script, train_seconds=1.0, eval_seconds=0.5)
    assert (attacked.record.status, attacked.record.reason) == (RunStatus.FAILED, "time-limit")


def test_training_over_its_limit_fails_though_the_whole_was_in_time(victim: Victim) -> None:
    attacked = victim.run(HONEST_START + STOPPED_CLOCKS + HONEST_END, train_seconds=1.0)
    assert (attacked.record.status, attacked.record.reason) == (RunStatus.FAILED, "train-time")
