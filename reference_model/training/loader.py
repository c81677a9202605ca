"""Training tokens: one endless contiguous stream over the shards, cut into spans and read ahead by a thread.

No shuffling and no alignment to documents, as the challenge's `train_gpt.py` reads them (class
DistributedTokenLoader, main): each micro-step takes `ranks x (n + 1)` tokens, rank r its own run of n + 1,
and x and y are that run without its last and without its first token.

Shapes: B sequences of a forward batch, S sequences of a step on this rank, T tokens per sequence, N tokens.
"""

from __future__ import annotations

import queue
import threading
import time
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

import numpy as np
import torch

from harness.errors import SetupError
from harness.tokens.shard_file import read_shard, shard_token_count
from reference_model.config import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from reference_model.config import DataConfig
    from reference_model.distributed import World

STEPS_READ_AHEAD = 2
_LONGEST_WAIT_SECONDS = 10.0  # the thread ends with the process


class TokenStream:
    """All shards one after the other, for ever; `position` counts the tokens from the start of the first.

    Raises SetupError when there are no shards or no tokens in them, for ids of `vocab_size` or above (when
    their shard is opened) and what `read_shard` raises.
    """

    def __init__(self, paths: Sequence[Path], position: int = 0, *, vocab_size: int = 1 << 16) -> None:
        if not paths:
            raise SetupError(
                "there are no training shards (fineweb_train_*.bin); point --data at a folder that "
                "golf-data wrote"
            )
        self.paths = tuple(paths)
        self.first_token_of_shard = np.cumsum([0, *(shard_token_count(path) for path in paths)])
        if not self.total_tokens:
            raise SetupError(f"the {len(paths)} training shards beside {paths[0]} hold no tokens")
        self.position = position
        self._vocab_size = vocab_size
        self._open_shard = -1
        self._tokens_N = np.zeros(0, dtype=np.uint16)

    @property
    def total_tokens(self) -> int:
        """Tokens of all shards together."""
        return int(self.first_token_of_shard[-1])

    def take(self, count: int) -> np.ndarray:
        """The next `count` tokens (uint16), from the first shard again after the last."""
        pieces_N = []
        wanted = count
        while wanted > 0:
            at = self.position % self.total_tokens
            shard = int(np.searchsorted(self.first_token_of_shard, at, side="right")) - 1
            if shard != self._open_shard:
                self._tokens_N, self._open_shard = self._opened(shard), shard
            begin = at - int(self.first_token_of_shard[shard])
            piece_N = self._tokens_N[begin : begin + wanted]
            pieces_N.append(piece_N)
            self.position += len(piece_N)
            wanted -= len(piece_N)
        return pieces_N[0] if len(pieces_N) == 1 else np.concatenate(pieces_N)

    def _opened(self, shard: int) -> np.ndarray:
        """All tokens of a shard, checked as a whole: a wrong id deep inside is told before the first step."""
        path, tokens_N = self.paths[shard], read_shard(self.paths[shard])
        counted = int(self.first_token_of_shard[shard + 1] - self.first_token_of_shard[shard])
        if len(tokens_N) != counted:
            raise SetupError(
                f"{path}: holds {len(tokens_N):,} tokens now and held {counted:,} when the run began; leave "
                "the shards of a run alone, then go on with --resume"
            )
        if len(tokens_N) and int(tokens_N.max()) >= self._vocab_size:
            at = int(np.argmax(tokens_N >= self._vocab_size))
            raise SetupError(  # a GPU would only say "device-side assert"
                f"{path}: token id {int(tokens_N[at]):,} at position {at:,} is outside the model's "
                f"vocabulary of {self._vocab_size:,} (model.vocab_size); the data was written with another "
                "tokenizer"
            )
        return tokens_N


class SpanSizes(NamedTuple):
    """How a step's tokens lie on the ranks."""

    spans_per_rank: int
    """Micro-steps of the originals, "grad_accum_steps"."""
    tokens_per_span: int
    """Trained tokens of one span on one rank; the stream gives one more."""
    tokens_per_step: int
    """Tokens the whole step takes from the stream, on all ranks."""


