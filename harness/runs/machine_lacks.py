"""Scripts that ended with an error because of what this machine lacks or does: no failure of theirs.

Told by the end of the log, which a script may forge; all it wins is a run that does not count.
"""

from __future__ import annotations

import re
import sys
from dataclasses import replace
from typing import TYPE_CHECKING

from harness.runs.run_record import RunStatus
from harness.sandbox.request import Protection

if TYPE_CHECKING:
    from pathlib import Path

    from harness.runs.run_record import RunRecord

# Reasons of records; the same machine would not do better a second time.
LACKS = frozenset({"needs-gpu", "missing-package", "needs-newer-python"})
_END_BYTES = 8_192
_GPU = re.compile(r"(?im)^[^\n]*\b(?:cuda|nvidia|nccl|gpu|cudnn|triton)\b[^\n]*$")
_PACKAGE = re.compile(r"(?m)^(?:ModuleNotFoundError|ImportError): No module named '([\w.]{1,100})'")
_PORT_TAKEN = re.compile(r"(?im)^[^\n]*\b(?:EADDRINUSE|address already in use)\b[^\n]*$")
_NEW_F_STRING = re.compile(r"(?m)^SyntaxError: f-string")


def blamed_rightly(record: RunRecord, logs: tuple[Path, ...]) -> RunRecord:
    """The record, its status could-not-run where the script failed for want of a GPU, a package or a Python.

    So it is where the ranks share the machine's network and another program had taken the port they meet at;
    that is a fault which passes, and the seed is tried again.
    `logs` are those of the steps in order; the last one that is there ends with the reason.
    """
    if record.status is not RunStatus.FAILED or record.reason != "script-error":
        return record
    end = next((found for log in reversed(logs) if (found := _end(log))), "")
    lack = _lack(end, has_gpu=bool(record.machine.get("gpus")))
    if lack is None and Protection.LOOPBACK_ONLY not in record.protections and _PORT_TAKEN.search(end):
        lack = "machine-fault", "another program took the port at which the ranks were to meet; run it again"
    if lack is None:
        return record
    reason, message = lack
    return replace(record, status=RunStatus.COULD_NOT_RUN, reason=reason, message=message)


def _lack(end: str, *, has_gpu: bool) -> tuple[str, str] | None:
    if package := _PACKAGE.search(end):
        name = package[1].partition(".")[0]
        return (
            "missing-package",
            f"the script needs the package {name}, which is not installed here; install it",
        )
    if sys.version_info < (3, 12) and _NEW_F_STRING.search(end):
        here = f"{sys.version_info.major}.{sys.version_info.minor}"
        return "needs-newer-python", f"the script uses f-strings of Python 3.12; this is Python {here}"
    lines = _GPU.findall(end)
    if lines and not has_gpu:
        said = lines[-1].strip()[:200]
        return "needs-gpu", f"the script needs a GPU and this machine has none; its log ends with: {said}"
    return None


def _end(log: Path) -> str:
    try:
        with log.open("rb") as file:
            file.seek(max(file.seek(0, 2) - _END_BYTES, 0))
            return file.read(_END_BYTES).decode("utf-8", "replace")
    except OSError:
        return ""
