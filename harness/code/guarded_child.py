"""The inside of the guarded process: sets its own limits, then answers one request after another.

Frames in both directions: 8 bytes length (big-endian), then JSON. A request's JSON names the blobs that
follow it by their lengths. Only functions named by our own parent are called; submission code never is.
"""

from __future__ import annotations

import gc
import importlib
import json
import os
import sys
import traceback
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import BinaryIO

HEADER_BYTES = 8
# Syntax trees and what is made of them live on until the answer and have hardly any cycles: looking for them
# as often as Python does by itself takes a tenth of the time.
_MADE_BEFORE_COLLECTING = 100_000


def _limit(name: str, soft: int, hard: int | None = None) -> bool:
    """Lower one limit as far as this system lets us; False where it does not."""
    try:
        import resource

        which = getattr(resource, name)
        _, ceiling = resource.getrlimit(which)
        if ceiling != resource.RLIM_INFINITY:
            soft = min(soft, ceiling)
        resource.setrlimit(which, (soft, ceiling if hard is None else min(soft, hard)))
    except (ImportError, AttributeError, ValueError, OSError):
        return False
    return True


def _memory_limit_in_force() -> int | None:
    try:
        import resource

        soft, _ = resource.getrlimit(resource.RLIMIT_AS)
    except (ImportError, AttributeError, ValueError, OSError):
        return None
    return None if soft == resource.RLIM_INFINITY else soft


def _address_space_bytes() -> int:
    """What this process has mapped now; 0 where the system does not say."""
    try:
        with open("/proc/self/statm", "rb") as statm:  # noqa: PTH123 - pathlib costs 10 ms of every start
            return int(statm.read().split()[0]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError, IndexError):
        return 0


def _read_exactly(stream: BinaryIO, size: int) -> bytes:
    data = stream.read(size)
    if len(data) < size:
        raise EOFError
    return data


def _answer(call: Callable[[Any, list[bytes]], Any], argument: object, blobs: list[bytes]) -> dict[str, Any]:
    try:
        return {"value": call(argument, blobs)}
    except MemoryError:
        return {"limit": "memory", "memory_limit": _memory_limit_in_force()}
    except RecursionError:
        return {"limit": "depth"}
    except Exception:
        return {"bug": traceback.format_exc()[-20_000:]}


def _encode(answer: dict[str, Any]) -> bytes:
    try:
        return json.dumps(answer).encode("ascii")
    except MemoryError:
        return json.dumps({"limit": "memory", "memory_limit": _memory_limit_in_force()}).encode("ascii")


def _use_cpu_seconds(seconds: int) -> None:
    """Allow so many more seconds of processor time from now on."""
    used = os.times()
    _limit("RLIMIT_CPU", int(used.user + used.system) + 1 + seconds)


def serve(function: str, memory_bytes: int, cpu_seconds: int) -> None:
    """Answer requests from stdin on stdout until stdin ends. `function` is "package.module:name"."""
    replies = os.fdopen(os.dup(1), "wb")
    requests = os.fdopen(os.dup(0), "rb")
    module_name, _, name = function.partition(":")
    call = getattr(importlib.import_module(module_name), name)
    # From here on nothing may reach the pipes but frames: a parser's warnings would fill them.
    nothing = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1):
        os.dup2(nothing, descriptor)
    gc.freeze()  # our own modules stay: no collection looks through them again
    gc.set_threshold(_MADE_BEFORE_COLLECTING, *gc.get_threshold()[1:])
    _limit("RLIMIT_CORE", 0, 0)
    _limit("RLIMIT_FSIZE", 0, 0)
    limited = _limit("RLIMIT_AS", memory_bytes, memory_bytes)
    replies.write(_frame(json.dumps({"ready": True, "memory_limited": limited}).encode()))
    replies.flush()
    os.dup2(nothing, 2)
    sys.stderr = open(os.devnull, "w")  # noqa: PTH123, SIM115 - lives as long as the process
    while True:
        try:
            request = json.loads(
                _read_exactly(requests, int.from_bytes(_read_exactly(requests, HEADER_BYTES)))
            )
            blobs = [_read_exactly(requests, size) for size in request["blobs"]]
        except EOFError:
            return
        _use_cpu_seconds(cpu_seconds)
        answer = _encode(_answer(call, request["argument"], blobs) | {"mapped_bytes": _address_space_bytes()})
        replies.write(_frame(answer))
        replies.flush()


def _frame(body: bytes) -> bytes:
    return len(body).to_bytes(HEADER_BYTES, "big") + body
