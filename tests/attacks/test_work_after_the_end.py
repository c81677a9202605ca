"""Work goes on in a thread or in another process after the script has printed its final time."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.attacks.whole_runs import HONEST

if TYPE_CHECKING:
    from tests.attacks.whole_runs import Victim

IN_A_THREAD = """
import threading, time
threading.Thread(target=time.sleep, args=(1.5,)).start()
"""
IN_A_CHILD = """
import subprocess, sys
subprocess.Popen([sys.executable, "-S", "-c", "import time; time.sleep(600)"])
"""
AT_EXIT = """
import atexit, time
atexit.register(time.sleep, 1.5)
"""


def test_a_thread_is_part_of_the_evaluation(victim: Victim) -> None:
    assert victim.run(HONEST + IN_A_THREAD).record.phases[-1].seconds >= 1.5


def test_what_runs_at_exit_is_part_of_the_evaluation(victim: Victim) -> None:
    assert victim.run(HONEST + AT_EXIT).record.phases[-1].seconds >= 1.5


def test_a_child_that_is_left_running_ends_with_the_script_and_is_told(victim: Victim) -> None:
    attacked = victim.run(HONEST + IN_A_CHILD)
    assert "still running when the script had ended" in attacked.notices["left-processes"]
    assert "started processes" in attacked.notices["process"]
