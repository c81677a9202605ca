"""Our training step, sliding evaluation and test-time training beside the original scripts', alternated.

    python -m benchmarks.reference_model_speed --clone CLONE [--data DATA] [--quick] [--json FILE]

from the repository's root, best with OMP_NUM_THREADS=1 and nothing else running. CLONE is a git clone of
openai/parameter-golf with pull refs, DATA a folder of shards (default: synthetic tokens). Sizes are those of
the `small` presets, the same weights on both sides; every round runs each side once, in turning order, and
what is reported is the median over rounds of ours / original, by processor time and by the clock. Modes:

- production: each side as it would run here. The scripts compute in bf16; ours takes fp32 for activations
  and Newton-Schulz where the processor has no bf16 products.
- bf16: both in bf16. fp32: both in fp32.

A training step is the whole of it: the scripts' own main() is paused between steps (`original_stepping`).
Sliding evaluation: theirs also runs the windows that the end clips (3 more here). Test-time training: PR #461
scores and trains chunk by chunk, as ours; PR #555 and #940 train first and then score, so their time is
`ttt_adapt` on as many chunks as ours trains on, and the evaluation. What legal n-gram mixing costs is
measured by `benchmarks/ngram_cost.py`.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import platform
import statistics
import sys
import tempfile
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any
from unittest import mock

import numpy as np
import torch

from benchmarks.ngram_cost import synthetic_tokens
from benchmarks.original_stepping import OriginalTraining, Seconds, originals_in, speak, timed
from harness.tokens.byte_table import ByteTable
from harness.tokens.shard_file import read_shard, shard_paths, write_shard
from reference_model.config import ComputeType, Config
from reference_model.distributed import World
from reference_model.evaluation.evaluate import evaluate_sliding, evaluate_with_ttt
from reference_model.network import gpt
from reference_model.network.state_dict_names import from_original_names
from reference_model.presets import Size, preset
from reference_model.training.loader import SpanLoader
from reference_model.training.run_log import RunLog
from reference_model.training.step_agreement import StopRequest
from reference_model.training.train_model import new_run
from tests.upstream_seeds import in_production_types, load_original, original_gpt_like

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

SYSTEMS = ("baseline", "pr461", "pr555", "pr940")
WITH_SLIDING = SYSTEMS[1:]
TYPES = {"bf16": torch.bfloat16, "fp32": torch.float32}
MODES = {"production": ("ours as it runs", "theirs bf16"), "bf16": ("ours bf16", "theirs bf16"),
         "fp32": ("ours fp32", "theirs fp32")}  # fmt: skip
WINDOWS, CHUNK, CHUNKS, EPOCHS, BATCH = 64, 1024, 3, 2, 32


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One comparison; `busy` and `wall` are ratios, seconds are of processor time."""

    work: str
    system: str
    mode: str
    busy: float
    wall: float
    ours_s: float
    original_s: float
    rounds: int


def compared(work: str, system: str, sides: Mapping[str, Callable[[], Seconds]], rounds: int) -> list[Row]:
    """Every side once to warm up, then `rounds` times, in turning order."""
    taken: dict[str, list[Seconds]] = {name: [] for name in sides}
    for number in range(rounds + 1):
        names = list(sides) if number % 2 else list(reversed(sides))
        for name in names:
            seconds = sides[name]()
            if number:
                taken[name].append(seconds)
    rows = []
    for mode, (ours, theirs) in MODES.items():
        pairs = list(zip(taken[ours], taken[theirs], strict=True))
        rows.append(
            Row(
                work=work,
                system=system,
                mode=mode,
                busy=statistics.median(one.busy / other.busy for one, other in pairs),
                wall=statistics.median(one.wall / other.wall for one, other in pairs),
                ours_s=statistics.median(one.busy for one, _ in pairs),
                original_s=statistics.median(other.busy for _, other in pairs),
                rounds=rounds,
            )
        )
        print(markdown(rows[-1]), file=sys.__stdout__, flush=True)
    return rows


@contextlib.contextmanager
def ours_in(side: str) -> Iterator[None]:
    """Activations in bf16 whatever the processor can do, where the side says so."""
    if side != "ours bf16":
        yield
        return
    with mock.patch.object(gpt, "multiplies_bfloat16", return_value=True):
        yield


