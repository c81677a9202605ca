"""Memory, disk and log floods: each ends the run with a reason, and the machine is left as it was."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from harness.sandbox.request import EndKind, Protection, Sandbox, SandboxLimits
from tests.harness.sandbox.sandboxes import MIB, run_program

if TYPE_CHECKING:
    from pathlib import Path

BALLOON = """
import time
held = []
for _ in range(64):
    held.append(bytearray(b"x") * (16 * 2**20))
    time.sleep(0.02)
time.sleep(60)
"""


def test_memory_balloon_is_ended_by_the_memory_limit(any_sandbox: Sandbox) -> None:
    limits = SandboxLimits(wall_seconds=60.0, memory_bytes=128 * MIB)
    ran = run_program(any_sandbox, BALLOON, limits=limits)
    assert ran.outcome.kind is EndKind.MEMORY_LIMIT
    assert ran.outcome.peak_memory_bytes is not None
    assert ran.outcome.peak_memory_bytes < 512 * MIB
    assert "134,217,728 bytes of memory are allowed" in ran.outcome.detail


FOUR_BALLOONS = """
import os, time
for _ in range(4):
    if os.fork() == 0:
        held = bytearray(b'x') * (60 * 2**20)
        time.sleep(60)
time.sleep(60)
"""


def test_memory_of_several_processes_counts_together(any_sandbox: Sandbox) -> None:
    limits = SandboxLimits(wall_seconds=60.0, memory_bytes=128 * MIB)
    assert run_program(any_sandbox, FOUR_BALLOONS, limits=limits).outcome.kind is EndKind.MEMORY_LIMIT


SHARED_BY_FORK = """
import os, time
held = bytearray(b'x') * (60 * 2**20)
for _ in range(3):
    if os.fork() == 0:
        time.sleep(1)
        os._exit(0)
for _ in range(3):
    os.wait()
"""


def test_memory_shared_by_a_fork_counts_once(any_sandbox: Sandbox) -> None:
    limits = SandboxLimits(wall_seconds=60.0, memory_bytes=128 * MIB)
    assert run_program(any_sandbox, SHARED_BY_FORK, limits=limits).outcome.kind is EndKind.EXITED


def test_one_process_that_outruns_the_watch_is_refused_memory(any_sandbox: Sandbox) -> None:
    program = "held = bytearray(10 * 2**30)"
    limits = SandboxLimits(wall_seconds=60.0, memory_bytes=64 * MIB)
    ran = run_program(any_sandbox, program, limits=limits)
    assert ran.outcome.exit_code != 0
    assert ran.outcome.kind in {EndKind.EXITED, EndKind.MEMORY_LIMIT, EndKind.SIGNAL}
    assert (ran.outcome.peak_memory_bytes or 0) < 256 * MIB


FILLER = """
import time
for number in range(1000):
    with open(f'part{number}', 'wb') as file:
        file.write(b'x' * 2**20)
    time.sleep(0.02)
