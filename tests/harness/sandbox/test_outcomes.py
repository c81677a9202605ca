"""What a run reports of an ordinary command: its end, its time by our clock, its output."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
import uuid
from pathlib import Path

import pytest

from harness.sandbox.confined import LandlockSandbox
from harness.sandbox.landlock import landlock_abi
from harness.sandbox.request import EndKind, Protection, Sandbox, SandboxLimits, SandboxRequest
from tests.harness.sandbox.sandboxes import MAKERS, living, run_program, sandbox_here

MINUTE = SandboxLimits(wall_seconds=60.0)


@pytest.mark.parametrize("code", [0, 3, 127, 137])
def test_exit_status_is_the_commands_own(any_sandbox: Sandbox, code: int) -> None:
    outcome = run_program(any_sandbox, f"raise SystemExit({code})", limits=MINUTE).outcome
    assert (outcome.kind, outcome.exit_code, outcome.signal) == (EndKind.EXITED, code, None)
    assert outcome.survivors_killed == 0


def test_crash_is_reported_as_a_signal(any_sandbox: Sandbox) -> None:
    outcome = run_program(any_sandbox, "import os\nos.abort()", limits=MINUTE).outcome
    assert (outcome.kind, outcome.exit_code, outcome.signal) == (EndKind.SIGNAL, None, signal.SIGABRT)
    assert outcome.detail == "ended by SIGABRT"


def test_lines_carry_seconds_of_our_clock(any_sandbox: Sandbox) -> None:
    program = "import time\nprint('one', flush=True)\ntime.sleep(0.5)\nprint('two', flush=True)"
    ran = run_program(any_sandbox, program, limits=MINUTE)
    (first, one), (second, two) = ran.lines
    assert (one, two) == (b"one\n", b"two\n")
    assert second - first >= 0.4
    assert second <= ran.outcome.seconds


def test_clock_patched_inside_changes_nothing(sandbox: Sandbox) -> None:
    program = "import time\nreal = time.sleep\ntime.time = time.monotonic = lambda: 0.0\nreal(0.5)"
    assert run_program(sandbox, program, limits=MINUTE).outcome.seconds >= 0.5


def test_error_output_and_a_last_line_without_end_are_kept(sandbox: Sandbox) -> None:
    program = "import os\nos.write(2, b'to stderr\\nno end')"
    assert run_program(sandbox, program, limits=MINUTE).output == "to stderr\nno end"


def test_stop_from_outside_ends_everything(any_sandbox: Sandbox) -> None:
    mark = uuid.uuid4().hex
    asked = iter([False] * 10 + [True] * 1000)
    program = "import time\ntime.sleep(600)"
    ran = run_program(any_sandbox, program, arguments=(mark,), limits=MINUTE, should_stop=lambda: next(asked))
    assert ran.outcome.kind is EndKind.STOPPED
    assert living(mark) == []


def test_interrupt_in_the_harness_ends_everything(any_sandbox: Sandbox) -> None:
    mark = uuid.uuid4().hex

    def interrupt() -> bool:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_program(any_sandbox, "import time\ntime.sleep(600)", arguments=(mark,), should_stop=interrupt)
    assert living(mark) == []


HARNESS_THAT_DIES = """
import sys
sys.path[:0] = [{root!r}]
from harness.sandbox.request import SandboxRequest
from tests.harness.sandbox.sandboxes import MAKERS
program = "import os, time; os.fork() or os.setsid(); print('started', flush=True); time.sleep(600)"
request = SandboxRequest(command=(sys.executable, "-c", program, {mark!r}), environment={{}})
MAKERS[{name!r}]().run(request, lambda _, line: print(line.decode(), flush=True))
"""


@pytest.mark.parametrize("name", list(MAKERS))
def test_command_dies_when_the_harness_is_killed(name: str, tmp_path: Path) -> None:
    sandbox_here(name)
    mark = uuid.uuid4().hex
    root = str(Path(__file__).parents[3])
    # The mark is in the harness's own text too, so it goes in by standard input.
    text = HARNESS_THAT_DIES.format(root=root, mark=mark, name=name)
    harness = subprocess.Popen(
        [sys.executable, "-"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        cwd=root,
        env={**os.environ, "TMPDIR": str(tmp_path)},  # what it cannot tidy up any more goes with the test's
    )
    assert harness.stdin is not None
    assert harness.stdout is not None
    harness.stdin.write(text.encode())
    harness.stdin.close()
    assert harness.stdout.readline() == b"started\n"
    harness.kill()
    harness.wait()
    harness.stdout.close()
    deadline = time.monotonic() + 30.0
    while living(mark) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert living(mark) == []


def test_bubblewrap_gives_every_protection_but_the_group(out: Path) -> None:
    sandbox = sandbox_here("bwrap")
    limits = SandboxLimits(wall_seconds=60.0, memory_bytes=2**29, processes=64, written_bytes=2**20)
    ran = run_program(sandbox, "pass", out=out, limits=limits)
    assert set(Protection) - set(ran.outcome.protections) <= {Protection.MEMORY_GROUP}


def test_no_sandbox_claims_no_wall_around_files_or_network(out: Path) -> None:
    ran = run_program(sandbox_here("none"), "pass", out=out, limits=MINUTE)
    assert not {
        Protection.NO_NETWORK,
        Protection.READ_ONLY_SYSTEM,
        Protection.HIDDEN_HOST_FILES,
        Protection.OWN_PID_NAMESPACE,
        Protection.LANDLOCK,
        Protection.SYSCALL_FILTER,
    } & set(ran.outcome.protections)


@pytest.mark.skipif(os.getuid() != 0, reason="an ordinary user stays who it is")
def test_root_becomes_someone_else_in_bubblewrap() -> None:
    ran = run_program(
        sandbox_here("bwrap"), "import os\nprint(os.getresuid(), os.getgroups())", limits=MINUTE
    )
    assert "(0" not in ran.output
    assert ran.output.endswith("[]\n")


def test_memory_used_is_reported(any_sandbox: Sandbox) -> None:
    program = "import time\nheld = bytearray(b'x') * (50 * 2**20)\ntime.sleep(0.5)"
    ran = run_program(any_sandbox, program, limits=MINUTE)
    assert ran.outcome.peak_memory_bytes is not None
    assert 50 * 2**20 <= ran.outcome.peak_memory_bytes <= 200 * 2**20


def test_command_that_is_not_there_is_a_fault_of_the_machine(any_sandbox: Sandbox) -> None:
    request = SandboxRequest(command=("/usr/bin/no-such-program",), environment={}, limits=MINUTE)
    outcome = any_sandbox.run(request, lambda _seconds, _line: None)
    assert outcome.kind is EndKind.MACHINE_FAULT
    assert "no-such-program" in outcome.detail


@pytest.mark.skipif(os.getuid() != 0, reason="an ordinary user has user namespaces only")
def test_root_can_use_a_user_namespace_too() -> None:
    sandbox = LandlockSandbox("user")
    ran = run_program(sandbox, "import os\nprint(os.getppid())", limits=MINUTE)
    assert ran.output == "1\n"
    assert {Protection.LOOPBACK_ONLY, Protection.OWN_PID_NAMESPACE} <= set(ran.outcome.protections)


def test_best_namespaces_are_found_by_trying(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(LandlockSandbox, "_works", lambda _self, choice: choice == "")
    if landlock_abi() == 0:
        pytest.skip("this kernel has no Landlock")
    ran = run_program(LandlockSandbox(), "import os\nprint(os.getppid() == 1)", limits=MINUTE)
    assert ran.output == "False\n"
    assert Protection.OWN_PID_NAMESPACE not in ran.outcome.protections


def test_threads_can_be_named(sandbox: Sandbox) -> None:
    """The driver of a GPU does it while it starts."""
    program = "open('/proc/self/comm', 'w').write('a-name')\nprint(open('/proc/self/comm').read())"
    assert run_program(sandbox, program, limits=MINUTE).output.startswith("a-name")


def test_pairs_of_sockets_work_everywhere(sandbox: Sandbox) -> None:
    program = "import socket\none, two = socket.socketpair()\none.send(b'x')\nprint(two.recv(1))"
    assert run_program(sandbox, program, limits=MINUTE).output == "b'x'\n"
