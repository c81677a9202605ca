"""What an evaluation is shown of the data: no training shards, no validation shards where we own the score.

A folder of copies, so that every kind of sandbox shows the same and nothing lies beside it.
"""

from __future__ import annotations

import shutil
from dataclasses import replace
from typing import TYPE_CHECKING

from harness.errors import SetupError
from harness.tokens.shard_file import shard_paths

if TYPE_CHECKING:
    from pathlib import Path

    from harness.runs.seed_job import SeedJob


def tokenizer_of(job: SeedJob) -> Path:
    """The tokenizer of the job's data. Raises `SetupError` where there is not exactly one."""
    found = [job.tokenizer] if job.tokenizer is not None else sorted(job.data.glob("*.model"))
    if len(found) != 1:
        raise SetupError(
            f"{job.data}: holds {len(found)} tokenizers (*.model), and the score needs one; name it with "
            "--tokenizer FILE"
        )
    return found[0]


def evaluation_job(job: SeedJob, folder: Path, *, with_validation: bool) -> SeedJob:
    """The job with a new folder below `folder` as its data: the tokenizer, the validation shards if wanted.

    It has the name of the data it stands for, which scripts may look for. Raises `SetupError` where something
    is missing or cannot be copied.
    """
    tokenizer = tokenizer_of(job)
    wanted = [tokenizer, *(shard_paths(job.data, "val") if with_validation else ())]
    shown = folder / job.data.name
    try:
        shown.mkdir(parents=True)
        for path in wanted:
            shutil.copyfile(path, shown / path.name)
            (shown / path.name).chmod(0o444)
        for each in (folder, shown):
            each.chmod(0o755)  # whatever our umask: the command may run as another user
    except OSError as error:
        raise SetupError(
            f"{folder}: the data of the evaluation cannot be copied there ({error.strerror}); free space"
        ) from error
    return replace(job, data=shown, tokenizer=shown / tokenizer.name)
