"""What the guarded child is made to do in tests."""

from __future__ import annotations

import os
import signal
import sys
import tempfile
import time


def probe(argument: str, blobs: list[bytes]) -> object:
    """Do what the test's keyword asks for."""
    match argument:
        case "sizes":
            return [len(blob) for blob in blobs]
        case "memory":
            return len(bytearray(2**30))
        case "processor":
            while True:
                pass
        case "sleep":
            time.sleep(60)
        case "deep":
            raise RecursionError
        case "long":
            return "x" * 2**17
        case "bug":
            raise KeyError("missing")
        case "write":
            with tempfile.TemporaryFile() as file:
                file.write(b"x" * 10)
                file.flush()
        case "print":
            print("noise")
            return "quiet"
        case "state":
            return {"pid": os.getpid(), "environment": sorted(os.environ), "site": "site" in sys.modules}
        case "descriptors":
            return sorted(os.listdir("/proc/self/fd"))  # noqa: PTH208
        case _:
            os.kill(os.getpid(), getattr(signal, argument))
    return None
