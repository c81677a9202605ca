"""Why a script could not be driven to its end, by cause: what its author, this machine or we are to mend."""

from __future__ import annotations

import json
import os
import re
import stat
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import TYPE_CHECKING, Any, NamedTuple

from harness.sandbox.request import EndKind

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from harness.sandbox.request import SandboxOutcome

ENDING_NAME = "ending.json"  # as harness.dynamic.child.ending writes it
RANKS_NAME = "ranks.json"  # as harness.dynamic.child.ranks writes it
_ENDING_BYTES = 64 * 2**10
_LONGEST = 400
_LONGEST_NAME = 80
_LONGEST_MESSAGE = 2_000
_LONGEST_TEXT = 300
_MOST_FRAMES = 12
_MOST_LINES = 10_000_000
_OUR_FOLDER = "/harness/dynamic/"
# Packages that hold compiled kernels for CUDA and nothing to stand in for them on a CPU.
_KERNEL_PACKAGES = re.compile(
    r"\b(?:mamba_ssm|causal_conv1d|fla|flash[-_]linear[-_]attention|cutlass|transformer_engine|apex|xformers|deepspeed"
    r"|quack|thunderkittens|tilelang|cuda|cupy|nvmath|natten)\b"
)
_MISSING_MODULE = re.compile(r"No module named '?([\w.]+)'?")
# Scripts that look for their packages themselves and say it in their own words.
_WANTS_PACKAGES = re.compile(
    r"(?i)pip install"
    r"|\b(?:missing|not installed|required)\b.{0,60}\b(?:deps|dependenc\w+|packages?|modules?)\b"
)
_BROKEN = frozenset({"NameError", "SyntaxError", "IndentationError", "UnboundLocalError"})
_LAST_ERROR = re.compile(r"^(?:[\w.]*\.)?(\w*(?:Error|Exception|Interrupt|Exit|Warning))(?::\s*(.*))?$")


class CauseKind(StrEnum):
    """By who must act."""

    TIME = "time"
    MEMORY = "memory"
    DISK = "disk"
    PROCESSES = "processes"
    OUTPUT = "output"  # more printed than is kept
    MISSING_MODULE = "missing-module"  # an ordinary package this machine lacks
    CUDA_MODULE = "cuda-module"  # compiled kernels without a stand-in
    MISSING_FILE = "missing-file"
    BROKEN_SCRIPT = "broken-script"  # an error that no setting explains
    SETTINGS = "settings"  # shapes, assertions, values: as likely our small settings as the script
    STAND_IN = "stand-in"  # raised inside our own code
    NO_METRIC = "no-metric"  # it ended well without printing a score
    CRASH = "crash"
    MACHINE = "machine"


OF_THIS_MACHINE = frozenset(
    {
        CauseKind.TIME,
        CauseKind.MEMORY,
        CauseKind.DISK,
        CauseKind.PROCESSES,
        CauseKind.MISSING_MODULE,
        CauseKind.CUDA_MODULE,
        CauseKind.MACHINE,
    }
)
"""Causes that may be gone when the same is asked again, here or elsewhere."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunCause:
    """One cause in words; `line` is the script's innermost line that took part, None when none did."""

    kind: CauseKind
    message: str
    line: int | None = None
    names: frozenset[str] = field(default_factory=frozenset)
    """Words of the error and of its line that may be settings, in lower case."""


class _Frame(NamedTuple):
    """A frame of a traceback; `line` is None where none is told that could be one."""

    file: str
    line: int | None
    text: str


def read_ending(folder: Path, rank: int = 0) -> dict[str, Any]:
    """What a rank of the child says of its ending: bounded, of a regular file, {} for anything else.

    Its script could write that file: what stands in it may be of any type.
    """
    return _said(folder / (ENDING_NAME if rank == 0 else f"ending.rank{rank}.json"))


def read_failed_rank(folder: Path, world_size: int) -> int | None:
    """The rank of several that failed first, as the child says; None where it says none."""
    failed = _said(folder / RANKS_NAME).get("failed") if world_size > 1 else None
    return failed if type(failed) is int and 0 <= failed < world_size else None


def _said(path: Path) -> dict[str, Any]:
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return {}
    with os.fdopen(handle, "rb") as file:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            return {}
        data = file.read(_ENDING_BYTES + 1)
    try:
        said = json.loads(data) if len(data) <= _ENDING_BYTES else {}
    except (ValueError, RecursionError):
        return {}
    return said if isinstance(said, dict) else {}


def cause_of(
    outcome: SandboxOutcome,
    ending: Mapping[str, Any],
    lines: Sequence[str],
    *,
    has_metric: bool,
    phase: str = "",
) -> RunCause | None:
    """Why the run did not end with a score; None when it did.

    Of `ending` only what has the type that the child gives it counts, and no more of it than that writes.
    `lines` are those of its log: a traceback in them counts where the child could not write its ending.
    `phase` says how far it had come, "" where that is not known.
    """
    cause = _cause(outcome, ending, lines, has_metric=has_metric)
    if cause is None or not phase or cause.kind in {CauseKind.NO_METRIC, CauseKind.MACHINE}:
        return cause
    return replace(cause, message=f"{cause.message} ({phase})")


