"""The training loop of an original script, made to pause after every step, so that ours can run between.

The script's own `main()` runs unchanged in a thread; a step is what it does from one step's first batch to
the next step's: forward and backward passes, clipping, optimisers, averages, log. Only one thread ever runs.
The model has the shape of a configuration of ours, tokens come from shards, and validation data and tokenizer
are stand-ins, as no validation takes place. Used by `reference_model_speed`.
"""

from __future__ import annotations

import contextlib
import threading
import time
import warnings
from dataclasses import dataclass
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any
from unittest import mock

import torch

from tests.upstream_seeds import in_production_types, original_gpt_like, run_original_main

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path
    from types import ModuleType

    from reference_model.config import Config

SPANS = 8  # micro-steps of a step on one rank, in every script
MANY_STEPS = 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Seconds:
    """What a piece of work took."""

    busy: float
    """Processor time of the process."""
    wall: float


@contextlib.contextmanager
def timed() -> Iterator[Callable[[], Seconds]]:
    """Gives a function that says how long it is since the block began."""
    busy, wall = time.process_time(), time.perf_counter()
    yield lambda: Seconds(busy=time.process_time() - busy, wall=time.perf_counter() - wall)


@contextlib.contextmanager
def originals_in(compute: torch.dtype) -> Iterator[None]:
    """Casts to bf16 lead to `compute`: with fp32 an original that says bf16 everywhere runs in fp32."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="In CPU autocast, but the target dtype is not supported")
        if compute is torch.bfloat16:
            yield
            return
        with mock.patch.object(torch.Tensor, "bfloat16", torch.Tensor.float):
            yield


def speak(module: ModuleType, compute: torch.dtype) -> None:
    """Let the script's own names for bf16 mean `compute`."""
    module.torch.bfloat16 = compute  # type: ignore[attr-defined]
    if hasattr(module, "_HALF_DTYPE"):
        module._HALF_DTYPE = compute  # type: ignore[attr-defined]


class OriginalTraining:
    """Steps of a script's training loop; close it in the reverse order of opening (it redirects stdout).

    `clone` may also be the script's file. `on_gpu`: with torch itself, compiled as the script compiles; else
    with the stand-in that turns the GPU into the CPU.
    """

    def __init__(
        self,
        system: str,
        clone: Path,
        config: Config,
        data_dir: Path,
        work_dir: Path,
        compute: torch.dtype,
        *,
        on_gpu: bool = False,
    ) -> None:
        self._on_gpu = on_gpu
        self._system, self._clone, self._config, self._compute = system, clone, config, compute
        self._data_dir, self._work_dir = data_dir, work_dir
        self._go, self._paused = threading.Semaphore(0), threading.Semaphore(0)
        self._closing = False
        self._batches = 0
        self._error: BaseException | None = None
        self._attention: tuple[bool, ...] | None = None
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()
        self.step()  # up to the first batch of the first step

    def step(self) -> Seconds:
        """One step, in the present state of the process otherwise."""
        before = _attention_switches()
        with originals_in(self._compute), timed() as taken:
            if self._attention is not None:
                _set_attention_switches(self._attention)
            self._go.release()
            self._paused.acquire()
            seconds = taken()
        self._attention = _attention_switches()
        _set_attention_switches(before)
        if self._error is not None and not self._closing:
            raise self._error
        return seconds

    def close(self) -> None:
        """End the script."""
        self._closing = True
        self.step()
        self._thread.join()

    def _run(self) -> None:
        self._go.acquire()
        try:
            run_original_main(
                self._system, self._clone, self._work_dir, self._environment(), prepare=self._prepare
            )
        except BaseException as error:  # raised again by step, in the caller's thread
            self._error = error
        self._paused.release()

    def _prepare(self, module: ModuleType) -> None:
        names: Any = module
        if self._on_gpu:
            names.torch = torch
        else:
            speak(module, self._compute)
        the_class, next_batch = names.GPT, names.DistributedTokenLoader.next_batch
        vocab_size = self._config.model.vocab_size

        def shaped_gpt(**_: object) -> torch.nn.Module:
            names.GPT = the_class
            return in_production_types(module, original_gpt_like(module, self._config.model))

        def pausing(*arguments: object) -> object:
            if self._batches % SPANS == 0:
                self._paused.release()
                self._go.acquire()
                if self._closing:
                    raise SystemExit
            self._batches += 1
            return next_batch(*arguments)

        names.GPT = shaped_gpt
        names.DistributedTokenLoader.next_batch = pausing
        tokenizer = SimpleNamespace(vocab_size=lambda: vocab_size)
        names.spm = SimpleNamespace(SentencePieceProcessor=lambda **_: tokenizer)
        names.load_validation_tokens = lambda *_: torch.zeros(2, dtype=torch.int64)
        names.build_sentencepiece_luts = lambda *_: (torch.zeros(vocab_size),) * 3

    def _environment(self) -> dict[str, str]:
        config = self._config
        return {
            "RUN_ID": "stepping",
            "DATA_PATH": str(self._data_dir),
            "TOKENIZER_PATH": "stand_in.model",
            "VOCAB_SIZE": str(config.model.vocab_size),
            "TRAIN_BATCH_TOKENS": str(config.data.train_batch_tokens),
            "TRAIN_SEQ_LEN": str(config.data.train_seq_len),
            "EVAL_SEQ_LEN": str(config.data.train_seq_len),
            "ITERATIONS": str(MANY_STEPS),
            "WARMUP_STEPS": "0",
            "MAX_WALLCLOCK_SECONDS": "0",
            "TRAIN_LOG_EVERY": str(MANY_STEPS),
            "VAL_LOSS_EVERY": "0",
            "SWA_EVERY": str(MANY_STEPS),
            "QAT_THRESHOLD": "0",
            "LATE_QAT": "0",
            "LEAKY_SLOPE": str(config.model.leaky_slope),
            "GRAD_CLIP_NORM": str(config.optimizer.grad_clip_norm),
            "MUON_WD": str(config.optimizer.muon_wd),
            "ADAM_WD": str(config.optimizer.adam_wd),
        }


def _attention_switches() -> tuple[bool, ...]:
    cuda = torch.backends.cuda
    return (
        cuda.flash_sdp_enabled(),
        cuda.math_sdp_enabled(),
        cuda.mem_efficient_sdp_enabled(),
        cuda.cudnn_sdp_enabled(),
    )


def _set_attention_switches(wanted: tuple[bool, ...]) -> None:
    cuda = torch.backends.cuda
    switches = (
        cuda.enable_flash_sdp,
        cuda.enable_math_sdp,
        cuda.enable_mem_efficient_sdp,
        cuda.enable_cudnn_sdp,
    )
    for switch, on in zip(switches, wanted, strict=True):
        switch(on)
