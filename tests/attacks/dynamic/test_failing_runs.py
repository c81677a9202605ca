"""A run that comes to no score, by its own fault or not: the cause is told, with the phase it came in."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from harness.dynamic.run_causes import CauseKind
from harness.sandbox.request import MIB
from tests.attacks.dynamic.audited_runs import small
from tests.programs.dynamic.audited_script import (
    ending_with,
    starting_with,
    while_evaluating,
    while_training,
)

if TYPE_CHECKING:
    from harness.sandbox.request import SandboxLimits
    from tests.attacks.dynamic.audited_runs import Audited, AuditedMachine

ABSENT = {
    "a package": (starting_with("import regex_of_mine"), CauseKind.MISSING_MODULE, "regex_of_mine"),
    "a file": (starting_with("open('lexicon.txt')"), CauseKind.MISSING_FILE, "lexicon.txt"),
}
BROKEN = {
    "raises in training": (while_training("assert step < 3"), CauseKind.SETTINGS, "in training"),
    "raises in evaluation": (while_evaluating("1 // (start - 512)"), CauseKind.SETTINGS, "in evaluation"),
    "exit status 3": (
        while_training("sys.exit(3)"), CauseKind.SETTINGS, "exit status 3 (in training, after 1",
    ),
    "segmentation fault": (
        while_evaluating("import ctypes; ctypes.string_at(0)"), CauseKind.CRASH, "in evaluation",
    ),
    "kills all others": (while_training("os.kill(-1, 9)"), CauseKind.SETTINGS, "No such process (in"),
    "kills its parent": (
        while_training("os.kill(os.getppid(), 9)"), CauseKind.SETTINGS, "not permitted (in training",
    ),
}  # fmt: skip
_TRAINING = "in training, after 1 optimizer step"
GREEDY = {
    "loops": (while_training("while True: pass"), CauseKind.TIME, small(wall_seconds=12.0), _TRAINING),
    "hangs at its end": (
        ending_with("import threading; threading.Thread(target=threading.Event().wait).start()\n"
                    "import atexit; atexit.register(threading.Event().wait)"),
        CauseKind.TIME,
        small(wall_seconds=14.0),
        "in evaluation, after a score was printed",
    ),
    "memory": (
        while_training("held = [bytearray(b'x') * (8 << 20) for _ in iter(int, 1)]"),
        CauseKind.MEMORY,
        small(memory_bytes=768 * MIB),
        _TRAINING,
    ),
    "disk": (
        while_training("while True: open('MARK%d' % time.perf_counter_ns(), 'wb').write(bytes(1 << 20))"),
        CauseKind.DISK,
        small(),
        _TRAINING,
    ),
    "log": (while_training("while True: print('x' * 10_000)"), CauseKind.OUTPUT, small(), _TRAINING),
    "processes": (
        while_training("while True: os.fork()"),
        CauseKind.PROCESSES,
        small(memory_bytes=65536 * MIB),  # pages that forks share are counted for each
        _TRAINING,
    ),
}  # fmt: skip


def _told(seen: Audited, cause: CauseKind, words: str) -> None:
    assert seen.cause.kind is cause
    assert words in seen.cause.message
    assert "Traceback" not in seen.why_open()
    assert seen.passed == []


@pytest.mark.parametrize(
    ("script", "cause", "words"), [*ABSENT.values(), *BROKEN.values()], ids=[*ABSENT, *BROKEN]
)
def test_the_cause_is_told(audited: AuditedMachine, script: str, cause: CauseKind, words: str) -> None:
    _told(audited.run(script), cause, words)


@pytest.mark.parametrize(("script", "cause", "limits", "phase"), GREEDY.values(), ids=GREEDY)
def test_a_limit_ends_it_and_is_told_with_the_phase(
    audited: AuditedMachine, script: str, cause: CauseKind, limits: SandboxLimits, phase: str
) -> None:
    _told(audited.run(script, limits=limits), cause, phase)
