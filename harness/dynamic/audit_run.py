"""One run of the child in a sandbox: a clean copy of the submission in, a record and files out.

Paths are inputs (scripts seed generators from them), so everything is seen at the same places in every run:
the submission where the challenge has it, in a checkout with its data. A sandbox that cannot rename shows
it all below one folder of the host, which then is the same for every run of this process: such runs wait for
each other. Under one that can, each of several runs side by side has a folder of its own.
"""

from __future__ import annotations

import json
import os
import stat
import sys
import tempfile
import threading
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from harness.dynamic.data_folder import write_data_folder
from harness.dynamic.event_record import EventRecord, read_event_record, take_keys
from harness.dynamic.events import PrintEvent
from harness.dynamic.fork_plan import branch_mark
from harness.dynamic.left_files import file_digest, left_files
from harness.dynamic.run_causes import cause_of, read_ending, read_failed_rank
from harness.dynamic.run_files import take_files
from harness.dynamic.run_phase import phase_of
from harness.dynamic.score_lines import has_score, score_past_record
from harness.errors import SetupError
from harness.sandbox.clean_copy import copy_submission
from harness.sandbox.confinement import package_root
from harness.sandbox.removal import remove_tree
from harness.sandbox.request import MIB, Mount, SandboxLimits, SandboxRequest

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from harness.dynamic.data_folder import DataNames
    from harness.dynamic.run_causes import RunCause
    from harness.dynamic.run_plan import RunPlan
    from harness.dynamic.tiny_data import TinyData
    from harness.sandbox.request import Sandbox, SandboxOutcome

INSIDE = "/golf"
_ROOT_PREFIX = "golf-dynamic-"
WORK = f"{INSIDE}/work"
SUBMISSION = f"{WORK}/records/track_10min_16mb/submission"
DATA = f"{INSIDE}/data"
"""Beside the checkout, which is writable, and linked into it: no run can change what it is scored on."""
OUT = f"{INSIDE}/out"
_PLAN = f"{INSIDE}/plan"
_PACKAGE = f"{INSIDE}/package"
LIMITS = SandboxLimits(
    wall_seconds=240.0,
    memory_bytes=6 * 2**30,
    processes=256,
    written_bytes=2 * 2**30,
    temporary_bytes=512 * MIB,
    log_bytes=16 * MIB,
)
_LINES_AT_MOST = 200_000
_LONGEST_LINE = 20_000
_taken: dict[str, threading.Lock] = {}
"""Folders of runs: one run at a time in each."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class AuditRun:
    """What one run left. `cause` says why it did not reach a score, None when it did."""

    outcome: SandboxOutcome
    events: EventRecord
    log_lines: tuple[str, ...]
    artifacts: Mapping[str, tuple[int, str]]
    """Files of the submission folder that were not in it before or changed: bytes and SHA-256."""
    cause: RunCause | None
    branches: tuple[EventRecord, ...] = ()
    """The records of the forks, in the order of the plan's tokens."""
    by_rank: tuple[EventRecord, ...] = ()
    """The records of all ranks where there are several; `events` is that of the first."""
    failed_rank: int | None = None
    """The rank that failed first, where there are several and one says so."""


def run_child(
    folder: Path,
    plan: RunPlan,
    data: TinyData,
    sandbox: Sandbox,
    limits: SandboxLimits = LIMITS,
    *,
    names: DataNames | None = None,
    may_write_data: bool = False,
    slot: int = 0,
    files: Path | None = None,
    should_stop: Callable[[], bool] = lambda: False,
) -> AuditRun:
    """Run `plan` on a clean copy of `folder` with `data`, and read what is left when all is dead.

    Raises `SubmissionError` for a folder that cannot be copied safely and `SetupError` when this machine
    cannot run it. `may_write_data` lets a run put alternatives into its own copy of the data. Threads may
    make runs side by side, each in a `slot` of its own; runs of one slot wait for each other, and so do all
    where `may_run_side_by_side` says no. `files` is a folder for the log and the record of the run as they
    were left, None where nobody wants them.
    """
    root = _root(slot if may_run_side_by_side(sandbox) else 0)
    with _taken.setdefault(str(root), threading.Lock()):
        _remove(root)
        try:
            root.mkdir(mode=0o755, parents=True)
            return _run(root, folder, plan, data, sandbox, limits, names, may_write_data, files, should_stop)
        finally:
            _remove(root)


