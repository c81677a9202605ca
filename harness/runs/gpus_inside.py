"""Whether the GPUs of the machine can be used from inside the sandbox, asked before a clock starts.

A sandbox that hides a device or a driver library makes scripts fall back to the processor in silence; the
driver is asked for the number of devices (cuInit, cuDeviceGetCount) with the mounts and variables of the run.
"""

from __future__ import annotations

import re
import sys
from dataclasses import replace
from typing import TYPE_CHECKING

from harness.errors import SetupError

if TYPE_CHECKING:
    from harness.sandbox.request import Sandbox, SandboxRequest

_SECONDS = 120.0  # the first cuInit after a boot wakes every device
PROBE = """
import ctypes
try:
    driver = ctypes.CDLL("libcuda.so.1")
    code, count = driver.cuInit(0), ctypes.c_int(0)
    if code == 0:
        code = driver.cuDeviceGetCount(ctypes.byref(count))
    print("golf-gpus", count.value, "cuInit said %d" % code)
except OSError as error:
    print("golf-gpus", 0, str(error)[:200])
"""
_ANSWER = re.compile(r"^golf-gpus (\d{1,4}) (.*)$", re.MULTILINE)


def refuse_hidden_gpus(sandbox: Sandbox, request: SandboxRequest, *, ranks: int) -> None:
    """Raise `SetupError` where a request that wants GPUs finds fewer inside than its ranks need."""
    if not request.wants_gpu:
        return
    output = bytearray()
    asked = replace(
        request,
        command=(sys.executable, "-I", "-S", "-B", "-c", PROBE),
        limits=replace(request.limits, wall_seconds=_SECONDS, log_bytes=2**16),
    )
    outcome = sandbox.run(asked, lambda _, line: output.extend(line))
    answer = _ANSWER.search(output.decode("utf-8", "replace"))
    found, said = (int(answer[1]), answer[2]) if answer is not None else (0, outcome.detail)
    wanted = max(ranks, 1)
    if found < wanted:
        raise SetupError(
            f"inside sandbox {sandbox.name} {found} of {wanted} GPUs can be used ({said.strip()[:300]}): a "
            "script would fall back to the processor. Mend the driver's libraries, or name the folder of "
            "libcuda.so.1 with --env LD_LIBRARY_PATH=DIR"
        )
