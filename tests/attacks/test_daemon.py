"""A process that has cut itself loose goes on training while the script evaluates, and after it."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from tests.attacks.whole_runs import HONEST

if TYPE_CHECKING:
    from tests.attacks.whole_runs import Victim

DAEMON = """
import os, signal, time
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)
        for descriptor in range(3):
            os.close(descriptor)
        while True:
            with open("weights", "a") as file: file.write("step ")
            time.sleep(0.02)
    os._exit(0)
os.wait()
time.sleep(0.2)
"""


def test_a_daemon_dies_with_the_run_and_is_told(victim: Victim) -> None:
    attacked = victim.run(DAEMON + HONEST)
    assert "1 processes were still running" in attacked.notices["left-processes"]
    weights = attacked.attempt / "work" / "weights"
    size = weights.stat().st_size
    assert size > 0
    time.sleep(0.2)
    assert weights.stat().st_size == size


def test_what_a_daemon_writes_later_does_not_change_what_was_sealed(victim: Victim) -> None:
    script = DAEMON.replace("weights", "final_model.int8.ptz") + HONEST
    attacked = victim.run(script)
    sealed = next((attacked.attempt / "artifact").iterdir())
    assert attacked.record.artifact is not None
    assert attacked.record.artifact.model_bytes == sealed.stat().st_size
    assert sealed.stat().st_mode & 0o222 == 0