def may_run_side_by_side(sandbox: Sandbox) -> bool:
    """Whether runs in different folders of the host see the same paths in `sandbox`."""
    shown = sandbox.seen_at(Mount(host=Path("/host"), inside=WORK, is_writable=False))
    return shown == WORK


def _run(
    root: Path,
    folder: Path,
    plan: RunPlan,
    data: TinyData,
    sandbox: Sandbox,
    limits: SandboxLimits,
    names: DataNames | None,
    may_write_data: bool,
    files: Path | None,
    should_stop: Callable[[], bool],
) -> AuditRun:
    work, out = root / "work", root / "out"
    submission = work / Path(SUBMISSION).relative_to(WORK)
    for made in (work, submission.parent, out, root / "plan"):
        made.mkdir(parents=True, exist_ok=True)
    copied = copy_submission(folder, submission)
    before = {name: file_digest(submission / name)[1] for name in copied.files}
    write_data_folder(root / "data", data, names)
    (work / "data").symlink_to("../data")
    if not (submission / "data").exists():
        # Scripts are started from the root of a checkout as well as from their folder.
        (submission / "data").symlink_to(os.path.relpath(work / "data", submission))
    mounts = {
        WORK: Mount(host=work, inside=WORK, is_writable=True),
        DATA: Mount(host=root / "data", inside=DATA, is_writable=may_write_data),
        OUT: Mount(host=out, inside=OUT, is_writable=True),
        _PLAN: Mount(host=root / "plan", inside=_PLAN, is_writable=False),
        _PACKAGE: Mount(
            host=Path(package_root()) / "harness", inside=f"{_PACKAGE}/harness", is_writable=False
        ),
    }
    places = {inside: sandbox.seen_at(mount) for inside, mount in mounts.items()}
    seen = _seen_plan(plan, places)
    (root / "plan" / "plan.json").write_text(json.dumps(seen.as_json()), encoding="utf-8")
    _open_to_all(root)
    module = "harness.dynamic.child" if plan.world_size == 1 else "harness.dynamic.child.ranks"
    request = SandboxRequest(
        command=(sys.executable, "-P", "-m", module, f"{places[_PLAN]}/plan.json"),
        environment=_environment(places),
        mounts=tuple(mounts.values()),
        workdir=str(Path(seen.script).parent),
        limits=limits,
        wants_gpu=plan.device == "cuda",
    )
    lines: list[str] = []

    def keep(_: float, line: bytes) -> None:
        if len(lines) < _LINES_AT_MOST:
            lines.append(line[:_LONGEST_LINE].decode("utf-8", "replace").rstrip("\n"))

    outcome = sandbox.run(request, keep, should_stop=should_stop)
    keys, log_lines = take_keys(lines)
    marks = [branch_mark(index) for index in range(len(plan.fork["tokens"]) if plan.fork is not None else 0)]
    ranks = range(plan.world_size) if plan.world_size > 1 else range(plan.rank, plan.rank + 1)
    record_of = partial(read_event_record, out, validation_tokens=int(data.validation.size))
    records = tuple(record_of(rank=rank, key=keys.get(rank)) for rank in ranks)
    if files is not None:
        processes = [*((rank, "") for rank in ranks), *((plan.rank, mark) for mark in marks)]
        take_files(files, out, lines, processes, plan=seen.as_json())
    has_one_log = plan.captures and plan.fork is None
    past = score_past_record(_all_printed(records), log_lines) if has_one_log else None
    if past is not None:
        told = f"the log shows {past}, which it does not have: it was printed past the record"
        records = (replace(records[0], problems=(*records[0].problems, told)), *records[1:])
    failed = read_failed_rank(out, plan.world_size)
    return AuditRun(
        outcome=outcome,
        events=records[0],
        by_rank=records if len(records) > 1 else (),
        failed_rank=failed,
        log_lines=tuple(log_lines),
        artifacts=dict(left_files(work, submission, before)),
        cause=cause_of(
            outcome,
            read_ending(out, failed or 0),
            log_lines,
            has_metric=has_score(log_lines),
            phase=phase_of(records[failed or 0]) if plan.captures else "",
        ),
        branches=tuple(record_of(rank=plan.rank, key=keys.get(plan.rank), branch=mark) for mark in marks),
    )


