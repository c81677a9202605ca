from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import pytest

from harness.dynamic.event_record import read_event_record, take_keys
from harness.dynamic.events import ExchangeEvent
from harness.dynamic.run_causes import read_ending, read_failed_rank
from harness.dynamic.run_plan import RunPlan

ROOT = Path(__file__).parents[4]
MEET = """
    import json, os
    import torch, torch.distributed as dist
    rank = int(os.environ["RANK"])
    dist.init_process_group(backend="nccl", device_id=torch.device("cuda", rank))
"""


def run_ranks(folder: Path, script: str, **changes: Any) -> subprocess.CompletedProcess[str]:
    """Two ranks of a script in the new folder."""
    (folder / "out").mkdir(parents=True)
    (folder / "train_gpt.py").write_text(textwrap.dedent(script))
    fields: dict[str, Any] = {
        "script": str(folder / "train_gpt.py"),
        "data": str(folder),
        "out": str(folder / "out"),
        "vocab_size": 64,
        "world_size": 2,
        "captures": False,
        **changes,
    }
    (folder / "plan.json").write_text(json.dumps(RunPlan(**fields).as_json()))
    return subprocess.run(
        [sys.executable, "-m", "harness.dynamic.child.ranks", str(folder / "plan.json")],
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


@pytest.fixture(scope="module")
def exchanged(tmp_path_factory: pytest.TempPathFactory) -> tuple[list[str], list[list[ExchangeEvent]]]:
    """What two ranks said that exchange something, and what was told of it."""
    folder = tmp_path_factory.mktemp("ranks") / "run"
    done = run_ranks(
        folder,
        MEET
        + """
    total = torch.full((2,), 1.0 + rank, device="cuda")
    dist.all_reduce(total)
    parts = torch.empty(2, device="cuda")
    dist.all_gather_into_tensor(parts, torch.full((1,), float(rank), device="cuda"))
    dist.barrier(device_ids=[rank])
    model = torch.nn.parallel.DistributedDataParallel(torch.nn.Linear(2, 1).cuda(), device_ids=[rank])
    model(total[None] * (1 + rank)).sum().backward()
    grad = model.module.weight.grad.tolist()
    print("SAID " + json.dumps([total.tolist(), parts.tolist(), dist.get_backend(), grad]), flush=True)
    dist.destroy_process_group()
""",
        captures=True,
    )
    assert done.returncode == 0, done.stderr
    keys, lines = take_keys(done.stdout.splitlines())
    records = [read_event_record(folder / "out", rank=rank, key=keys[rank]) for rank in (0, 1)]
    assert [record.problems for record in records] == [(), ()]
    return lines, [list(record.of(ExchangeEvent)) for record in records]


def test_two_ranks_add_up_what_each_holds(exchanged: Any) -> None:
    said = json.dumps([[3.0, 3.0], [0.0, 1.0], "nccl", [[4.5, 4.5]]])
    assert exchanged[0] == [f"SAID {said}"] * 2


def test_each_rank_tells_what_it_gave_and_got(exchanged: Any) -> None:
    first = [events[0] for events in exchanged[1]]
    assert [(each.op, each.reduction, each.given, each.got) for each in first] == [
        ("all_reduce", "sum", (1.0, 1.0), (3.0, 3.0)),
        ("all_reduce", "sum", (2.0, 2.0), (3.0, 3.0)),
    ]


def test_ranks_tell_the_same_exchanges_in_the_same_order(exchanged: Any) -> None:
    ops = [[(each.op, each.size) for each in events] for events in exchanged[1]]
    assert ops[0] == ops[1]
    assert [op for op, _ in ops[0]] == ["all_reduce", "all_gather_into_tensor", "barrier", "ddp", "ddp"]


def test_a_rank_that_fails_ends_the_others_and_is_named(tmp_path: Path) -> None:
    done = run_ranks(
        tmp_path / "run",
        MEET
        + """
    if rank == 1:
        raise ValueError("not this rank")
    while True:
        pass
""",
    )
    out = tmp_path / "run" / "out"
    assert (done.returncode, read_failed_rank(out, 2)) == (1, 1)
    assert read_ending(out, 1)["message"] == "not this rank"


def test_a_key_told_by_a_script_is_not_that_of_another_rank(tmp_path: Path) -> None:
    forged = "golf-record 1 " + "0" * 32
    done = run_ranks(tmp_path / "run", f"print({forged!r}, flush=True)\n", captures=True)
    keys, lines = take_keys(done.stdout.splitlines())
    assert keys[1] != "0" * 32
    assert forged in lines
