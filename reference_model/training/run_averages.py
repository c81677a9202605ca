"""Which average of the weights a run keeps, and which it exports."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from reference_model.config import SwaSource

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor

    from reference_model.config import Config
    from reference_model.network.gpt import GPT
    from reference_model.optimizers.averaging import ExponentialMovingAverage, StochasticWeightAverage


class RunAverages:
    """EMA after every step and SWA snapshots in the warm-down, each where the configuration asks for it."""

    def __init__(self, model: GPT, config: Config, log: Callable[[str], None]) -> None:
        self._model, self._config, self._log = model, config.averaging, log
        self.ema: ExponentialMovingAverage | None = None
        self.swa: StochasticWeightAverage | None = None
        if config.averaging.ema_decay:
            from reference_model.optimizers.averaging import ExponentialMovingAverage

            self.ema = ExponentialMovingAverage(
                model, config.averaging.ema_decay, config.averaging.ema_bias_correction
            )
        if config.averaging.swa_every:
            from reference_model.optimizers.averaging import StochasticWeightAverage

            self.swa = StochasticWeightAverage()

    def update(self, step: int, lr_scale: float) -> None:
        """Take in the weights after `step` (counted from 1), made at learning-rate scale `lr_scale`."""
        if self.ema is not None:
            self.ema.update(self._model)
        config = self._config
        if self.swa is not None and lr_scale < config.swa_start_scale and step % config.swa_every == 0:
            if not self.swa.count:
                self._log(f"swa:start step:{step}")
            takes_ema = config.swa_source is SwaSource.EMA and self.ema is not None
            self.swa.add(self.ema.weights() if takes_ema and self.ema else self._model.state_dict())

    def exported(self) -> dict[str, Tensor]:
        """The mean of two or more snapshots, else the EMA, else the last weights (order of PR #940)."""
        if self.swa is not None and self.swa.count > 1:
            self._log(f"swa:applying averaged {self.swa.count} checkpoints")
            return self.swa.weights()
        if self.ema is not None:
            self._log("ema:applying EMA weights")
            return self.ema.weights()
        return dict(self._model.state_dict())

    def state_dict(self) -> dict[str, Any]:
        """For a checkpoint."""
        kept = {"ema": self.ema, "swa": self.swa}
        return {name: average.state_dict() for name, average in kept.items() if average is not None}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """From a checkpoint of the same configuration."""
        if self.ema is not None:
            self.ema.load_state_dict(state["ema"])
        if self.swa is not None:
            self.swa.load_state_dict(state["swa"])