def configuration(system: str, side: str) -> Config:
    compute = ComputeType.FLOAT32 if side == "ours fp32" else ComputeType.BFLOAT16
    config = preset(system, Size.SMALL)
    return replace(
        config,
        run=replace(config.run, compute=compute),
        schedule=replace(config.schedule, train_log_every=0),
        quantization=replace(config.quantization, qat_threshold=0),
        evaluation=replace(config.evaluation, batch_seqs=BATCH),
        ttt=replace(config.ttt, chunk_tokens=CHUNK, epochs=EPOCHS, batch_seqs=BATCH, freeze_blocks=1),
    )


OURS = ("ours as it runs", "ours bf16", "ours fp32")


def training(system: str, clone: Path, data: Path, scratch: Path, rounds: int) -> list[Row]:
    """Whole steps."""
    with contextlib.ExitStack() as opened:
        sides: dict[str, Callable[[], Seconds]] = {}
        for side in OURS:
            with ours_in(side):
                sides[side] = our_steps(configuration(system, side), side, data, scratch, opened)
        for name, compute in TYPES.items():
            original = OriginalTraining(
                system, clone, configuration(system, "ours bf16"), data, scratch, compute
            )
            opened.callback(original.close)
            sides[f"theirs {name}"] = original.step
        return compared("training step", system, sides, rounds)


def our_steps(
    config: Config, side: str, data: Path, scratch: Path, opened: contextlib.ExitStack
) -> Callable[[], Seconds]:
    world = World()
    loader = SpanLoader(shard_paths(data, "train"), world, config.data, vocab_size=config.model.vocab_size)
    opened.enter_context(loader)
    run = new_run(config, world, RunLog(quiet=True), loader, scratch / "checkpoint.pt")
    run.model.train()
    run.clock.run()
    request = StopRequest()

    def step() -> Seconds:
        with ours_in(side), timed() as taken:
            run.advance(request)
            return taken()

    return step


@dataclass(frozen=True, slots=True, kw_only=True)
class Original:
    """A script's model with the weights that ours get, and its evaluation."""

    module: Any
    model: torch.nn.Module
    compute: torch.dtype
    state: dict[str, torch.Tensor]
    tokens: torch.Tensor
    config: Config

    def evaluation(self, name: str, **arguments: object) -> None:
        """One of the script's evaluation functions."""
        vocab_size = self.config.model.vocab_size
        none = torch.zeros(vocab_size, dtype=torch.bool)
        luts = torch.full((vocab_size,), 3), none, none
        cpu = torch.device("cpu")
        with originals_in(self.compute), contextlib.redirect_stdout(io.StringIO()):
            getattr(self.module, name)(
                self.arguments(), self.model, 0, 1, cpu, self.tokens, *luts,
                stride=self.config.evaluation.stride, **arguments,
            )  # fmt: skip

    def adaptation(self, tokens: int) -> None:
        """The training on validation tokens that PR #555 and #940 do before they score."""
        with originals_in(self.compute):
            self.module.ttt_adapt(
                self.arguments(), self.model, torch.device("cpu"), self.tokens[: tokens + 1]
            )

    def arguments(self) -> SimpleNamespace:
        ttt = self.config.ttt
        return SimpleNamespace(
            use_compile=False,
            train_seq_len=self.config.evaluation.eval_seq_len,
            ttt_chunk_tokens=ttt.chunk_tokens,
            ttt_lr=ttt.lr,
            ttt_momentum=ttt.momentum,
            ttt_epochs=ttt.epochs,
            ttt_freeze_blocks=ttt.freeze_blocks,
            ttt_batch_seqs=ttt.batch_seqs,
            ttt_grad_clip=ttt.grad_clip,
        )

    def reset(self) -> None:
        self.model.load_state_dict(self.state)


def original(system: str, clone: Path, compute: torch.dtype, tokens: np.ndarray) -> Original:
    config = configuration(system, "ours bf16")
    module = load_original(system, clone, rotary_float32=True)
    speak(module, compute)
    torch.manual_seed(0)
    model = original_gpt_like(module, config.model)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.02 * torch.randn_like(parameter))
    if compute is torch.bfloat16:
        model = in_production_types(module, model)
    state = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    return Original(
        module=module,
        model=model,
        compute=compute,
        state=state,
        tokens=torch.from_numpy(tokens.astype(np.int64)),
        config=config,
    )


def evaluation(system: str, clone: Path, tokens: np.ndarray, rounds: int, *, adapts: bool) -> list[Row]:
    """Sliding evaluation, or test-time training with it."""
    sides: dict[str, Callable[[], Seconds]] = {}
    originals = {name: original(system, clone, compute, tokens) for name, compute in TYPES.items()}
    for side in OURS:
        sides[side] = our_evaluation(side, originals["bf16"], tokens, system, adapts=adapts)
    for name, theirs in originals.items():
        sides[f"theirs {name}"] = their_evaluation(theirs, adapts=adapts)
    work = "test-time training" if adapts else "sliding evaluation"
    return compared(work, system, sides, rounds)


