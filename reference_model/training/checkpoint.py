"""Resumable checkpoints: everything a run needs to go on as if it had never stopped, in one file.

The file is replaced as a whole and read with `weights_only`, so it can neither be half-written nor run code.
It holds tensors and plain values only: weights, optimisers, averages, position in the token stream, step,
training clock, random state, configuration. Nothing of it depends on the number of ranks.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import pickle
import struct
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import torch

from harness.errors import SetupError
from harness.whole_file import whole_file
from reference_model.config import ConfigError

if TYPE_CHECKING:
    from pathlib import Path
    from typing import BinaryIO

    from torch import Tensor

    from reference_model.config import Config

CHECKPOINT_FORMAT = 1
# What may differ between the run that stopped and the one that goes on: where data lies, how often to report,
# how to compute, and everything that begins after training.
_FREE_TO_CHANGE = {
    "name",
    "data.data_path",
    "data.tokenizer_path",
    "schedule.val_loss_every",
    "schedule.train_log_every",
    "schedule.checkpoint_every",
    "schedule.warmup_steps",
    "quantization.artifact_cap_bytes",
    "quantization.container",
    "quantization.levels",
    "quantization.auto_downgrade",
    "quantization.prune_fraction",
    "run.compile",
    "run.compile_cpu",
}
_COMMENT_LENGTH = struct.Struct("<H")
_SEAL_BYTES = 64  # SHA-256 in hex
_READ_BYTES = 1 << 20
# What torch and pickle raise for bytes that are no checkpoint.
_UNREADABLE = (
    RuntimeError, EOFError, LookupError, TypeError, AttributeError, ValueError, OSError, ArithmeticError,
    AssertionError, MemoryError, struct.error, pickle.UnpicklingError,
)  # fmt: skip
_GROUPS_AFTER_TRAINING = ("evaluation", "ttt", "ngram")


@dataclass(kw_only=True)
class Checkpoint:
    """State between two steps; `elapsed_ms` is the training clock."""

    step: int
    elapsed_ms: float
    loader_position: int
    stream_tokens: int
    """Tokens of all training shards together; another number means other data."""
    model: dict[str, Tensor]
    optimizers: dict[str, Any]
    averages: dict[str, Any] = field(default_factory=dict)
    fake_quantization: bool = False
    stopped_by_clock: bool = False
    random_state: dict[str, Tensor] = field(default_factory=dict)
    config: str = ""
    """The configuration as JSON."""


def write_checkpoint(path: Path, checkpoint: Checkpoint) -> None:
    """Write under a temporary name, flush to disk and rename. Raises SetupError if that fails."""
    content = {"format": CHECKPOINT_FORMAT, **{name: getattr(checkpoint, name) for name in _NAMES}}
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with whole_file(path) as file:
            torch.save(_on_cpu(content), file)
            _seal(file)
    except (OSError, RuntimeError) as error:  # torch turns a full disk into a RuntimeError
        raise SetupError(f"cannot write the checkpoint {path}: {error}; free some space there") from None


def read_checkpoint(path: Path, config: Config) -> Checkpoint:
    """The checkpoint to go on from.

    Raises SetupError when there is none or it is damaged; ConfigError when the configuration differs in what
    shapes training, naming the differences.
    """
    if not path.is_file():
        raise SetupError(f"there is no checkpoint {path} to resume from; leave --resume out to start afresh")
    try:
        _check_seal(path)
        content = torch.load(path, map_location="cpu", weights_only=True)
        if content.pop("format") != CHECKPOINT_FORMAT:
            raise SetupError(f"{path} was written by another version; start afresh without --resume")
        checkpoint = Checkpoint(**content)
        _check_types(checkpoint)
        kept = _flat(json.loads(checkpoint.config))
    except _UNREADABLE as error:
        raise SetupError(
            f"{path} is no whole checkpoint ({reason_of(error)}); start afresh without --resume"
        ) from None
    _refuse_other_config(path, kept, config)
    return checkpoint


def set_aside_checkpoint(path: Path) -> Path | None:
    """Give an earlier run's checkpoint another name; None where there is none.

    A fresh run would replace it, and may have been started without --resume by mistake. Raises SetupError
    when that fails.
    """
    if not path.is_file():
        return None
    aside = path.with_name(f"{path.stem}.previous{path.suffix}")
    try:
        path.replace(aside)
    except OSError as error:
        raise SetupError(f"cannot rename {path}: {error.strerror}; choose another --out") from None
    return aside


def reason_of(error: BaseException) -> str:
    """The first line of what an error says."""
    lines = str(error).strip().splitlines()
    return lines[0][:200] if lines else type(error).__name__


def _seal(file: BinaryIO) -> None:
    """End a file of torch.save with its SHA-256, as the comment that a zip archive may end with.

    torch writes checksums of its records but does not read them.
    """
    file.seek(-_COMMENT_LENGTH.size, os.SEEK_END)
    file.write(_COMMENT_LENGTH.pack(_SEAL_BYTES))
    file.seek(0)
    digest = hashlib.sha256()
    while piece := file.read(_READ_BYTES):
        digest.update(piece)
    file.write(digest.hexdigest().encode())


def _check_seal(path: Path) -> None:
    """Raise ValueError where the file is not as it was written."""
    digest, left = hashlib.sha256(), path.stat().st_size - _SEAL_BYTES
    with path.open("rb") as file:
        while left > 0 and (piece := file.read(min(left, _READ_BYTES))):
            digest.update(piece)
            left -= len(piece)
        if file.read() != digest.hexdigest().encode():
            raise ValueError("it does not end with its SHA-256: the file is damaged or cut off")


def _check_types(checkpoint: Checkpoint) -> None:
    kinds: dict[str, type] = {
        "step": int, "elapsed_ms": float, "loader_position": int, "stream_tokens": int, "model": dict,
        "optimizers": dict, "averages": dict, "fake_quantization": bool, "stopped_by_clock": bool,
        "random_state": dict, "config": str,
    }  # fmt: skip
    for name, kind in kinds.items():
        if type(getattr(checkpoint, name)) is not kind:
            raise ValueError(f"its {name} is no {kind.__name__}")
    for name in ("step", "loader_position", "elapsed_ms"):
        if not 0 <= getattr(checkpoint, name) < math.inf:
            raise ValueError(f"its {name} is {getattr(checkpoint, name)}")


def config_text(config: Config) -> str:
    """The configuration as it is kept in checkpoints."""
    return json.dumps(config.as_dict(), sort_keys=True)


def current_random_state(device: torch.device) -> dict[str, Tensor]:
    """State of torch's generators, of the CPU and of this rank's GPU."""
    state = {"cpu": torch.get_rng_state()}
    if device.type == "cuda":
        state["cuda"] = torch.cuda.get_rng_state(device)
    return state


def restore_random_state(state: dict[str, Tensor], device: torch.device) -> None:
    """Set torch's generators to a kept state."""
    torch.set_rng_state(state["cpu"])
    if device.type == "cuda" and "cuda" in state:
        torch.cuda.set_rng_state(state["cuda"], device)


