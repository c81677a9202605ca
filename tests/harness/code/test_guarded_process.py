from __future__ import annotations

import os
import sys
import threading
from typing import TYPE_CHECKING

import pytest

from harness.code.guarded_process import Guard, GuardedWorker, LimitHit, shared_worker
from harness.errors import SetupError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

PROBE = "tests.harness.code.guarded_probe:probe"
SMALL = Guard(memory_bytes=512 * 2**20, cpu_seconds=1, wall_seconds=4.0, reply_bytes=2**16)
linux_only = pytest.mark.skipif(sys.platform != "linux", reason="limits of other systems are weaker")


@pytest.fixture
def worker() -> Iterator[GuardedWorker]:
    one = GuardedWorker(PROBE, SMALL)
    yield one
    one.close()


def limit_of(worker: GuardedWorker, argument: str) -> str:
    with pytest.raises(LimitHit) as hit:
        worker.call(argument)
    return hit.value.limit


def test_bytes_arrive_whole(worker: GuardedWorker) -> None:
    assert worker.call("sizes", [b"", b"x" * 2**22, b"\n"]) == [0, 2**22, 1]


def test_one_child_answers_many_calls(worker: GuardedWorker) -> None:
    assert worker.call("state")["pid"] == worker.call("state")["pid"] != os.getpid()


def test_the_child_knows_nothing_of_our_environment(
    worker: GuardedWorker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SECRET_TOKEN", "hunter2")
    state = worker.call("state")
    assert "SECRET_TOKEN" not in state["environment"]
    assert not state["site"]


@linux_only
def test_the_child_inherits_no_open_file(worker: GuardedWorker) -> None:
    with open(__file__, "rb") as secret:  # noqa: PTH123
        os.set_inheritable(secret.fileno(), True)
        # 0, 1, 2, two ends of pipes, /dev/null twice, and the listing itself
        assert len(worker.call("descriptors")) <= 8


@linux_only
def test_too_much_memory_is_a_limit(worker: GuardedWorker) -> None:
    assert limit_of(worker, "memory") == "memory"


@linux_only
def test_too_much_processor_time_is_a_limit() -> None:
    worker = GuardedWorker(PROBE, Guard(cpu_seconds=1, wall_seconds=60.0))
    assert limit_of(worker, "processor") == "cpu"


def test_too_long_a_wait_is_a_limit() -> None:
    worker = GuardedWorker(PROBE, Guard(wall_seconds=0.5))
    worker.call("state")
    assert limit_of(worker, "sleep") == "wall"


def test_too_deep_an_input_is_a_limit(worker: GuardedWorker) -> None:
    assert limit_of(worker, "deep") == "depth"


def test_too_long_a_reply_is_a_limit(worker: GuardedWorker) -> None:
    assert limit_of(worker, "long") == "reply"


def test_a_crash_of_the_interpreter_is_a_limit(worker: GuardedWorker) -> None:
    assert limit_of(worker, "SIGSEGV") == "crash"


def test_the_next_call_after_a_limit_works(worker: GuardedWorker) -> None:
    limit_of(worker, "SIGABRT")
    assert worker.call("sizes", [b"abc"]) == [3]


def test_a_child_killed_from_outside_is_the_machines_fault(worker: GuardedWorker) -> None:
    with pytest.raises(SetupError, match="out-of-memory"):
        worker.call("SIGKILL")


def test_a_child_that_cannot_start_is_the_machines_fault() -> None:
    with pytest.raises(SetupError, match="did not start"):
        GuardedWorker("harness.no_such_module:nothing", SMALL).call(None)


def test_an_interpreter_that_is_missing_is_the_machines_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    with pytest.raises(SetupError, match="cannot start"):
        GuardedWorker(PROBE, SMALL).call("sizes")


def test_a_bug_of_ours_is_raised_with_its_traceback(worker: GuardedWorker) -> None:
    with pytest.raises(RuntimeError, match="KeyError: 'missing'"):
        worker.call("bug")


def test_the_child_cannot_write_files(worker: GuardedWorker) -> None:
    with pytest.raises((LimitHit, RuntimeError)):
        worker.call("write")


def test_what_the_child_prints_does_not_reach_us(worker: GuardedWorker) -> None:
    assert worker.call("print") == "quiet"


def test_threads_share_a_worker(worker: GuardedWorker) -> None:
    answers: list[object] = []
    threads = [
        threading.Thread(target=lambda: answers.append(worker.call("sizes", [b"x" * 10]))) for _ in range(8)
    ]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]
    assert answers == [[10]] * 8


@linux_only
def test_a_forked_process_gets_its_own_child(worker: GuardedWorker) -> None:
    before = worker.call("state")["pid"]
    assert succeeds_in_a_fork(lambda: worker.call("state")["pid"] != before)
    assert worker.call("state")["pid"] == before


def succeeds_in_a_fork(claim: Callable[[], bool]) -> bool:
    """Whether the claim holds in a forked copy of this process."""
    forked = os.fork()
    if forked == 0:
        os._exit(0 if claim() else 1)
    return os.waitpid(forked, 0)[1] == 0


def test_shared_worker_is_one_per_function() -> None:
    assert shared_worker(PROBE, SMALL) is shared_worker(PROBE, SMALL)
