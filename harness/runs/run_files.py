"""Files of a run: what the sandbox is shown of the data, what the watch calls a file, and digests."""

from __future__ import annotations

import hashlib
import json
import os
import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from harness.runs.script_phases import TRAIN, VALIDATION
from harness.sandbox.rank_command import USUAL_PORT, free_port
from harness.sandbox.request import Mount

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from harness.runs.seed_job import SeedJob
    from harness.sandbox.request import Sandbox, SandboxLimits
    from harness.watching.file_watch import FileEvent

_SHARE_OF_MEMORY = 0.9  # the rest keeps the machine and this harness alive

_VISIBLE_GPUS = "CUDA_VISIBLE_DEVICES"
WORK, DATA, TOKENIZER = "work", "data", "tokenizer"
# As in a checkout of openai/parameter-golf: scripts reach for ../../../data from where they lie.
_ROOT = "/golf"
_WORK_INSIDE = f"{_ROOT}/records/track_10min_16mb/submission"
_PLAIN_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,99}")


def usual_mounts(job: SeedJob, work: Path) -> dict[str, Mount]:
    """The working folder, the data, and the tokenizer where it does not lie beside the shards.

    They appear where a checkout of the challenge has them: three folders below the root, the shards in
    data/datasets under their folder's name, the tokenizer in data/tokenizers.
    """
    mounts = {
        WORK: Mount(host=work, inside=_WORK_INSIDE, is_writable=True),
        DATA: Mount(
            host=job.data, inside=f"{_ROOT}/data/datasets/{_plain(job.data.name)}", is_writable=False
        ),
    }
    tokenizer = job.tokenizer
    if tokenizer is not None and tokenizer.resolve().parent != job.data.resolve():
        mounts[TOKENIZER] = Mount(
            host=tokenizer, inside=f"{_ROOT}/data/tokenizers/{_plain(tokenizer.name)}", is_writable=False
        )
    return mounts


def _plain(name: str) -> str:
    """A name of the user's, or another where it could be read as more than a name."""
    return name if _PLAIN_NAME.fullmatch(name) else "data"


def script_environment(job: SeedJob, seen_at: Mapping[str, str]) -> dict[str, str]:
    """What the script is started with; `seen_at` says where it finds each of `usual_mounts`."""
    own = {"DATA_PATH": seen_at[DATA], "SEED": str(job.seed), "RUN_ID": f"train_seed{job.seed}"}
    if TOKENIZER in seen_at:
        own["TOKENIZER_PATH"] = seen_at[TOKENIZER]
    else:
        tokenizer = job.tokenizer or next(iter(sorted(job.data.glob("*.model"))), None)
        if tokenizer is not None:
            own["TOKENIZER_PATH"] = f"{seen_at[DATA]}/{tokenizer.name}"
    usual = {
        "PATH": "/usr/local/bin:/usr/bin:/bin",
        "LANG": "C.UTF-8",
        "HOME": f"{seen_at[WORK]}/.home",
        "PYTHONUNBUFFERED": "1",
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONNOUSERSITE": "1",  # HOME is the submission's: start-up files there would run uncounted
    }
    gpus = os.environ.get(_VISIBLE_GPUS, "")  # of a scheduler; Ray says none and means all
    if job.wants_gpu and gpus:
        own[_VISIBLE_GPUS] = gpus
    return {**usual, **job.settings, **own}


def sandbox_limits(job: SeedJob, wall_seconds: float) -> SandboxLimits:
    """What one sandbox of the job may use; of memory, where the job does not say, most of the machine's."""
    memory = job.limits.memory_bytes
    total = job.machine.get("memory_bytes")
    if memory is None and isinstance(total, int) and total > 0:
        memory = int(total * _SHARE_OF_MEMORY)
    return replace(job.limits, wall_seconds=wall_seconds, memory_bytes=memory)


def meeting_port(sandbox: Sandbox) -> int:
    """Where ranks meet: the usual port where the network is the run's own, else one that is free now."""
    return USUAL_PORT if sandbox.name == "bwrap" else free_port()


def split_label(event: FileEvent) -> FileEvent:
    """A file event of the data folder under the label of its split; others keep theirs."""
    if event.folder == DATA:
        name = event.path.rpartition("/")[2]
        if "_val_" in name:
            return replace(event, folder=VALIDATION)
        if "_train_" in name:
            return replace(event, folder=TRAIN)
    return event


def write_events(path: Path, events: Iterable[Any]) -> str:
    """Write watched events in the order of their times, one JSON object a line; the digest of the file."""
    lines = [json.dumps(event.as_json()) for event in sorted(events, key=lambda each: each.at)]
    text = ("\n".join(lines) + "\n").encode()
    path.write_bytes(text)
    return hashlib.sha256(text).hexdigest()


def folder_digest(folder: Path, files: Iterable[str]) -> str:
    """One digest of files by their names and bytes, in the order of the names."""
    digest = hashlib.sha256()
    for name in sorted(files):
        digest.update(f"{name}\0{file_digest(folder / name)}\n".encode("utf-8", "surrogateescape"))
    return digest.hexdigest()


def file_digest(path: Path) -> str:
    """SHA-256 of a file, in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
