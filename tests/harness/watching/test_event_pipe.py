from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from harness.errors import SetupError
from harness.watching import event_pipe
from harness.watching.event_pipe import EventPipe, WatchedEvent, parsed

if TYPE_CHECKING:
    from pathlib import Path


def watched(tmp_path: Path, code: str, **environment: str) -> tuple[EventPipe, subprocess.CompletedProcess]:
    folder = tmp_path / "pipe"
    folder.mkdir()
    script = tmp_path / "script.py"
    script.write_text(code)
    with EventPipe(folder) as pipe:
        settings = {**os.environ, **environment, **pipe.environment(environment.get("PYTHONPATH", ""))}
        done = subprocess.run(
            [sys.executable, str(script)],
            cwd=tmp_path,
            env=settings,
            capture_output=True,
            text=True,
            check=False,
        )
    return pipe, done


def of_kind(pipe: EventPipe, kind: str) -> list[WatchedEvent]:
    return [event for event in pipe.events if event.kind == kind]


def test_files_that_are_read_and_written_are_told(tmp_path: Path) -> None:
    (tmp_path / "shard.bin").write_bytes(b"abc")
    pipe, done = watched(tmp_path, "open('shard.bin', 'rb').read(); open('model.ptz', 'wb').write(b'x')")
    assert done.returncode == 0, done.stderr
    assert str(tmp_path / "shard.bin") in [event.what for event in of_kind(pipe, "read")]
    assert str(tmp_path / "model.ptz") in [event.what for event in of_kind(pipe, "write")]


def test_start_and_exit_frame_what_a_process_does(tmp_path: Path) -> None:
    pipe, _ = watched(tmp_path, "open('x', 'w').close()")
    assert pipe.events[0].kind == "start"
    assert pipe.events[-1].kind == "exit"
    times = [event.at for event in pipe.events]
    assert times[0] >= 0
    assert times[-1] >= times[0]


def test_a_renamed_file_counts_as_written(tmp_path: Path) -> None:
    pipe, _ = watched(tmp_path, "import os; open('a', 'w').close(); os.rename('a', 'final.ptz')")
    assert str(tmp_path / "final.ptz") in [event.what for event in of_kind(pipe, "write")]


def test_sockets_and_child_processes_are_told(tmp_path: Path) -> None:
    pipe, _ = watched(
        tmp_path,
        "import socket, subprocess, sys\n"
        "try: socket.create_connection(('127.0.0.1', 9), timeout=1)\n"
        "except OSError: pass\n"
        "subprocess.run([sys.executable, '-c', 'open(\"child\", \"w\").close()'])\n",
    )
    assert any("127.0.0.1" in event.what for event in of_kind(pipe, "socket"))
    assert any("subprocess.Popen" in event.what for event in of_kind(pipe, "process"))
    assert str(tmp_path / "child") in [
        event.what for event in of_kind(pipe, "write")
    ]  # the child is watched too


def test_repeated_events_are_counted_and_told_seldom(tmp_path: Path) -> None:
    pipe, _ = watched(tmp_path, "for _ in range(500): open('same', 'a').close()")
    same = [event for event in of_kind(pipe, "write") if event.what.endswith("same")]
    assert sum(event.count for event in same) == 500
    assert len(same) < 500


def test_the_rank_of_a_process_is_told(tmp_path: Path) -> None:
    pipe, _ = watched(tmp_path, "open('x', 'w').close()", RANK="3")
    assert {event.rank for event in of_kind(pipe, "write")} == {3}


def test_a_sitecustomize_of_the_machine_still_runs(tmp_path: Path) -> None:
    other = tmp_path / "site"
    other.mkdir()
    (other / "sitecustomize.py").write_text("import builtins; builtins.marked = 'ran'\n")
    _, done = watched(tmp_path, "print(marked)", PYTHONPATH=str(other))
    assert done.stdout.strip() == "ran"


def test_a_full_pipe_does_not_stop_the_script(tmp_path: Path) -> None:
    folder = tmp_path / "pipe"
    folder.mkdir()
    pipe = EventPipe(folder)  # nobody reads
    script = "for number in range(3000): open(f'f{number}', 'w').close()\nprint('done')"
    keeps = os.open(pipe.path, os.O_RDWR | os.O_NONBLOCK)
    try:
        done = subprocess.run(
            [sys.executable, "-c", script], cwd=tmp_path, env={**os.environ, **pipe.environment()},
            capture_output=True, text=True, check=False, timeout=120,
        )  # fmt: skip
    finally:
        os.close(keeps)
    assert done.stdout.strip() == "done"


def test_optimizer_steps_are_told_with_their_class(tmp_path: Path) -> None:
    pytest.importorskip("torch")
    pipe, done = watched(
        tmp_path,
        "import torch\n"
        "class Own(torch.optim.Optimizer):\n"
        "    def __init__(self, p): super().__init__(p, {})\n"
        "    def step(self): pass\n"
        "for made in (torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1), "
        "Own([torch.nn.Parameter(torch.zeros(1))])):\n"
        "    for _ in range(3): made.step()\n",
    )
    assert done.returncode == 0, done.stderr
    counts: dict[str, int] = {}
    for event in of_kind(pipe, "step"):
        counts[event.what] = counts.get(event.what, 0) + event.count
    assert counts == {"SGD": 3, "Own": 3}


def test_a_model_that_is_put_into_evaluation_mode_is_told(tmp_path: Path) -> None:
    pytest.importorskip("torch")
    pipe, done = watched(
        tmp_path,
        "import torch\n"
        "class GPT(torch.nn.Module): pass\n"
        "made = GPT()\n"
        "assert made.eval() is made and not made.training and GPT.eval.__name__ == 'eval'\n",
    )
    assert done.returncode == 0, done.stderr
    assert [event.what for event in of_kind(pipe, "evaluates")] == ["GPT"]


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"{",
        b"[" * 400,
        b'{"kind": "score"}',
        b'{"kind": "step", "pid": -1}',
        b'{"kind": "step", "pid": true}',
        b'{"kind": ["step"]}',
        b'{"kind": "step", "count": 1e99}',
        b"\xff\xfe{}",
        b'{"kind": "step", "what": "' + b"x" * 600 + b'"}',
    ],
)
def test_a_line_that_is_no_event_is_refused(line: bytes) -> None:
    assert parsed(line, 1.0) is None


def test_an_event_cannot_date_itself_before_the_watch(tmp_path: Path) -> None:
    told = parsed(b'{"kind": "step", "what": "SGD", "count": 1, "pid": 7, "ago": 1e9}', 2.5)
    assert told is not None
    assert told.at == 2.5


def test_more_events_than_are_kept_are_said_to_be_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(event_pipe, "MOST_EVENTS", 3)
    pipe, _ = watched(tmp_path, "for number in range(9): open(f'f{number}', 'w').close()")
    assert len(pipe.events) == 3
    assert pipe.overflowed


def test_a_folder_that_takes_no_pipe_is_a_fault_of_the_machine(tmp_path: Path) -> None:
    with pytest.raises(SetupError, match="pipe for events cannot be made"):
        EventPipe(tmp_path / "missing")
