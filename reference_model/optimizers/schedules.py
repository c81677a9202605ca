"""What changes over a run: learning-rate scale, Muon's momentum, the rate of test-time training.

Pure functions of step and clock. The formulas are those of the challenge's `train_gpt.py` (main, and
unchanged in PR #461, #555 and #940); the cosine is PR #461's.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from reference_model.config import OptimizerConfig, ScheduleConfig


def lr_scale(step: int, elapsed_ms: float, schedule: ScheduleConfig) -> float:
    """Factor on every learning rate at `step` (0 = before the first), in 0 to 1.

    With a training clock the warm-down is as long as `warmdown_iters` steps take at the average pace so far
    and ends when the clock does: on a machine too slow for that many steps the factor is below 1 from the
    second step on. Without a clock it falls linearly over the last `warmdown_iters` of `iterations` steps.
    `elapsed_ms`: training time so far in milliseconds, as the clock that stops the run counts it.
    """
    if not schedule.warmdown_iters:
        return 1.0
    if not schedule.max_wallclock_seconds:
        return _scale_by_steps(step, schedule)
    warmdown_ms = schedule.warmdown_iters * (elapsed_ms / max(step, 1))
    remaining_ms = max(1000.0 * schedule.max_wallclock_seconds - elapsed_ms, 0.0)
    return remaining_ms / max(warmdown_ms, 1e-9) if remaining_ms <= warmdown_ms else 1.0


def _scale_by_steps(step: int, schedule: ScheduleConfig) -> float:
    remaining = schedule.iterations - step
    if remaining <= 0:
        return 1.0  # as the originals; no step is taken there
    return min(remaining / schedule.warmdown_iters, 1.0)


def muon_momentum(step: int, config: OptimizerConfig) -> float:
    """Muon's momentum at `step`: linear from its start value to its final one, then constant."""
    warmup_steps = config.muon_momentum_warmup_steps
    progress = min(step / warmup_steps, 1.0) if warmup_steps > 0 else 1.0
    return (1 - progress) * config.muon_momentum_warmup_start + progress * config.muon_momentum


def ttt_cosine(chunk: int, chunks: int, lr: float) -> float:
    """Rate of test-time training on `chunk` of `chunks`, counted from 0: `lr` at the first, 0 at the last."""
    return lr * 0.5 * (1.0 + math.cos(math.pi * chunk / max(chunks - 1, 1)))
