from __future__ import annotations

import pytest
import torch

from harness.errors import SetupError
from reference_model.distributed import World, joined_world


def test_one_process_needs_no_launcher(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("WORLD_SIZE", raising=False)
    with joined_world(torch.device("cpu")) as world:
        assert (world.rank, world.size, world.is_main) == (0, 1, True)


def test_a_lone_process_keeps_its_sums() -> None:
    assert World().sum_(torch.tensor([1.0, 2.0])).tolist() == [1.0, 2.0]


def test_a_rank_outside_the_world_is_the_operators_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RANK", "3")
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(SetupError, match="RANK 3 is outside WORLD_SIZE 2"), joined_world():
        pass


def test_a_rank_that_is_no_number_is_the_operators_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RANK", "first")
    with pytest.raises(SetupError, match="whole numbers"), joined_world():
        pass
