"""The state of a training run and what one step does to it.

The order of a step is that of the challenge's scripts (main; PR #461, #555, #940): validate when due,
learning rate
from the clock, gradients accumulated over the micro-batches, clip and step, averages, log, cap. Fake
quantisation begins before the forward pass of the first step under its threshold, as in PR #940.

Shapes: B sequences of a forward batch, T tokens per sequence.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from harness.errors import SetupError
from reference_model.exit_status import RunInterruptedError, TrainingError
from reference_model.network.gpt import autocast
from reference_model.optimizers.schedules import lr_scale, muon_momentum
from reference_model.training.checkpoint import (
    Checkpoint,
    config_text,
    current_random_state,
    restore_random_state,
    write_checkpoint,
)
from reference_model.training.run_averages import RunAverages
from reference_model.training.run_log import memory_line
from reference_model.training.step_agreement import StepAgreement
from reference_model.training.training_clock import TrainingClock, WallClockCap

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from torch import Tensor

    from reference_model.config import Config
    from reference_model.distributed import World
    from reference_model.network.gpt import GPT
    from reference_model.optimizers.optimizer_groups import Optimizers
    from reference_model.training.loader import SpanLoader
    from reference_model.training.run_data import ValidationData
    from reference_model.training.run_log import RunLog
    from reference_model.training.step_agreement import StepReport, StopRequest


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainedModel:
    """What training ended with. `losses` are the mean training losses by step, nats per token."""

    model: GPT
    exported: dict[str, Tensor]
    """The weights to export: averaged where the configuration averages."""
    steps: int
    elapsed_ms: float
    losses: dict[int, float]
    validation: tuple[float, float] | None
    """Loss in nats and bits per byte of the last weights, not averaged."""
    stopped_by_clock: bool


class TrainingRun:
    """The state of training and what one step does to it."""

    def __init__(
        self,
        config: Config,
        world: World,
        log: RunLog,
        *,
        model: GPT,
        loss_of: Callable[[Tensor, Tensor], Tensor],
        optimizers: Optimizers,
        loader: SpanLoader,
        checkpoint_path: Path,
    ) -> None:
        """`loss_of` is the model's forward pass, compiled or not."""
        self.config, self.world, self.log, self.loader = config, world, log, loader
        self.model, self.loss_of, self.optimizers = model, loss_of, optimizers
        self.checkpoint_path = checkpoint_path
        self.averages = RunAverages(self.model, config, log)
        self.clock = TrainingClock(world.device)
        self.agreement = StepAgreement(world)
        self.cap = WallClockCap(config.schedule, steps_in_flight=self.agreement.steps_in_flight)
        self.step = 0
        self.has_fake_quantization = False
        self.stopped_by_clock = False
        self.losses: dict[int, float] = {}
        self.validation: ValidationData | None = None
        self.last_validation: tuple[float, float] | None = None
        self.progress: Callable[[int, int, float], None] | None = None

    def log_plan(self) -> None:
        """What is about to be trained."""
        config, log = self.config, self.log
        log(f"model_params:{sum(p.numel() for p in self.model.parameters())}")
        log(f"world_size:{self.world.size} grad_accum_steps:{self.loader.sizes.spans_per_rank}")
        log(
            f"tie_embeddings:{config.model.tie_embeddings} embed_lr:{config.optimizer.token_lr} "
            f"matrix_lr:{config.optimizer.matrix_lr} scalar_lr:{config.optimizer.scalar_lr}"
        )
        log(
            f"train_batch_tokens:{config.data.train_batch_tokens} train_seq_len:{config.data.train_seq_len} "
            f"iterations:{config.schedule.iterations} warmup_steps:{config.schedule.warmup_steps} "
            f"max_wallclock_seconds:{config.schedule.max_wallclock_seconds:.3f}"
        )
        log(f"seed:{config.run.seed}")

    def to_the_end(self, request: StopRequest) -> None:
        """Step until the planned number, the clock or somebody says stop; then validate."""
        schedule = self.config.schedule
        self.model.train()
        self.clock.run()
        while self.step < schedule.iterations and not self.stopped_by_clock:
            if schedule.val_loss_every and self.step % schedule.val_loss_every == 0:
                self._validate()
            self.advance(request)
            if schedule.checkpoint_every and self.step % schedule.checkpoint_every == 0:
                self._hear(self.agreement.rest())  # nothing is kept before its loss is known to be a number
                self._save()
        self._hear(self.agreement.rest())
        self._keep_trained()
        self._validate()
        self.clock.pause()
        if self.world.any(request.is_asked):
            raise RunInterruptedError(
                f"stopped after the last step, {self.step}; the same command with --resume exports and "
                f"scores what {self.checkpoint_path} holds"
            )
        if self.stopped_by_clock and self.step < schedule.iterations:
            self.log(
                f"stopping_early: wallclock_cap train_time:{self.clock.elapsed_ms:.0f}ms "
                f"step:{self.step}/{schedule.iterations}"
            )
        self.log(memory_line(self.world.device))

    def advance(self, request: StopRequest) -> None:
        """One step with its averages, and the log of the latest step that all ranks know."""
        self._hear(self._one_step(request))

    def take_step(self, scale: float) -> Tensor:
        """Gradients of one step's tokens, then the optimisers; returns this rank's mean loss (on device)."""
        self.optimizers.zero_grad()
        loss_sum = torch.zeros((), device=self.world.device)
        for x_BT, y_BT in self.loader.next_step():
            share = x_BT.shape[0] / self.loader.sequences_per_step
            with autocast(self.world.device, self.config.run.compute):
                loss = self.loss_of(x_BT, y_BT)
            loss_sum += loss.detach() * share
            torch.autograd.backward(loss * share)
        self.optimizers.step(lr_scale=scale, momentum=muon_momentum(self.step, self.config.optimizer))
        self.optimizers.zero_grad()
        return loss_sum

    def restore(self, checkpoint: Checkpoint) -> None:
        """Go on from a checkpoint; raises SetupError when the shards are others."""
        if checkpoint.stream_tokens != self.loader.total_tokens:
            raise SetupError(
                f"the checkpoint was written with {checkpoint.stream_tokens:,} training tokens, the shards "
                f"now hold {self.loader.total_tokens:,}; resume with the same data"
            )
        self.model.load_state_dict(checkpoint.model)
        self.optimizers.load_state_dict(checkpoint.optimizers)
        self.averages.load_state_dict(checkpoint.averages)
        self.loader.seek(checkpoint.loader_position)
        restore_random_state(checkpoint.random_state, self.world.device)
        self.clock = TrainingClock(self.world.device, checkpoint.elapsed_ms)
        self.step = checkpoint.step
        self.has_fake_quantization = checkpoint.fake_quantization
        self.stopped_by_clock = checkpoint.stopped_by_clock
        self.log(f"resume: from step:{self.step} train_time:{self.clock.elapsed_ms:.0f}ms")

    def result(self) -> TrainedModel:
        """The end of training; fake quantisation is off."""
        config = self.config
        if config.quantization.qat_threshold:
            from reference_model.artifacts.fake_quantization import disable_fake_quantization

            disable_fake_quantization(self.model)
        return TrainedModel(
            model=self.model,
            exported=self.averages.exported(),
            steps=self.step,
            elapsed_ms=self.clock.elapsed_ms,
            losses=self.losses,
            validation=self.last_validation,
            stopped_by_clock=self.stopped_by_clock,
        )

    def _one_step(self, request: StopRequest) -> StepReport | None:
        config = self.config
        scale = lr_scale(self.step, self.clock.elapsed_ms, config.schedule)
        self._update_fake_quantization(scale)
        loss = self.take_step(scale)
        self.step += 1
        self.averages.update(self.step, scale)
        elapsed_ms = self.clock.elapsed_ms
        return self.agreement.tell(
            self.step,
            loss,
            elapsed_ms,
            is_out_of_time=self.cap.is_reached(elapsed_ms),
            is_interrupted=request.is_asked,
        )

    def _update_fake_quantization(self, scale: float) -> None:
        """Switch it on under the threshold, once and for all, and move its softness along."""
        config, threshold = self.config, self.config.quantization.qat_threshold
        if config.quantization.qat_threshold and (self.has_fake_quantization or scale < threshold):
            from reference_model.artifacts.fake_quantization import enable_fake_quantization

            progress = min(max(1.0 - scale / threshold, 0.0), 1.0)
            enable_fake_quantization(self.model, config.quantization, progress=progress)
            if not self.has_fake_quantization:
                self.log(f"late_qat:enabled step:{self.step} scale:{scale:.4f}")
            self.has_fake_quantization = True

    def _hear(self, report: StepReport | None) -> None:
        """Log a finished step and do what the ranks agreed on."""
        if report is None:
            return
        if not math.isfinite(report.loss):
            kept = f"; {self.checkpoint_path} is from before it" if self.checkpoint_path.exists() else ""
            raise TrainingError(
                f"the training loss is {report.loss} at step {report.step} of "
                f"{self.config.schedule.iterations}{kept}. Lower the learning rates (optimizer.matrix_lr, "
                "token_lr, scalar_lr) or set optimizer.grad_clip_norm"
            )
        self.losses[report.step] = report.loss
        schedule = self.config.schedule
        if self.progress is not None:
            self.progress(report.step, schedule.iterations, report.loss)
        every = schedule.train_log_every
        if every and (report.step <= 10 or report.step % every == 0 or report.is_out_of_time):
            self.log.train_step(report.step, schedule.iterations, report.loss, report.elapsed_ms)
        self.stopped_by_clock |= report.is_out_of_time
        if report.is_interrupted:
            self._save()
            raise RunInterruptedError(
                f"stopped after step {self.step} of {schedule.iterations}; the same command with --resume "
                f"goes on from {self.checkpoint_path}"
            )

    def _validate(self) -> None:
        if self.validation is None:
            return
        from reference_model.evaluation.evaluate import evaluate_plain

        self.clock.pause()
        self.model.eval()
        score = evaluate_plain(
            self.model, self.validation.tokens, self.validation.table, self.config, self.world
        )
        self.model.train()
        self.last_validation = score.val_loss_nats, score.val_bpb
        self.log.validation(
            self.step, self.config.schedule.iterations, self.last_validation, self.clock.elapsed_ms
        )
        self.clock.run()

    def _keep_trained(self) -> None:
        """Write the last checkpoint: export and scoring may take minutes, and may be stopped.

        A disk that has no room for it has perhaps room for the artifact.
        """
        try:
            self._save()
        except SetupError as error:
            self.log(f"WARNING: {error}; going on without")
            self.world.barrier()
            self.clock.run()

    def _save(self) -> None:
        """Write a checkpoint; the clock stands still."""
        self.clock.pause()
        optimizers = self.optimizers.state_dict()  # gathered over the ranks
        if self.world.is_main:
            write_checkpoint(
                self.checkpoint_path,
                Checkpoint(
                    step=self.step,
                    elapsed_ms=self.clock.elapsed_ms,
                    loader_position=self.loader.position,
                    stream_tokens=self.loader.total_tokens,
                    model=dict(self.model.state_dict()),
                    optimizers=optimizers,
                    averages=self.averages.state_dict(),
                    fake_quantization=self.has_fake_quantization,
                    stopped_by_clock=self.stopped_by_clock,
                    random_state=current_random_state(self.world.device),
                    config=config_text(self.config),
                ),
            )
        self.world.barrier()
        self.clock.run()
