from __future__ import annotations

import json

import pytest

from harness.dynamic.run_plan import RunPlan
from harness.errors import SetupError


def plan(**changes: object) -> RunPlan:
    fields: dict[str, object] = {
        "script": "/golf/work/train_gpt.py",
        "data": "/golf/work/data",
        "out": "/golf/out",
        "vocab_size": 1024,
        **changes,
    }
    return RunPlan(**fields)  # type: ignore[arg-type]


def test_a_plan_read_back_from_its_json_is_equal() -> None:
    first = plan(argv=("--x", "1"), literals={"BUCKETS": 256}, environment={"ITERATIONS": "6"})
    assert RunPlan.from_json(json.loads(json.dumps(first.as_json()))) == first


def test_an_unknown_field_is_refused() -> None:
    with pytest.raises(SetupError, match="colour"):
        RunPlan.from_json({**plan().as_json(), "colour": "red"})


def test_a_rank_outside_the_world_is_refused() -> None:
    with pytest.raises(SetupError, match="rank 1"):
        plan(rank=1)


def test_several_ranks_are_neither_on_a_gpu_nor_forked() -> None:
    with pytest.raises(SetupError, match="on the CPU"):
        plan(world_size=2, device="cuda")
    with pytest.raises(SetupError, match="forked"):
        plan(world_size=2, fork={"tokens": [1]})
