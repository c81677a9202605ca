"""A script takes all processes, all memory, all disk or all of the log."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from harness.runs.run_record import RunStatus
from harness.sandbox.request import MIB, SandboxLimits
from tests.attacks.whole_runs import HONEST_START

if TYPE_CHECKING:
    from tests.attacks.whole_runs import Victim

LIMITS = SandboxLimits(memory_bytes=128 * MIB, processes=40, written_bytes=8 * MIB, log_bytes=MIB)
FORKS = """
import os, time
while True:
    try: os.fork()
    except OSError: time.sleep(0.01)
"""
BALLOON = """
import time
held = []
while True:
    held.append(bytearray(b"x") * (8 * 2**20))
    time.sleep(0.01)
"""
FILLS = """
import time
for number in range(10**6):
    with open(f"part{number}", "wb") as file: file.write(b"x" * 2**20)
    time.sleep(0.01)
"""
FLOODS = "while True: print('step:1/9 train_loss:2.0' * 100)\n"


@pytest.mark.parametrize(
    ("greedy", "reason"),
    [(FORKS, "process-limit"), (BALLOON, "memory-limit"), (FILLS, "disk-limit"), (FLOODS, "log-limit")],
    ids=["fork-bomb", "memory-balloon", "disk-filler", "log-flood"],
)
def test_it_is_ended_and_its_own_fault(victim: Victim, greedy: str, reason: str) -> None:
    attacked = victim.run(HONEST_START + greedy, limits=LIMITS)
    assert (attacked.record.status, attacked.record.reason) == (RunStatus.FAILED, reason)
    assert attacked.record.message
    written = sum(path.stat().st_size for path in attacked.attempt.rglob("*") if path.is_file())
    assert written < 64 * MIB