"""


def test_disk_filler_is_ended_by_the_disk_limit(any_sandbox: Sandbox, out: Path) -> None:
    limits = SandboxLimits(wall_seconds=60.0, written_bytes=8 * MIB)
    ran = run_program(any_sandbox, FILLER, out=out, limits=limits)
    assert ran.outcome.kind is EndKind.DISK_LIMIT
    assert "8,388,608 are allowed" in ran.outcome.detail


DELETED_FILE = """
import os, time
file = open('hidden', 'wb')
os.unlink('hidden')
file.write(b'x' * (24 * 2**20))
file.flush()
time.sleep(60)
"""


def test_deleted_open_file_counts_as_written(any_sandbox: Sandbox, out: Path) -> None:
    limits = SandboxLimits(wall_seconds=60.0, written_bytes=8 * MIB)
    assert run_program(any_sandbox, DELETED_FILE, out=out, limits=limits).outcome.kind is EndKind.DISK_LIMIT


def test_flood_of_empty_files_is_ended_by_the_disk_limit(any_sandbox: Sandbox, out: Path) -> None:
    program = "for number in range(10**9):\n    open(f'e{number}', 'w').close()"
    limits = SandboxLimits(wall_seconds=60.0, written_bytes=512 * 1024)
    assert run_program(any_sandbox, program, out=out, limits=limits).outcome.kind is EndKind.DISK_LIMIT


CLOSED_FOLDER = """
import os, time
os.mkdir('closed', 0o300)
open('closed/data', 'wb').write(b'x' * 2**20)
time.sleep(60)
"""


@pytest.mark.skipif(os.getuid() == 0, reason="no folder is closed to root")
def test_folder_closed_to_the_watch_ends_the_run(any_sandbox: Sandbox, out: Path) -> None:
    limits = SandboxLimits(wall_seconds=60.0, written_bytes=8 * MIB)
    ran = run_program(any_sandbox, CLOSED_FOLDER, out=out, limits=limits)
    (out / "closed").chmod(0o700)
    assert ran.outcome.kind is EndKind.DISK_LIMIT
    assert "cannot be counted" in ran.outcome.detail


def test_single_file_beyond_its_limit_is_refused(any_sandbox: Sandbox, out: Path) -> None:
    program = "import sys\nwith open('big', 'wb') as file:\n    file.write(b'x' * (4 * 2**20))"
    limits = SandboxLimits(wall_seconds=60.0, file_bytes=MIB)
    ran = run_program(any_sandbox, program, out=out, limits=limits)
    assert ran.outcome.exit_code != 0
    assert (out / "big").stat().st_size <= MIB


TEMPORARY_FILLER = """
import os, sys
try:
    with open('/tmp/fill', 'wb') as file:
        for _ in range(64):
            file.write(b'x' * 2**20)
    print('filled')
except OSError as error:
    print('full', error.errno)
"""


def test_temporary_folder_has_an_end(sandbox: Sandbox) -> None:
    limits = SandboxLimits(wall_seconds=60.0, temporary_bytes=4 * MIB, written_bytes=8 * MIB)
    ran = run_program(sandbox, TEMPORARY_FILLER, limits=limits)
    assert "filled" not in ran.output


@pytest.mark.parametrize("line", [b"x" * 99 + b"\n", b"x" * 4096], ids=["lines", "one-endless-line"])
def test_log_flood_is_ended_by_the_log_limit(any_sandbox: Sandbox, line: bytes) -> None:
    program = f"import os\nwhile True:\n    os.write(1, {line!r})\n    os.write(2, {line!r})"
    limits = SandboxLimits(wall_seconds=60.0, log_bytes=MIB)
    ran = run_program(any_sandbox, program, limits=limits)
    assert ran.outcome.kind is EndKind.LOG_LIMIT
    assert len(ran.output) <= MIB
    assert ran.outcome.log_bytes > MIB


def test_silent_command_ends_at_the_time_limit(any_sandbox: Sandbox) -> None:
    program = "import os, time\nos.close(1)\nos.close(2)\ntime.sleep(600)"
    ran = run_program(any_sandbox, program, limits=SandboxLimits(wall_seconds=2.0))
    assert ran.outcome.kind is EndKind.TIME_LIMIT
    assert 2.0 <= ran.outcome.seconds < 60.0


def test_limits_asked_for_are_reported_as_active(sandbox: Sandbox, out: Path) -> None:
    limits = SandboxLimits(wall_seconds=60.0, memory_bytes=512 * MIB, processes=100, written_bytes=MIB)
    ran = run_program(sandbox, "pass", out=out, limits=limits)
    wanted = {Protection.TIME_LIMIT, Protection.MEMORY_LIMIT, Protection.DISK_LIMIT, Protection.LOG_LIMIT}
    assert wanted <= set(ran.outcome.protections)


def test_limits_not_asked_for_are_not_reported(sandbox: Sandbox) -> None:
    ran = run_program(sandbox, "pass", limits=SandboxLimits())
    assert not {Protection.TIME_LIMIT, Protection.MEMORY_LIMIT, Protection.DISK_LIMIT} & set(
        ran.outcome.protections
    )
