"""Runs a toy script in this process under the capture, on a tiny stream whose every token is known."""

from __future__ import annotations

import ast
import functools
import hashlib
import os
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

import numpy as np
import torch

from harness.dynamic.child.capture import finish, install
from harness.dynamic.child.capture.recorder import Recorder
from harness.dynamic.event_record import EventRecord, read_event_record
from harness.dynamic.run_plan import RunPlan

if TYPE_CHECKING:
    from collections.abc import Mapping

VOCAB = 128
VAL_TOKENS = 1025  # 8 chunks of 128 targets


@dataclass(frozen=True, slots=True, kw_only=True)
class ToyRun:
    """What a probe looks at."""

    events: EventRecord
    artifacts: Mapping[str, tuple[int, str]] = field(default_factory=dict)
    cause: object | None = None
    by_rank: tuple[EventRecord, ...] = ()


def stream(count: int, seed: int) -> np.ndarray:
    """Tokens in which a pair is likely to come again and six in a row are not."""
    draw = np.random.default_rng(seed)
    follows = draw.integers(2, VOCAB, size=(VOCAB, 6))
    tokens = [1]
    while len(tokens) < count:
        tokens.append(int(follows[tokens[-1], draw.integers(6)]))
    return np.array(tokens)


def validation(*, replaced_from: int | None = None) -> np.ndarray:
    """The validation stream; from `replaced_from` on other tokens."""
    tokens = stream(VAL_TOKENS, seed=1)
    if replaced_from is not None:
        tokens[replaced_from:] = stream(VAL_TOKENS, seed=2)[replaced_from:]
    return tokens


def write_shard(path: Path, tokens: np.ndarray) -> None:
    header = np.zeros(256, dtype="<i4")
    header[:3] = 20240520, 1, tokens.size
    path.write_bytes(header.tobytes() + tokens.astype("<u2").tobytes())


def run_toy(
    source: str, folder: Path, tokens: np.ndarray, *, plan_edits: Mapping[str, object] = {}
) -> ToyRun:
    """Run `source` in the new folder `folder` on the validation tokens `tokens`."""
    data, work, out = folder / "data", folder / "work", folder / "out"
    for each in (data, work, out):
        each.mkdir(parents=True)
    write_shard(data / "fineweb_val_000000.bin", tokens)
    write_shard(data / "fineweb_train_000000.bin", stream(4096, seed=3))
    script = work / "train_gpt.py"
    script.write_text(source)
    plan = RunPlan(
        script=str(script),
        data=str(data),
        out=str(out),
        val_files=(str(data / "fineweb_val_000000.bin"),),
        train_files=(str(data / "fineweb_train_000000.bin"),),
        vocab_size=VOCAB,
        **plan_edits,
    )
    recorder = Recorder(out, rank=0, world_size=1, tell_key=False)
    before, rng = Path.cwd(), torch.get_rng_state()
    os.environ["DATA_PATH"] = str(data)
    os.chdir(work)
    tree = ast.parse(source)
    transforms = install(plan, recorder)
    try:
        for change in transforms:
            tree = change(tree, str(script))
        exec(compile(tree, str(script), "exec"), ModuleType("__main__").__dict__)
    finally:
        finish(recorder)
        os.chdir(before)
        torch.set_rng_state(rng)
    artifacts = {
        path.name: (path.stat().st_size, hashlib.sha256(path.read_bytes()).hexdigest())
        for path in sorted(work.iterdir())
        if path.name != "train_gpt.py"
    }
    return ToyRun(events=read_event_record(out, key=recorder.key), artifacts=artifacts)


@functools.cache
def _run_once(source: str, replaced_from: int | None, number: int) -> ToyRun:
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        return run_toy(source, Path(folder), validation(replaced_from=replaced_from))


def toy_run(source: str, *, replaced_from: int | None = None, number: int = 0) -> ToyRun:
    """The run of `source`, made once for all tests; another `number` is the same run made again."""
    return _run_once(source, replaced_from, number)
