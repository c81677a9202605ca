"""Training side by side with the original scripts: same initial weights, same shards, same losses."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest
import torch

from reference_model.config import ComputeType, Config
from reference_model.config_overrides import configured
from reference_model.distributed import World
from reference_model.network.state_dict_names import from_original_names
from reference_model.presets import Size, preset
from reference_model.training.run_log import RunLog
from reference_model.training.train_model import train_model
from tests import upstream_seeds
from tests.reference_model.tiny_data import VOCAB_SIZE, make_tiny_data
from tests.upstream_seeds import (
    clone_path,
    in_production_types,
    load_original,
    original_gpt_like,
    run_original_main,
)

if TYPE_CHECKING:
    from pathlib import Path
    from types import ModuleType

    from torch import nn

STEPS = 10


def side_by_side_config(system: str, compute: ComputeType) -> Config:
    """Ten steps with warm-down, weight decay and clipping as published, on 64-token sequences."""
    shapes = {"model.xsa_layers": "1"} if system == "pr461" else {}  # there XSA belongs to the last cores
    return configured(
        preset(system, Size.TINY),
        overrides=shapes
        | {
            "model.vocab_size": str(VOCAB_SIZE),
            "run.compute": compute.value,
            "schedule.iterations": str(STEPS),
            "schedule.warmdown_iters": "6",
            "schedule.train_log_every": "1",
        },
    )


def environment(config: Config, data_dir: Path) -> dict[str, str]:
    return {
        "RUN_ID": "side_by_side",
        "DATA_PATH": str(data_dir),
        "TOKENIZER_PATH": str(data_dir / f"tiny_{VOCAB_SIZE}.model"),
        "VOCAB_SIZE": str(VOCAB_SIZE),
        "TRAIN_BATCH_TOKENS": str(config.data.train_batch_tokens),
        "TRAIN_SEQ_LEN": str(config.data.train_seq_len),
        "EVAL_SEQ_LEN": str(config.data.train_seq_len),
        "ITERATIONS": str(STEPS),
        "WARMDOWN_ITERS": str(config.schedule.warmdown_iters),
        "WARMUP_STEPS": "0",
        "MAX_WALLCLOCK_SECONDS": "0",
        "TRAIN_LOG_EVERY": "1",
        "VAL_LOSS_EVERY": "0",
        "MUON_MOMENTUM_WARMUP_STEPS": str(config.optimizer.muon_momentum_warmup_steps),
        "MATRIX_LR": str(config.optimizer.matrix_lr),
        "SCALAR_LR": str(config.optimizer.scalar_lr),
        "TIED_EMBED_LR": str(config.optimizer.token_lr),
        "MUON_MOMENTUM": str(config.optimizer.muon_momentum),
        "MUON_MOMENTUM_WARMUP_START": str(config.optimizer.muon_momentum_warmup_start),
        "GRAD_CLIP_NORM": str(config.optimizer.grad_clip_norm),
        "MUON_WD": str(config.optimizer.muon_wd),
        "ADAM_WD": str(config.optimizer.adam_wd),
        "LATE_QAT": "0",
        "QAT_THRESHOLD": "0",
        "LEAKY_SLOPE": str(config.model.leaky_slope),
    }


class TrainedEnoughError(Exception):
    """Raised from inside the original once its training loop is over."""


def losses_of_original(
    system: str, config: Config, data_dir: Path, work_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> tuple[list[float], dict[str, torch.Tensor]]:
    """Losses as printed (4 decimals) and the initial weights."""
    initial: dict[str, torch.Tensor] = {}

    def in_our_shape(system: str, clone: Path, **how: Any) -> ModuleType:
        module = load_original(system, clone, **how)
        if config.run.compute is ComputeType.FLOAT32:
            module.torch.bfloat16 = torch.float32
            if hasattr(module, "_HALF_DTYPE"):
                module._HALF_DTYPE = torch.float32
        the_class = module.GPT

        def shaped_gpt(**_: object) -> nn.Module:
            module.GPT = the_class
            model = in_production_types(module, original_gpt_like(module, config.model))
            initial.update({name: tensor.clone() for name, tensor in model.state_dict().items()})
            return model

        def end_of_training(*_: object, **__: object) -> None:
            raise TrainedEnoughError

        module.GPT = shaped_gpt
        module.eval_val = end_of_training
        return module

    monkeypatch.setattr(upstream_seeds, "load_original", in_our_shape)
    in_float32 = config.run.compute is ComputeType.FLOAT32
    with monkeypatch.context() as patched:
        patched.setattr(torch.Tensor, "bfloat16", torch.Tensor.float if in_float32 else torch.Tensor.bfloat16)
        with pytest.raises(TrainedEnoughError):
            run_original_main(system, clone_path(), work_dir, environment(config, data_dir))
    printed = next(work_dir.rglob("side_by_side.txt")).read_text(encoding="utf-8")
    losses = re.findall(r"^step:\d+/\d+ train_loss:([\d.]+)", printed, re.MULTILINE)
    return [float(loss) for loss in losses], initial


@pytest.mark.clone
@pytest.mark.parametrize(
    ("compute", "most"),
    [
        (ComputeType.FLOAT32, 2e-4),  # losses are printed with four decimals
        (
            ComputeType.BFLOAT16,
            5e-3,
        ),  # Newton-Schulz in bf16 turns the order of roundings into such differences
    ],
)
@pytest.mark.parametrize("system", ["baseline", "pr461", "pr555", "pr940"])
def test_every_loss_of_ten_steps_is_that_of_the_original(
    system: str, compute: ComputeType, most: float, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data_dir = make_tiny_data(tmp_path / "data")
    config = side_by_side_config(system, compute)
    theirs, initial = losses_of_original(system, config, data_dir, tmp_path, monkeypatch)
    ours = train_model(
        config,
        data_dir=data_dir,
        out_dir=tmp_path,
        world=World(),
        log=RunLog(quiet=True),
        initial_state=from_original_names(initial, system),
    )
    assert len(theirs) == STEPS
    differences = [abs(one - other) for one, other in zip(ours.losses.values(), theirs, strict=True)]
    print(f"{system} {compute.value}: largest difference {max(differences):.5f}")
    assert max(differences) <= most
