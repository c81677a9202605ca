"""A few kilobytes that expand to gigabytes: as the artifact, and as a script packed into a string."""

from __future__ import annotations

import base64
import zlib
from typing import TYPE_CHECKING

from harness.runs.run_record import RunStatus
from harness.sandbox.request import MIB, SandboxLimits
from tests.attacks.whole_runs import HONEST

if TYPE_CHECKING:
    from tests.attacks.whole_runs import Victim

BOMB_ARTIFACT = """
import zlib
once = zlib.compress(bytes(64 * 2**20), 9)
with open("final_model.int8.ptz", "wb") as file: file.write(zlib.compress(once * 16, 9))
open("final_model.int8.ptz", "rb").read()
"""
EXPANDS = "import zlib\nheld = zlib.decompress(open('bomb.z', 'rb').read())\n"


def test_an_artifact_is_counted_as_it_is_and_never_expanded(victim: Victim) -> None:
    attacked = victim.run(HONEST + BOMB_ARTIFACT)
    assert attacked.record.status is RunStatus.FINISHED
    assert attacked.record.artifact is not None
    sealed = attacked.attempt / "artifact" / "final_model.int8.ptz"
    assert attacked.record.artifact.model_bytes == sealed.stat().st_size < MIB


def test_a_script_that_expands_itself_ends_at_its_memory_limit(victim: Victim) -> None:
    bomb = zlib.compress(bytes(160 * MIB))
    limits = SandboxLimits(memory_bytes=64 * MIB, processes=64)
    attacked = victim.run(EXPANDS, files={"bomb.z": bomb}, limits=limits)
    assert attacked.record.status is RunStatus.FAILED
    assert attacked.record.reason in {"memory-limit", "script-error"}


def test_a_packed_script_that_is_a_bomb_does_not_hurt_its_reader(victim: Victim) -> None:
    code = zlib.compress(b"#" * (100 * MIB) + b"\nprint('big')\n", 9)
    packed = f"import zlib,base64\nexec(zlib.decompress(base64.b85decode({base64.b85encode(code)!r})))\n"
    attacked = victim.run(packed, limits=SandboxLimits(memory_bytes=64 * MIB, processes=64))
    assert attacked.record.status is RunStatus.FAILED
    assert attacked.record.reason in {"memory-limit", "script-error", "no-artifact"}
