"""Warm-up: real training steps that make the compiler and the allocator do their work outside the clock.

Weights, optimisers and random state are put back afterwards and the tokens are read from the start, so a run
with warm-up equals one without (main, WARMUP_STEPS).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from reference_model.training.checkpoint import current_random_state, restore_random_state

if TYPE_CHECKING:
    from collections.abc import Callable

    from reference_model.config import Config
    from reference_model.network.gpt import GPT
    from reference_model.optimizers.optimizer_groups import Optimizers
    from reference_model.training.loader import SpanLoader
    from reference_model.training.run_log import RunLog


def warm_up(
    model: GPT,
    optimizers: Optimizers,
    loader: SpanLoader,
    config: Config,
    log: RunLog,
    *,
    one_step: Callable[[], object],
) -> None:
    """Run `schedule.warmup_steps` times `one_step` and undo them.

    Where fake quantisation will be switched on later, the last of them run with it: its graph is compiled
    now.
    """
    steps = config.schedule.warmup_steps
    if not steps:
        return
    weights = {name: tensor.detach().clone() for name, tensor in model.state_dict().items()}
    states = optimizers.state_dict()
    random_state = current_random_state(loader.device)
    begin = loader.position
    for step in range(1, steps + 1):
        if config.quantization.qat_threshold and step == max(steps - 1, 1):
            from reference_model.artifacts.fake_quantization import enable_fake_quantization

            enable_fake_quantization(model, config.quantization, progress=0.0)
        one_step()
        if steps <= 20 or step % 10 == 0 or step == steps:
            log(f"warmup_step:{step}/{steps}")
    if config.quantization.qat_threshold:
        from reference_model.artifacts.fake_quantization import disable_fake_quantization

        disable_fake_quantization(model)
    model.load_state_dict(weights)
    optimizers.load_state_dict(states)
    optimizers.zero_grad()
    restore_random_state(random_state, loader.device)
    loader.seek(begin)
