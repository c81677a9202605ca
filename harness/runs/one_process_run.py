"""Runs a script that trains and evaluates in one process: every submission of the challenge as it stands.

The folder is copied clean, the copy runs in a sandbox under our clock, the data is read-only. What it leaves
is read after its last process is dead (`run_judgement`). The score is never ours here, so the record has no
`measured`.
"""

from __future__ import annotations

import datetime
import hashlib
import json
import platform
import sys
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any

from harness.errors import GolfError, SetupError, SubmissionError
from harness.folder_tree import FolderTree
from harness.runs.run_judgement import EVENTS_NAME, LOG_NAME, SeenRun, judged_run
from harness.runs.run_record import RunRecord, RunStatus, canonical_json
from harness.runs.script_phases import OUT, TRAIN, VALIDATION, script_phases
from harness.sandbox.clean_copy import copy_submission
from harness.sandbox.rank_command import rank_command
from harness.sandbox.request import Mount, SandboxLimits, SandboxRequest
from harness.submission_reader import read_submission
from harness.watching.event_pipe import INJECTED, EventPipe
from harness.watching.file_watch import FileWatch

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from pathlib import Path

    from harness.runs.track import RunTrack
    from harness.sandbox.request import Sandbox
    from harness.watching.file_watch import FileEvent


@dataclass(frozen=True, slots=True, kw_only=True)
class SeedJob:
    """One seed of one submission: the folder, the data (shards and tokenizer), the limits.

    `settings` are environment variables the script is started with, beside DATA_PATH, TOKENIZER_PATH, SEED
    and RUN_ID. `not_eligible` says what is known already to keep the run from being a record.
    """

    folder: Path
    name: str
    seed: int
    track: RunTrack
    data: Path
    tokenizer: Path | None = None
    settings: Mapping[str, str] = field(default_factory=dict)
    limits: SandboxLimits = field(default_factory=SandboxLimits)
    wants_gpu: bool = False
    machine: Mapping[str, Any] = field(default_factory=dict)
    not_eligible: tuple[str, ...] = ()
    ruleset: str = ""
    data_digest: str = ""


def run_one_process(
    job: SeedJob,
    attempt: Path,
    number: int,
    sandbox: Sandbox,
    *,
    tell: Callable[[str], None] = lambda _: None,
    on_line: Callable[[float, bytes], None] = lambda _, __: None,
    should_stop: Callable[[], bool] = lambda: False,
) -> RunRecord:
    """Run `job` in the new folder `attempt` and say what it was; the record is not written yet.

    `tell` gets one line a step with what the step proved, `on_line` each line of the log with its time. A
    fault of the machine or of ours is a record of status could-not-run, never one of the submission.
    """
    began = datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    blank = RunRecord(
        submission=job.name,
        seed=job.seed,
        track=job.track.name,
        attempt=number,
        status=RunStatus.COULD_NOT_RUN,
        reason="",
        message="",
        started_at=began,
        not_eligible=job.not_eligible,
        sandbox=sandbox.name,
        machine=job.machine,
        digests={
            "data": job.data_digest,
            "settings": hashlib.sha256(canonical_json(dict(job.settings))).hexdigest(),
        },
        versions=_versions(),
        ruleset=job.ruleset,
    )
    try:
        seen = _run(job, attempt, sandbox, tell, on_line, should_stop)
        return judged_run(blank, seen, job.track, attempt, tell)
    except SubmissionError as error:
        return replace(blank, status=RunStatus.FAILED, reason="unsafe-submission", message=str(error))
    except (GolfError, OSError) as error:
        return replace(blank, reason="machine-fault", message=str(error)[:1000])


