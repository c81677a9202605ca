from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
import torch

from harness.errors import SetupError
from reference_model.config import Config, ConfigError
from reference_model.training.checkpoint import (
    Checkpoint,
    config_text,
    current_random_state,
    read_checkpoint,
    restore_random_state,
    write_checkpoint,
)

if TYPE_CHECKING:
    from pathlib import Path


def checkpoint(config: Config | None = None) -> Checkpoint:
    return Checkpoint(
        step=3,
        elapsed_ms=1234.5,
        loader_position=99,
        stream_tokens=1000,
        model={"w": torch.tensor([0.1, -0.2], dtype=torch.bfloat16)},
        optimizers={"adamw": {"state": {0: {"step": torch.tensor(3.0)}}, "param_groups": [{"lr": 0.1}]}},
        averages={"ema": {"updates": 3, "average": {"w": torch.tensor([0.5])}}},
        fake_quantization=True,
        random_state=current_random_state(torch.device("cpu")),
        config=config_text(config or Config()),
    )


def test_a_checkpoint_comes_back_as_it_was(tmp_path: Path) -> None:
    kept = checkpoint()
    write_checkpoint(tmp_path / "checkpoint.pt", kept)
    back = read_checkpoint(tmp_path / "checkpoint.pt", Config())
    assert (back.step, back.elapsed_ms, back.loader_position) == (3, 1234.5, 99)
    assert torch.equal(back.model["w"], kept.model["w"])
    assert back.model["w"].dtype == torch.bfloat16
    assert back.optimizers == kept.optimizers
    assert back.fake_quantization


def test_nothing_but_the_checkpoint_is_left_in_the_folder(tmp_path: Path) -> None:
    write_checkpoint(tmp_path / "checkpoint.pt", checkpoint())
    assert [path.name for path in tmp_path.iterdir()] == ["checkpoint.pt"]


def test_a_failed_write_keeps_the_earlier_checkpoint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "checkpoint.pt"
    write_checkpoint(path, checkpoint())
    before = path.read_bytes()

    def full_disk(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(torch, "save", full_disk)
    with pytest.raises(SetupError, match="No space left on device"):
        write_checkpoint(path, checkpoint())
    assert path.read_bytes() == before
    assert [each.name for each in tmp_path.iterdir()] == ["checkpoint.pt"]


@pytest.mark.parametrize("kept_bytes", [0, 10, 700])
def test_a_damaged_checkpoint_is_a_setup_error(tmp_path: Path, kept_bytes: int) -> None:
    path = tmp_path / "checkpoint.pt"
    write_checkpoint(path, checkpoint())
    path.write_bytes(path.read_bytes()[:kept_bytes])
    with pytest.raises(SetupError, match="no whole checkpoint"):
        read_checkpoint(path, Config())


def test_a_missing_checkpoint_says_to_start_afresh(tmp_path: Path) -> None:
    with pytest.raises(SetupError, match="leave --resume out"):
        read_checkpoint(tmp_path / "checkpoint.pt", Config())


def test_a_file_that_would_run_code_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "checkpoint.pt"
    torch.save({"format": 1, "step": SetupError("not plain")}, path)
    with pytest.raises(SetupError, match="no whole checkpoint"):
        read_checkpoint(path, Config())


def test_another_learning_rate_is_refused_by_name(tmp_path: Path) -> None:
    path = tmp_path / "checkpoint.pt"
    write_checkpoint(path, checkpoint())
    other = replace(Config(), optimizer=replace(Config().optimizer, matrix_lr=0.5))
    with pytest.raises(ConfigError, match=r"1 settings differ: optimizer\.matrix_lr: 0\.04 there, 0\.5 now"):
        read_checkpoint(path, other)


def test_other_logging_and_evaluation_are_allowed(tmp_path: Path) -> None:
    path = tmp_path / "checkpoint.pt"
    write_checkpoint(path, checkpoint())
    other = replace(
        Config(),
        schedule=replace(Config().schedule, train_log_every=1),
        evaluation=replace(Config().evaluation, stride=64),
    )
    assert read_checkpoint(path, other).step == 3


def test_random_numbers_go_on_where_they_were() -> None:
    cpu = torch.device("cpu")
    state = current_random_state(cpu)
    wanted = torch.rand(3)
    restore_random_state(state, cpu)
    assert torch.equal(torch.rand(3), wanted)
