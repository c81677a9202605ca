"""Read one train log: bytes in, runs out. Never raises for bad input; problems are values."""

from __future__ import annotations

import hashlib
import re

from harness.logs.grammar import read_events
from harness.logs.runs import assemble, mark_duplicates
from harness.logs.segments import split_runs
from harness.logs.text import read_text
from harness.logs.training_log import LogFile, LogProblem, PassKind, Run

# Names of text files that are never a run's output (all of them occur in submissions).
_NOT_A_LOG = re.compile(
    r"(?:requirements|reqs|vocab|merges|readme|license|copying|notice|cmakelists|manifest|sha\d*sums?|checksums?"
    r"|pr_body|commit_sha|notes|changelog|authors|citation|robots)(?![a-z])",
    re.IGNORECASE,
)
_LOG_NAME = re.compile(r"\.(?:log|out|txt)$|\.(?:log|out|txt)\.\d{1,3}$", re.IGNORECASE)
_BARE_NAME = re.compile(r"(?:typescript|script|nohup|stdout|stderr|log|train_?log|output)\d*$", re.IGNORECASE)
# More runs than this in one file come from a hostile file, not from a person.
MOST_RUNS = 400


def looks_like_log(path: str) -> bool:
    """True when the name may be a run's output: .log, .txt, .out, or a bare name such as `script`.

    Looks at the name only; folders do not matter. Requirements, vocabularies and prose are left out.
    """
    name = path.rpartition("/")[2]
    if name.startswith("."):
        return False
    if _BARE_NAME.match(name):
        return True
    return _LOG_NAME.search(name) is not None and _NOT_A_LOG.match(name) is None


def read_log(path: str, data: bytes, size_bytes: int) -> LogFile:
    """Parse a log. `path` is relative to the submission, `size_bytes` the file's true size.

    `data` may hold only the start of the file; then, and for files over the caps of `text`, a
    "too-large" problem says what was not read.
    """
    digest = hashlib.sha256(data).hexdigest()
    if not data.strip():
        problem = LogProblem(kind="empty", message=f"{path} is empty ({size_bytes:,} bytes)")
        return LogFile(path=path, size_bytes=size_bytes, sha256=digest, encoding="utf-8", problems=(problem,))
    text = read_text(path, data, size_bytes)
    problems = list(text.problems)
    events = list(read_events(path, text.lines))
    parts = split_runs(events, [dump.first_line for dump in text.dumps])
    if len(parts) > MOST_RUNS:
        message = f"{path} seems to hold {len(parts):,} runs; the first {MOST_RUNS:,} were read"
        problems.append(LogProblem(kind="too-large", message=message))
    runs = mark_duplicates([assemble(path, part) for part in parts[:MOST_RUNS]])
    problems += _problems(path, runs, bool(text.lines))
    return LogFile(
        path=path,
        size_bytes=size_bytes,
        sha256=digest,
        encoding=text.encoding,
        runs=tuple(run for run in runs if _says_something(run)),
        dumps=text.dumps,
        problems=tuple(problems),
        wall_stamps=text.wall_stamps,
        stamped_lines=text.stamped_lines,
    )


def _says_something(run: Run) -> bool:
    return bool(
        run.has_training
        or run.passes
        or run.sizes
        or run.seed
        or run.timed
        or run.world_size
        or run.traceback
        or run.gpu_count
    )


def _problems(path: str, runs: tuple[Run, ...], has_text: bool) -> list[LogProblem]:
    found = []
    if has_text and not any(run.has_training or run.passes for run in runs):
        message = f"{path} holds no training step and no evaluation score that this reader knows"
        found.append(LogProblem(kind="no-events", message=message))
    for run in runs:
        if not run.ended and run.duplicate_of is None:
            reached = run.last_step.value if run.last_step else None
            last = f"step {reached:,}" if reached is not None else "training"
            message = (
                f"the run at line {run.first_line:,} of {path} ends after {last} without a final evaluation"
            )
            found.append(LogProblem(kind="truncated", message=message, line=run.last_line))
    return found


__all__ = ["PassKind", "looks_like_log", "read_log"]
