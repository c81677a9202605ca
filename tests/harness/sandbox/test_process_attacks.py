"""Processes that try to outlive their run, to multiply, to stop, or to reach the harness."""

from __future__ import annotations

import os
import subprocess
import uuid
from typing import TYPE_CHECKING

import pytest

from harness.sandbox.landlock import landlock_abi
from harness.sandbox.request import EndKind, Protection, Sandbox, SandboxLimits
from tests.harness.sandbox.sandboxes import living, run_program

if TYPE_CHECKING:
    from pathlib import Path

MINUTE = SandboxLimits(wall_seconds=60.0)

DAEMON = """
import os, sys, time
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        for descriptor in range(3):
            os.close(descriptor)
        time.sleep(600)
    os._exit(0)
os.wait()
print("parent leaves", flush=True)
"""


def test_daemon_that_double_forks_dies_with_the_run(any_sandbox: Sandbox) -> None:
    mark = uuid.uuid4().hex
    ran = run_program(any_sandbox, DAEMON, arguments=(mark,))
    assert (ran.outcome.kind, ran.outcome.exit_code) == (EndKind.EXITED, 0)
    assert ran.outcome.survivors_killed == 1
    assert living(mark) == []


CHILDREN = """
import os, time
for _ in range(5):
    if os.fork() == 0:
        os.setsid()
        time.sleep(600)
print("done", flush=True)
"""


def test_exit_with_children_alive_ends_the_phase_and_the_children(any_sandbox: Sandbox) -> None:
    mark = uuid.uuid4().hex
    ran = run_program(any_sandbox, CHILDREN, arguments=(mark,))
    assert (ran.outcome.kind, ran.outcome.exit_code) == (EndKind.EXITED, 0)
    assert ran.outcome.survivors_killed == 5
    assert living(mark) == []


STUBBORN = """
import os, signal, time
for number in (1, 2, 13, 15):
    signal.signal(number, signal.SIG_IGN)
for _ in range(4):
    if os.fork() == 0:
        os.setsid()
        break
time.sleep(600)
"""


def test_children_that_ignore_signals_die_at_the_time_limit(any_sandbox: Sandbox) -> None:
    mark = uuid.uuid4().hex
    ran = run_program(any_sandbox, STUBBORN, arguments=(mark,), limits=SandboxLimits(wall_seconds=2.0))
    assert ran.outcome.kind is EndKind.TIME_LIMIT
    assert ran.outcome.survivors_killed == 5
    assert living(mark) == []


FORK_BOMB = """
import os, time
while True:
    try:
        os.fork()
    except OSError:
        time.sleep(0.01)
"""


def test_fork_bomb_is_stopped_by_the_process_limit(sandbox: Sandbox) -> None:
    mark = uuid.uuid4().hex
    limits = SandboxLimits(wall_seconds=60.0, processes=30)
    ran = run_program(sandbox, FORK_BOMB, arguments=(mark,), limits=limits)
    assert ran.has(Protection.PROCESS_LIMIT) or os.getuid() == 0
    assert ran.outcome.kind is EndKind.PROCESS_LIMIT
    assert "30 are allowed" in ran.outcome.detail
    assert living(mark) == []


THREADS = """
import threading, time
try:
    while True:
        threading.Thread(target=time.sleep, args=(60,)).start()
except RuntimeError:
    time.sleep(60)
"""


def test_threads_count_as_processes(sandbox: Sandbox) -> None:
    ran = run_program(sandbox, THREADS, limits=SandboxLimits(wall_seconds=60.0, processes=30))
    assert ran.outcome.kind is EndKind.PROCESS_LIMIT


def test_process_that_stops_itself_ends_at_the_time_limit(any_sandbox: Sandbox) -> None:
    program = "import os, signal\nprint('stopping', flush=True)\nos.kill(os.getpid(), signal.SIGSTOP)"
    ran = run_program(any_sandbox, program, limits=SandboxLimits(wall_seconds=2.0))
    assert ran.outcome.kind is EndKind.TIME_LIMIT
    assert "stopping" in ran.output


KILLER = """
import os, signal, sys
target = int(sys.argv[1])
for number in (signal.SIGSTOP, signal.SIGKILL):
    for pid in (target, os.getppid()):
        try:
            os.kill(pid, number)
            print("sent", pid == target)
        except OSError as error:
            print("refused", error.errno)
"""