def _run(
    job: SeedJob,
    attempt: Path,
    sandbox: Sandbox,
    tell: Callable[[str], None],
    on_line: Callable[[float, bytes], None],
    should_stop: Callable[[], bool],
) -> SeenRun:
    work = attempt / "work"
    copied = copy_submission(job.folder, work)
    left_out = f", left out {', '.join(copied.left_out[:3])}" if copied.left_out else ""
    tell(f"copied {len(copied.files)} files, {copied.total_bytes:,} bytes{left_out}")
    code_digest = folder_digest(work, copied.files)
    submission = read_submission(FolderTree(work))
    entry = submission.code.entry
    if entry is None:
        raise SubmissionError(f"{job.folder}: holds no script to run; a submission has a train_gpt.py")
    events = attempt / "pipe"
    events.mkdir()
    mounts = {
        "work": Mount(host=work, inside="/golf/work", is_writable=True),
        "pipe": Mount(host=events, inside="/golf/pipe", is_writable=True),
        "injected": Mount(host=INJECTED, inside="/golf/injected", is_writable=False),
        "data": Mount(host=job.data, inside="/golf/data", is_writable=False),
    }
    seen_at = {name: sandbox.seen_at(mount) for name, mount in mounts.items()}
    start = rank_command(sys.executable, f"{seen_at['work']}/{entry.path}", ranks=job.track.ranks)
    with ExitStack() as stack:
        pipe = EventPipe(events, inside=seen_at["pipe"], injected_inside=seen_at["injected"])
        environment = {**_environment(job, seen_at), **start.environment}
        environment.update(pipe.environment(environment.get("PYTHONPATH", "")))
        request = SandboxRequest(
            command=start.command,
            environment=environment,
            mounts=tuple(mounts.values()),
            workdir=seen_at["work"],
            limits=replace(job.limits, wall_seconds=job.track.whole_seconds),
            wants_gpu=job.wants_gpu,
        )
        tell(f"sandbox {sandbox.name}: {', '.join(each.value for each in sandbox.protections(request))}")
        stack.enter_context(pipe)
        watch = stack.enter_context(FileWatch({"data": job.data, OUT: work}))
        log = stack.enter_context((attempt / LOG_NAME).open("wb"))

        def keep(seconds: float, line: bytes) -> None:
            log.write(line if line.endswith(b"\n") else line + b"\n")
            on_line(seconds, line)

        outcome = sandbox.run(request, keep, should_stop=should_stop)
    files = [_labelled(event) for event in watch.events]
    found = script_phases(
        files,
        pipe.events,
        outcome.seconds,
        train_limit=job.track.train_seconds,
        is_incomplete=watch.overflowed or pipe.overflowed,
    )
    written = _write_events(attempt / EVENTS_NAME, [*files, *pipe.events])
    digests = {EVENTS_NAME: written, LOG_NAME: _digest(attempt / LOG_NAME)}
    return SeenRun(
        outcome=outcome,
        phases=found,
        entry=entry.path,
        code_bytes=submission.code.shipped_bytes or 0,
        code_digest=code_digest,
        files=digests,
    )


def _environment(job: SeedJob, seen_at: Mapping[str, str]) -> dict[str, str]:
    tokenizer = job.tokenizer
    if tokenizer is None:
        tokenizer = next(iter(sorted(job.data.glob("*.model"))), None)
    own = {"DATA_PATH": seen_at["data"], "SEED": str(job.seed), "RUN_ID": f"train_seed{job.seed}"}
    if tokenizer is not None:
        if tokenizer.resolve().parent != job.data.resolve():
            raise SetupError(f"{tokenizer}: lies outside {job.data}; put the tokenizer beside the shards")
        own["TOKENIZER_PATH"] = f"{seen_at['data']}/{tokenizer.name}"
    home = f"{seen_at['work']}/.home"
    usual = {
        "PATH": "/usr/local/bin:/usr/bin:/bin",
        "LANG": "C.UTF-8",
        "HOME": home,
        "PYTHONUNBUFFERED": "1",
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    return {**usual, **job.settings, **own}


def _labelled(event: FileEvent) -> FileEvent:
    """Shards of the data folder by their split; other files of it keep the label."""
    if event.folder == "data":
        name = event.path.rpartition("/")[2]
        if "_val_" in name:
            return replace(event, folder=VALIDATION)
        if "_train_" in name:
            return replace(event, folder=TRAIN)
    return event


def folder_digest(folder: Path, files: Iterable[str]) -> str:
    """One digest of files by their names and bytes, in the order of the names."""
    digest = hashlib.sha256()
    for name in sorted(files):
        digest.update(f"{name}\0{_digest(folder / name)}\n".encode("utf-8", "surrogateescape"))
    return digest.hexdigest()


def _versions() -> dict[str, str]:
    found = {"python": platform.python_version()}
    for package in ("golf-harness", "torch", "numpy", "sentencepiece"):
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


def _write_events(path: Path, events: list[Any]) -> str:
    lines = [json.dumps(event.as_json()) for event in sorted(events, key=lambda each: each.at)]
    text = ("\n".join(lines) + "\n").encode()
    path.write_bytes(text)
    return hashlib.sha256(text).hexdigest()


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
