"""A script kills, stops or traces the process that watches it, or stops itself for ever."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from harness.runs.run_record import RunStatus
from tests.attacks.whole_runs import HONEST, HONEST_START

if TYPE_CHECKING:
    from tests.attacks.whole_runs import Victim

REACHES = """
import ctypes, signal
libc = ctypes.CDLL(None, use_errno=True)
for process in (HARNESS, os.getppid()):
    for number in (signal.SIGSTOP, signal.SIGKILL):
        try:
            os.kill(process, number)
            print("SENT", process)
        except OSError as error:
            print("refused", error.errno)
    if libc.ptrace(16, process, None, None) == 0:
        print("TRACED", process)
    try:
        open(f"/proc/{process}/mem", "r+b")
        print("OPENED", process)
    except OSError as error:
        print("refused", error.errno)
try:
    os.kill(-1, signal.SIGCONT)
except OSError:
    pass
"""


def test_the_harness_and_its_first_process_are_out_of_reach(victim: Victim) -> None:
    attacked = victim.run(HONEST + REACHES.replace("HARNESS", str(os.getpid())))
    assert f"SENT {os.getpid()}" not in attacked.log
    assert "TRACED" not in attacked.log
    assert "OPENED" not in attacked.log
    assert attacked.record.status is RunStatus.FINISHED


@pytest.mark.parametrize("number", ["SIGSTOP", "SIGTSTP"])
def test_a_script_that_stops_itself_ends_at_the_limit(victim: Victim, number: str) -> None:
    stops = f"import signal\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\nos.kill(0, signal.{number})\n"
    attacked = victim.run(HONEST_START + stops, train_seconds=1.0, eval_seconds=0.5)
    assert attacked.record.status is RunStatus.FAILED
    assert attacked.record.reason in {"time-limit", "no-artifact"}


def test_a_script_that_kills_itself_has_failed_by_its_own_hand(victim: Victim) -> None:
    attacked = victim.run(HONEST + "import signal\nos.kill(os.getpid(), signal.SIGKILL)\n")
    assert (attacked.record.status, attacked.record.reason) == (RunStatus.FAILED, "script-error")
    assert "signal 9" in attacked.record.message