def test_harness_cannot_be_killed_or_stopped(sandbox: Sandbox) -> None:
    """The victim is a process of the test's own, in the harness's place."""
    if (
        not run_program(sandbox, "pass", limits=MINUTE).has(Protection.OWN_PID_NAMESPACE)
        and landlock_abi() < 6
    ):
        pytest.skip("without a process namespace signals are held back by Landlock from version 6 on only")
    victim = subprocess.Popen(["sleep", "600"])
    try:
        ran = run_program(sandbox, KILLER, arguments=(str(victim.pid),), limits=MINUTE)
        assert victim.poll() is None
    finally:
        victim.kill()
        victim.wait()
    assert ran.outcome.kind is EndKind.EXITED
    assert "sent True" not in ran.output


TRACER = """
import ctypes, os, sys
libc = ctypes.CDLL(None, use_errno=True)
for pid in (int(sys.argv[1]), os.getppid(), 1):
    attached = libc.ptrace(16, pid, None, None)  # PTRACE_ATTACH
    print("attached" if attached == 0 else "refused", ctypes.get_errno())
"""


def test_harness_and_first_process_cannot_be_traced(sandbox: Sandbox) -> None:
    ran = run_program(sandbox, TRACER, arguments=(str(os.getpid()),), limits=MINUTE)
    assert ran.outcome.exit_code == 0
    assert "attached" not in ran.output
    assert ran.output.count("refused") == 3


TAMPERER = """
import os, sys
for pid in (sys.argv[1], str(os.getppid()), "1"):
    for name in ("mem", "oom_score_adj", "environ", "fd/2", "maps"):
        mode = "r+b" if name in ("mem", "oom_score_adj") else "rb"
        try:
            with open(f"/proc/{pid}/{name}", mode) as file:
                file.write(b"1") if "+" in mode else print("read", pid, name, len(file.read(16)))
                if "+" in mode:
                    print("wrote", pid, name)
        except OSError as error:
            print("refused", error.errno)
"""


def test_harness_memory_and_environment_cannot_be_read_or_written(sandbox: Sandbox) -> None:
    ran = run_program(sandbox, TAMPERER, arguments=(str(os.getpid()),), limits=MINUTE)
    assert ran.outcome.exit_code == 0, ran.output
    assert "read" not in ran.output
    assert "wrote" not in ran.output


def test_only_processes_of_the_run_are_visible(sandbox: Sandbox) -> None:
    program = "import os\nprint([name for name in os.listdir('/proc') if name.isdigit()])"
    ran = run_program(sandbox, program, limits=MINUTE)
    if not ran.has(Protection.OWN_PID_NAMESPACE):
        pytest.xfail(
            "without a process namespace the numbers of other processes stay visible, not their contents"
        )
    assert len(ran.output.split(",")) <= 3


def test_new_namespaces_are_refused(sandbox: Sandbox) -> None:
    program = (
        "import ctypes\nprint(ctypes.CDLL(None).unshare(0x10000000), ctypes.CDLL(None).unshare(0x20000))"
    )
    ran = run_program(sandbox, program, limits=MINUTE)
    assert ran.output == "-1 -1\n"
    assert ran.has(Protection.NO_NESTED_NAMESPACES)


LIAR = r"""
import os
for descriptor in range(3, 400):
    try:
        os.write(descriptor, b'ended 0 0\n')
    except OSError:
        pass
for descriptor in range(400):
    try:
        os.open(f'/proc/{os.getppid()}/fd/{descriptor}', os.O_WRONLY)
        print('opened')
    except OSError:
        pass
raise SystemExit(7)
"""


def test_first_process_cannot_be_made_to_lie(sandbox: Sandbox) -> None:
    """The command tries every descriptor and its parent's; the exit status it writes is not believed."""
    ran = run_program(sandbox, LIAR, limits=MINUTE)
    assert (ran.outcome.kind, ran.outcome.exit_code) == (EndKind.EXITED, 7)
    assert "opened" not in ran.output


def test_environment_of_the_harness_is_not_passed_on(
    any_sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GOLF_TEST_TOKEN", "a secret")
    ran = run_program(any_sandbox, "import os\nprint(sorted(os.environ))", limits=MINUTE)
    assert "GOLF_TEST_TOKEN" not in ran.output
    assert ran.has(Protection.CLEARED_ENVIRONMENT)


DESCRIPTORS = """
import os
for descriptor in range(3, 1024):
    try:
        print('inherited', os.fstat(descriptor))
    except OSError:
        pass
"""


def test_descriptors_of_the_harness_are_not_passed_on(any_sandbox: Sandbox, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("the answer", encoding="ascii")
    descriptor = os.open(secret, os.O_RDONLY)
    os.set_inheritable(descriptor, True)
    try:
        ran = run_program(any_sandbox, DESCRIPTORS, limits=MINUTE)
    finally:
        os.close(descriptor)
    assert "inherited" not in ran.output