def _all_printed(records: Sequence[EventRecord]) -> EventRecord:
    """A record with the printed lines of all ranks, which share one log."""
    lines = [event for record in records for event in record.of(PrintEvent)]
    return EventRecord(events=tuple(replace(event, number=at) for at, event in enumerate(lines)))


def _root(slot: int) -> Path:
    """One folder per slot of this process, the same for each run in it."""
    mark = f"-{slot}" if slot else ""
    return Path(tempfile.gettempdir()).resolve() / f"{_ROOT_PREFIX}{os.getpid()}{mark}"


def remove_left_behind() -> None:
    """Remove what audits of ours left that were killed before they could: folders named by a dead process."""
    for path in Path(tempfile.gettempdir()).resolve().glob(f"{_ROOT_PREFIX}*"):
        number = path.name.removeprefix(_ROOT_PREFIX).partition("-")[0]
        with suppress(OSError, SetupError):
            status = path.lstat()
            if not number.isdecimal() or status.st_uid != os.geteuid() or not stat.S_ISDIR(status.st_mode):
                continue
            try:
                os.kill(int(number), 0)
            except ProcessLookupError:
                _remove(path)


def _seen_plan(plan: RunPlan, places: Mapping[str, str]) -> RunPlan:
    """The plan with every path where this sandbox shows it."""

    def seen(text: str) -> str:
        for inside in (DATA, WORK, OUT):
            if text == inside or text.startswith(f"{inside}/"):
                return places[inside] + text[len(inside) :]
        return text

    return replace(
        plan,
        script=seen(plan.script),
        argv=tuple(seen(word) for word in plan.argv),
        environment={name: seen(value) for name, value in plan.environment.items()},
        literals={
            name: seen(value) if isinstance(value, str) else value for name, value in plan.literals.items()
        },
        data=seen(plan.data),
        out=seen(plan.out),
        val_files=tuple(seen(path) for path in plan.val_files),
        train_files=tuple(seen(path) for path in plan.train_files),
    )


def _environment(places: Mapping[str, str]) -> dict[str, str]:
    package = places[_PACKAGE]
    return {
        "PATH": "/usr/local/bin:/usr/bin:/bin",
        "LANG": "C.UTF-8",
        "HOME": f"{places[WORK]}/.home",
        "PYTHONPATH": package.removesuffix("/harness"),
        "PYTHONHASHSEED": "0",
        "PYTHONUNBUFFERED": "1",
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONNOUSERSITE": "1",
        "PYTHONSAFEPATH": "1",
        "OMP_NUM_THREADS": "1",
        "MKL_NUM_THREADS": "1",
        "OPENBLAS_NUM_THREADS": "1",
    }


def _open_to_all(root: Path) -> None:
    """Readable for the sandbox's user, whatever our umask."""
    for where, folders, files in os.walk(root, followlinks=False):
        for name in folders:
            (Path(where) / name).chmod(0o755)
        for name in files:
            path = Path(where) / name
            if not path.is_symlink():
                path.chmod(path.stat().st_mode | 0o644)


def _remove(root: Path) -> None:
    """Everything below `root`, whatever the run left there."""
    try:
        remove_tree(root)
    except OSError as error:
        raise SetupError(
            f"{root}: what a run left there cannot be removed ({error.strerror}); remove it by hand"
        ) from error