def our_evaluation(
    side: str, like: Original, tokens: np.ndarray, system: str, *, adapts: bool
) -> Callable[[], Seconds]:
    config = configuration(system, side)
    with ours_in(side):
        model = gpt.build_model(config.model, device=torch.device("cpu"), compute=config.run.compute)
    model.load_state_dict(from_original_names(like.state, system))
    vocab_size = config.model.vocab_size
    table = ByteTable(
        base_bytes=np.full(vocab_size, 3, dtype=np.int64),
        has_leading_space=np.zeros(vocab_size, bool),
        is_boundary=np.zeros(vocab_size, bool),
    )
    evaluate = evaluate_with_ttt if adapts else evaluate_sliding

    def once() -> Seconds:
        with ours_in(side), timed() as taken:
            evaluate(model, tokens, table, config, World())
            return taken()

    return once


def their_evaluation(theirs: Original, *, adapts: bool) -> Callable[[], Seconds]:
    scores_first = hasattr(theirs.module, "eval_val_sliding_ttt")

    def once() -> Seconds:
        theirs.reset()
        with timed() as taken:
            if adapts and scores_first:
                theirs.evaluation("eval_val_sliding_ttt", log0=lambda _line: None)
                return taken()
            if adapts:
                theirs.adaptation((CHUNKS - 1) * CHUNK)
            theirs.evaluation("eval_val_sliding")
            return taken()

    return once


HEADER = (
    "| work | system | mode | ours / original, processor time | by the clock | ours s | original s |\n"
    "|---|---|---|---|---|---|---|"
)


def markdown(row: Row) -> str:
    return (
        f"| {row.work} | {row.system} | {row.mode} | {row.busy:.2f} | {row.wall:.2f} | {row.ours_s:.3f} "
        f"| {row.original_s:.3f} |"
    )


def main() -> None:
    """Parse the command line and measure."""
    parser = argparse.ArgumentParser(description="Our speed beside the original scripts'.")
    parser.add_argument("--clone", type=Path, required=True, help="git clone of openai/parameter-golf")
    parser.add_argument("--data", type=Path, help="folder of shards with vocabulary 1,024")
    parser.add_argument("--system", choices=SYSTEMS, nargs="+", default=SYSTEMS)
    parser.add_argument(
        "--work", choices=("training", "sliding", "ttt"), nargs="+", default=("training", "sliding", "ttt")
    )
    parser.add_argument("--rounds", type=int, default=5, help="alternated rounds after one to warm up")
    parser.add_argument("--quick", action="store_true", help="two rounds")
    parser.add_argument("--json", type=Path, help="also write the rows here")
    chosen = parser.parse_args()
    rounds = 2 if chosen.quick else chosen.rounds
    rows: list[Row] = []
    bf16 = "has" if gpt.multiplies_bfloat16() else "has no"
    print(
        f"torch {torch.__version__}, {torch.get_num_threads()} threads, {platform.machine()}; the processor "
        f"{bf16} bf16 products\n\n{HEADER}",
        flush=True,
    )
    with tempfile.TemporaryDirectory() as made:
        data = chosen.data or synthetic_data(Path(made))
        tokens = read_shard(shard_paths(data, "train")[0])
        seq_len, stride = 256, 64
        for system in chosen.system:
            if "training" in chosen.work:
                rows += training(system, chosen.clone, data.resolve(), Path(made), rounds)
            if system in WITH_SLIDING and "sliding" in chosen.work:
                part = tokens[: seq_len + stride * (WINDOWS - 1) + 1]
                rows += evaluation(system, chosen.clone, part, rounds, adapts=False)
            if system in WITH_SLIDING and "ttt" in chosen.work:
                rows += evaluation(system, chosen.clone, tokens[: CHUNKS * CHUNK + 1], rounds, adapts=True)
    text = json.dumps([asdict(row) for row in rows])
    print(f"\n{text}")
    if chosen.json:
        chosen.json.write_text(text, encoding="utf-8")


def synthetic_data(folder: Path) -> Path:
    """One shard of made-up tokens."""
    write_shard(folder / "fineweb_train_000000.bin", synthetic_tokens(1 << 19, 1024).astype(np.uint16))
    return folder


if __name__ == "__main__":
    main()