def span_sizes(config: DataConfig, ranks: int) -> SpanSizes:
    """Spans of a step over `ranks` ranks; raises ConfigError when they do not divide evenly."""
    if config.spans_per_step % ranks:
        raise ConfigError(
            f"data.spans_per_step {config.spans_per_step} is not a multiple of the {ranks} ranks; every rank "
            "takes as many spans. Start a number of ranks that divides it, or set it"
        )
    tokens = config.train_batch_tokens // config.spans_per_step
    return SpanSizes(config.spans_per_step // ranks, tokens, config.spans_per_step * (tokens + 1))


class _ReadFailure(NamedTuple):
    """What the reading thread ended with."""

    error: BaseException


_Ready: TypeAlias = tuple[torch.Tensor, torch.Tensor] | _ReadFailure


class SpanLoader:
    """The steps of one rank, read ahead in a thread; use it in a `with` block or call `close`.

    `position` is where the next step's tokens begin; it goes into checkpoints and into `seek`. Errors of the
    thread are raised by `next_step`, also a SetupError for a token of `vocab_size` or above.
    """

    def __init__(
        self,
        paths: Sequence[Path],
        world: World,
        config: DataConfig,
        *,
        vocab_size: int = 1 << 16,
        position: int = 0,
    ) -> None:
        self.sizes = span_sizes(config, world.size)
        self.position = position
        self._vocab_size = vocab_size
        self._paths, self._world, self._config = tuple(paths), world, config
        self.total_tokens = TokenStream(self._paths).total_tokens
        self._thread: threading.Thread | None = None
        self._start()

    @property
    def device(self) -> torch.device:
        """Where batches are put."""
        return self._world.device

    @property
    def sequences_per_step(self) -> int:
        """Sequences this rank trains on in a step."""
        return self.sizes.spans_per_rank * self.sizes.tokens_per_span // self._config.train_seq_len

    @property
    def sequences_per_batch(self) -> int:
        """Sequences of one forward pass; the last of a step may have fewer."""
        chosen = self._config.micro_batch_seqs
        return (
            min(chosen, self.sequences_per_step) or self.sizes.tokens_per_span // self._config.train_seq_len
        )

    def next_step(self) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        """The forward batches (inputs int64, targets int64) of the next step, on the rank's device."""
        ready = self._ready.get()
        if isinstance(ready, _ReadFailure):
            self._ready.put(ready)  # asked again, it says so again
            raise ready.error
        self.position += self.sizes.tokens_per_step
        x_ST, y_ST = (part.to(self._world.device, non_blocking=True) for part in ready)
        count = self.sequences_per_batch
        return zip(torch.split(x_ST, count), torch.split(y_ST, count), strict=True)

    def seek(self, position: int) -> None:
        """Go on from a `position` of an earlier loader."""
        self.close()
        self.position = position
        self._start()

    def close(self) -> None:
        """Stop the thread and wait for its end, but not for a disk that does not answer; may be repeated."""
        if self._thread is None:
            return
        self._stopped.set()
        give_up = time.monotonic() + _LONGEST_WAIT_SECONDS
        while self._thread.is_alive() and time.monotonic() < give_up:
            _drain(self._ready)  # it may be waiting for room
            self._thread.join(timeout=0.05)
        self._thread = None

    def __enter__(self) -> SpanLoader:
        """Itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close."""
        self.close()

    def _start(self) -> None:
        self._stopped = threading.Event()
        self._ready: queue.Queue[_Ready] = queue.Queue(STEPS_READ_AHEAD)
        self._thread = threading.Thread(
            target=self._read_ahead,
            args=(
                TokenStream(self._paths, self.position, vocab_size=self._vocab_size),
                self._stopped,
                self._ready,
            ),
            name="training tokens",
            daemon=True,
        )
        self._thread.start()

    def _read_ahead(
        self,
        stream: TokenStream,
        stopped: threading.Event,
        ready: queue.Queue[_Ready],
    ) -> None:
        try:
            while not stopped.is_set():
                ready.put(self._read_step(stream))
        except BaseException as error:  # raised again by next_step, in the caller's thread
            ready.put(_ReadFailure(error))

    def _read_step(self, stream: TokenStream) -> tuple[torch.Tensor, torch.Tensor]:
        """Inputs and targets of one step of this rank."""
        run = self.sizes.tokens_per_span + 1
        inputs, targets = [], []
        for _ in range(self.sizes.spans_per_rank):
            taken_N = stream.take(run * self._world.size)
            own_N = taken_N[self._world.rank * run : (self._world.rank + 1) * run].astype(np.int64)
            inputs.append(own_N[:-1])
            targets.append(own_N[1:])
        x_ST, y_ST = (
            torch.from_numpy(np.concatenate(parts)).view(-1, self._config.train_seq_len)
            for parts in (inputs, targets)
        )
        if self._world.device.type == "cuda":  # pinned memory lets the copy run beside the computation
            return x_ST.pin_memory(), y_ST.pin_memory()
        return x_ST, y_ST


def _drain(waiting: queue.Queue[_Ready]) -> None:
    while True:
        try:
            waiting.get_nowait()
        except queue.Empty:
            return
