"""Training: from a configuration and a folder of shards to trained weights.

`training_run` holds what a step does, `warmup` what comes before the clock starts, `export` what comes after.
"""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import torch

from harness.errors import SetupError
from harness.tokens.shard_file import shard_paths
from reference_model.network.gpt import activation_type, build_model
from reference_model.optimizers.optimizer_groups import build_optimizers
from reference_model.training.checkpoint import read_checkpoint, reason_of, set_aside_checkpoint
from reference_model.training.loader import SpanLoader
from reference_model.training.step_agreement import stop_requests
from reference_model.training.training_run import TrainedModel, TrainingRun
from reference_model.training.warmup import warm_up

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from torch import Tensor

    from reference_model.config import Config
    from reference_model.distributed import World
    from reference_model.network.gpt import GPT
    from reference_model.training.checkpoint import Checkpoint
    from reference_model.training.run_data import ValidationData
    from reference_model.training.run_log import RunLog

CHECKPOINT_NAME = "checkpoint.pt"


def train_model(
    config: Config,
    *,
    data_dir: Path,
    out_dir: Path,
    world: World,
    log: RunLog,
    validation: ValidationData | None = None,
    resume: bool = False,
    initial_state: Mapping[str, Tensor] | None = None,
    progress: Callable[[int, int, float], None] | None = None,
) -> TrainedModel:
    """Train; every rank calls it with the same arguments.

    `validation` None leaves validation out. `initial_state` replaces the initial weights (names of `GPT`).
    `progress` gets step, steps and mean loss. Raises ConfigError and SetupError before the first step,
    TrainingError when the loss stops being a number, RunInterruptedError after SIGINT or SIGTERM (the
    checkpoint is written).
    """
    seed_everything(config.run.seed)
    paths = shard_paths(data_dir, "train")
    with SpanLoader(paths, world, config.data, vocab_size=config.model.vocab_size) as loader:
        run = new_run(config, world, log, loader, out_dir / CHECKPOINT_NAME, initial_state)
        run.validation, run.progress = validation, progress
        run.log_plan()
        checkpoint = read_checkpoint(run.checkpoint_path, config) if resume else None
        if not resume and world.is_main and (aside := set_aside_checkpoint(run.checkpoint_path)) is not None:
            log(f"checkpoint: an earlier run's was renamed to {aside}")
        warm_up(run.model, run.optimizers, loader, config, log, one_step=lambda: run.take_step(1.0))
        if checkpoint is not None:
            _restore(run, checkpoint)
        with stop_requests() as request:
            run.to_the_end(request)
    return run.result()


def new_run(
    config: Config,
    world: World,
    log: RunLog,
    loader: SpanLoader,
    checkpoint_path: Path,
    initial_state: Mapping[str, Tensor] | None = None,
) -> TrainingRun:
    """A run before its first step; arguments as `train_model`."""
    model = build_model(config.model, device=world.device, compute=config.run.compute)
    if initial_state is not None:
        model.load_state_dict(dict(initial_state))
    for tensor in model.state_dict().values():
        world.broadcast_(tensor)
    optimizers = build_optimizers(
        model,
        config.optimizer,
        world,
        # bf16 as the originals, fp32 where this processor would only emulate bf16: faster, and more exact
        matrix_dtype=activation_type(world.device, config.run.compute),
        compile_newton_schulz=config.run.compiles_on(world.device.type),
    )
    return TrainingRun(
        config,
        world,
        log,
        model=model,
        loss_of=compiled(model, config, world.device),
        optimizers=optimizers,
        loader=loader,
        checkpoint_path=checkpoint_path,
    )


def _restore(run: TrainingRun, checkpoint: Checkpoint) -> None:
    try:
        run.restore(checkpoint)
    except (LookupError, RuntimeError, TypeError, ValueError, AttributeError) as error:
        raise SetupError(
            f"{run.checkpoint_path} does not hold what this run needs ({reason_of(error)}); start afresh "
            "without --resume"
        ) from None


def seed_everything(seed: int) -> None:
    """Seed Python's and torch's generators, as the originals do before building the model."""
    random.seed(seed)
    torch.manual_seed(seed)  # also every GPU


def compiled(model: GPT, config: Config, device: torch.device) -> Callable[[Tensor, Tensor], Tensor]:
    """The model's loss function, compiled where the configuration says so."""
    if device.type == "cuda":
        torch.backends.cuda.matmul.allow_tf32 = True  # fp32 matrices of the optimiser, as the originals
        torch.backends.cudnn.allow_tf32 = True
    if not config.run.compiles_on(device.type):
        return model
    import torch._inductor.config as inductor

    # Costs 8.8% of the backward pass on this architecture where the option exists (PR #1420).
    if hasattr(inductor.triton, "mix_order_reduction"):
        inductor.triton.mix_order_reduction = False
    return torch.compile(model, dynamic=False, fullgraph=True)