def _cause(
    outcome: SandboxOutcome, ending: Mapping[str, Any], lines: Sequence[str], *, has_metric: bool
) -> RunCause | None:
    limits = {
        EndKind.TIME_LIMIT: CauseKind.TIME,
        EndKind.MEMORY_LIMIT: CauseKind.MEMORY,
        EndKind.DISK_LIMIT: CauseKind.DISK,
        EndKind.LOG_LIMIT: CauseKind.OUTPUT,
        EndKind.PROCESS_LIMIT: CauseKind.PROCESSES,
        EndKind.MACHINE_FAULT: CauseKind.MACHINE,
        EndKind.STOPPED: CauseKind.MACHINE,
    }
    if outcome.kind in limits:
        return RunCause(kind=limits[outcome.kind], message=outcome.detail[:_LONGEST])
    if outcome.kind is EndKind.EXITED and outcome.exit_code == 0:
        if has_metric:
            return None
        message = "it ended without printing a score on validation text"
        return RunCause(kind=CauseKind.NO_METRIC, message=message)
    error, message = _error(ending, lines)
    if not error:
        return RunCause(kind=CauseKind.CRASH, message=outcome.detail[:_LONGEST])
    frames = _frames(ending.get("frames"))
    return RunCause(
        kind=_kind(error, message, frames),
        message=_words(error, message, frames, outcome.exit_code),
        line=_script_line(frames),
        names=_names(message, frames),
    )


def _words(error: str, message: str, frames: Sequence[_Frame], exit_code: int | None) -> str:
    """The error in words; one that says nothing is told by the line that raised it."""
    if message:
        return f"{error}: {message}"[:_LONGEST]
    if error == "SystemExit":
        return f"it ended itself with exit status {exit_code}"
    text = frames[-1].text.strip() if frames else ""
    return f"{error} at `{text}`"[:_LONGEST] if text else error


def _error(ending: Mapping[str, Any], lines: Sequence[str]) -> tuple[str, str]:
    error = _text(ending.get("error"), _LONGEST_NAME)
    if error:
        return error, _text(ending.get("message"), _LONGEST_MESSAGE)
    for line in reversed(lines[-200:]):
        match = _LAST_ERROR.match(line.strip()[:_LONGEST_MESSAGE])
        if match is not None:
            return match[1], match[2] or ""
    return "", ""


def _text(value: Any, longest: int) -> str:
    """The start of a text, "" for anything else. JSON can hold halves of characters, which are no text."""
    return value[:longest].encode("utf-8", "replace").decode() if isinstance(value, str) else ""


def _frames(value: Any) -> list[_Frame]:
    """The innermost frames, outermost first."""
    told = [one for one in value[-_MOST_FRAMES:] if isinstance(one, dict)] if isinstance(value, list) else []
    return [
        _Frame(
            _text(one.get("file"), _LONGEST_TEXT),
            _line(one.get("line")),
            _text(one.get("text"), _LONGEST_TEXT),
        )
        for one in told
    ]


def _line(value: Any) -> int | None:
    return value if type(value) is int and 0 < value <= _MOST_LINES else None


def _kind(error: str, message: str, frames: Sequence[_Frame]) -> CauseKind:
    if error in {"ModuleNotFoundError", "ImportError"}:
        match = _MISSING_MODULE.search(message)
        name = match[1] if match is not None else message
        return CauseKind.CUDA_MODULE if _KERNEL_PACKAGES.search(name) else CauseKind.MISSING_MODULE
    if _WANTS_PACKAGES.search(message):
        return CauseKind.CUDA_MODULE if _KERNEL_PACKAGES.search(message) else CauseKind.MISSING_MODULE
    if error == "FileNotFoundError":
        return CauseKind.MISSING_FILE
    if error == "MemoryError":
        return CauseKind.MEMORY
    innermost = frames[-1].file if frames else ""
    if _OUR_FOLDER in innermost or error == "NotImplementedError":
        return CauseKind.STAND_IN
    if error in _BROKEN:
        return CauseKind.BROKEN_SCRIPT
    return CauseKind.SETTINGS


def _script_line(frames: Sequence[_Frame]) -> int | None:
    return next((one.line for one in reversed(frames) if _is_script(one) and one.line is not None), None)


def _names(message: str, frames: Sequence[_Frame]) -> frozenset[str]:
    """Words with an underscore, or all in capitals: how settings are spelled."""
    text = " ".join([message, *(frame.text for frame in frames if _is_script(frame))])
    return frozenset(
        word.lower() for word in re.findall(r"[A-Za-z]\w{2,60}", text) if "_" in word or word.isupper()
    )


def _is_script(frame: _Frame) -> bool:
    return "/submission/" in frame.file