_NAMES = tuple(Checkpoint.__dataclass_fields__)


def _refuse_other_config(path: Path, then: dict[str, Any], config: Config) -> None:
    now = _flat(json.loads(config_text(config)))
    differences = [
        f"{name}: {then.get(name)} there, {now.get(name)} now"
        for name in sorted(then.keys() | now.keys())
        if then.get(name) != now.get(name)
        and name not in _FREE_TO_CHANGE
        and not name.startswith(_GROUPS_AFTER_TRAINING)
    ]
    if differences:
        shown = "; ".join(differences[:5]) + ("; ..." if len(differences) > 5 else "")
        raise ConfigError(
            f"{path} belongs to another configuration ({len(differences)} settings differ: {shown}). Resume "
            "with the settings of the first run, or start afresh without --resume"
        )


def _flat(config: dict[str, Any]) -> dict[str, Any]:
    flat = {"name": config["name"]}
    for group, fields in config.items():
        if isinstance(fields, dict):
            flat |= {f"{group}.{name}": value for name, value in fields.items()}
    return flat


def _on_cpu(value: Any) -> Any:
    """A copy with every tensor on the CPU, detached from what goes on training."""
    if isinstance(value, torch.Tensor):
        return value.detach().to("cpu", copy=True)
    if isinstance(value, dict):
        return {key: _on_cpu(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(_on_cpu(item) for item in value)
    return value
