"""Ranks find each other without a name service; with torch at hand, inside the sandbox itself."""

from __future__ import annotations

import importlib.util
import sys
from typing import TYPE_CHECKING

import pytest

from harness.sandbox.confinement import interpreter_folders
from harness.sandbox.rank_command import free_port, rank_command
from harness.sandbox.request import EndKind, Mount, SandboxLimits, SandboxRequest
from tests.harness.sandbox.sandboxes import sandbox_here

if TYPE_CHECKING:
    from pathlib import Path

SUM_OF_RANKS = r"""
import os
import torch
import torch.distributed as dist

dist.init_process_group("gloo")
value = torch.tensor([dist.get_rank() + 1.0])
dist.all_reduce(value)
os.write(1, f"sum {value.item()} of {os.environ['WORLD_SIZE']}\n".encode())  # whole lines, not pieces
dist.destroy_process_group()
"""


def torch_is_in_reach() -> bool:
    found = importlib.util.find_spec("torch")
    folders = ("/usr/", *(f"{folder}/" for folder in interpreter_folders()))
    return found is not None and str(found.origin).startswith(folders)


def test_ranks_meet_at_a_fixed_place_on_loopback() -> None:
    made = rank_command("python", "train.py", ("--fast",), ranks=8)
    assert made.command[:4] == ("python", "-P", "-m", "torch.distributed.run")
    assert made.command[-2:] == ("train.py", "--fast")
    assert {"--nproc-per-node=8", "--master-addr=127.0.0.1", "--master-port=29500"} <= set(made.command)
    assert "--standalone" not in made.command
    assert made.environment["NCCL_SOCKET_IFNAME"] == "lo"


def test_no_ranks_is_the_script_alone() -> None:
    made = rank_command("python", "train.py", ranks=0)
    assert (made.command, dict(made.environment)) == (("python", "train.py"), {})


def test_negative_ranks_are_our_own_mistake() -> None:
    with pytest.raises(ValueError, match="-1 ranks"):
        rank_command("python", "train.py", ranks=-1)


def test_free_port_is_one_a_program_may_use() -> None:
    assert 1024 <= free_port() < 65_536


@pytest.mark.skipif(not torch_is_in_reach(), reason="torch is not installed with this interpreter")
@pytest.mark.parametrize("name", ["bwrap", "landlock"])
def test_two_ranks_sum_a_number_inside_the_sandbox(name: str, tmp_path: Path) -> None:
    sandbox = sandbox_here(name)
    (tmp_path / "code").mkdir()
    (tmp_path / "code" / "train.py").write_text(SUM_OF_RANKS, encoding="ascii")
    code = Mount(host=tmp_path / "code", inside="/code", is_writable=False)
    made = rank_command(sys.executable, f"{sandbox.seen_at(code)}/train.py", ranks=2)
    request = SandboxRequest(
        command=made.command,
        environment={"PATH": "/usr/bin:/bin", "OMP_NUM_THREADS": "1", **made.environment},
        mounts=(code,),
        limits=SandboxLimits(wall_seconds=300.0, processes=500, memory_bytes=8 * 2**30),
    )
    lines: list[bytes] = []
    outcome = sandbox.run(request, lambda _, line: lines.append(line))
    assert (outcome.kind, outcome.exit_code) == (EndKind.EXITED, 0), b"".join(lines)[-3000:]
    assert b"".join(lines).count(b"sum 3.0 of 2") == 2
    assert outcome.survivors_killed == 0
