"""Step time and evaluation time on one GPU, the original's own training loop beside ours in one process.

    python -m benchmarks.gpu_step --original TRAIN_GPT.py --preset pr940 [--json FILE]    # one H100
    python -m benchmarks.gpu_step --clone CLONE --preset pr940
    python -m benchmarks.gpu_step --cpu-smoke [--clone CLONE]     # the same code at tiny size, no GPU

from the repository's root, on an otherwise idle machine with one GPU; ten minutes expected, half of them
compilation. TRAIN_GPT.py is the script of the same system as --preset, CLONE a git clone of
openai/parameter-golf that holds it; without either only ours runs. No number in this repository comes from
this command yet: it was written without a GPU at hand and has run with --cpu-smoke only.

Timed are whole steps of 786,432 random tokens (loader, forward, backward, clipping, optimisers, averages):
ours with attention by cuDNN and by flash, with Inductor's mix_order_reduction off and on, and with one span
or two in a forward pass; the original as its main() runs it, paused between blocks of steps
(`original_stepping`). "of the floor" is the time that the products of the step would take at 800 TFLOP/s
(`flop_model`), divided by the time taken; MFU takes the 989 TFLOP/s of the data sheet. Then sliding
evaluation and test-time training on a sixteenth of the challenge's validation split, random tokens again,
with what eight GPUs would take for the whole split if they shared it evenly.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import statistics
import sys
import tempfile
import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING
from unittest import mock

import numpy as np
import torch

from benchmarks.flop_model import H100_DENSE_BF16, H100_REACHABLE, training_flops_per_token
from harness.tokens.byte_table import ByteTable
from harness.tokens.shard_file import shard_paths, write_shard
from reference_model.config import Config, TttKind
from reference_model.distributed import World
from reference_model.evaluation.evaluate import evaluate_sliding, evaluate_with_ttt
from reference_model.network.gpt import autocast, build_model
from reference_model.presets import PRESETS, Size, preset
from reference_model.training import training_run
from reference_model.training.loader import SpanLoader
from reference_model.training.run_log import RunLog
from reference_model.training.step_agreement import StopRequest
from reference_model.training.train_model import new_run

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from reference_model.config import ComputeType

VALIDATION_TOKENS = 62_021_846
SLICES = 16
BLOCK_STEPS = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Variant:
    """One way to run our step."""

    name: str
    attention: str | None = None
    """The backend taken first, by its name in torch; None = the order of `gpt.autocast`, cuDNN first."""
    mix_order_reduction: bool = False
    spans_together: int = 1


VARIANTS = (
    Variant(name="ours, cuDNN attention"),
    Variant(name="ours, flash attention", attention="FLASH_ATTENTION"),
    Variant(name="ours, mix_order_reduction on", mix_order_reduction=True),
    Variant(name="ours, two spans together", spans_together=2),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class StepTime:
    """What a variant reached."""

    name: str
    first_step_s: float
    """With compilation."""
    ms_per_step: float
    tokens_per_s: float
    tflops_per_s: float
    of_the_floor: float
    mfu: float
    peak_gib: float | None


def main() -> None:
    """Parse the command line and measure."""
    parser = argparse.ArgumentParser(description="Step time on one GPU beside the original's.")
    parser.add_argument("--preset", choices=tuple(PRESETS), default="pr940")
    parser.add_argument("--clone", type=Path, help="git clone of openai/parameter-golf")
    parser.add_argument("--original", type=Path, help="the script itself, where there is no clone")
    parser.add_argument("--blocks", type=int, default=5, help=f"blocks of {BLOCK_STEPS} timed steps each")
    parser.add_argument("--variants", type=int, default=len(VARIANTS), help="how many of ours, in order")
    parser.add_argument("--eval-tokens", type=int, default=VALIDATION_TOKENS // SLICES)
    parser.add_argument("--no-evaluation", action="store_true")
    parser.add_argument("--json", type=Path, help="also write the results here")
    parser.add_argument("--cpu-smoke", "--dry-run", action="store_true", help="tiny size on the CPU")
    chosen = parser.parse_args()
    if not chosen.cpu_smoke and not torch.cuda.is_available():
        sys.exit(
            f"torch {torch.__version__} sees no GPU here, and these times mean nothing without one; run this "
            "on a machine with an H100, or with --cpu-smoke to see that the command works"
        )
    if chosen.cpu_smoke:
        chosen.blocks, chosen.eval_tokens = 1, 2_000
    device = torch.device("cpu" if chosen.cpu_smoke else "cuda")
    world = World(device=device)
    config = configuration(chosen.preset, Size.TINY if chosen.cpu_smoke else Size.FULL)
    name = torch.cuda.get_device_name() if device.type == "cuda" else "CPU, smoke test: no measurement"
    batch = config.data.train_batch_tokens
    print(f"{name}, torch {torch.__version__}, {chosen.preset}, {batch:,} tokens a step")
    with tempfile.TemporaryDirectory() as made:
        scratch = Path(made)
        tokens = random_tokens(config, chosen.eval_tokens)
        write_shard(
            scratch / "fineweb_train_000000.bin",
            random_tokens(config, 1 << 23 if device.type == "cuda" else 1 << 16),
        )
        steps = step_times(config, chosen, world, scratch)
    evaluations = [] if chosen.no_evaluation else evaluation_times(config, tokens, world)
    text = json.dumps({"device": name, "steps": [asdict(each) for each in steps], "evaluation": evaluations})
    print(f"\n{text}")
    if chosen.json:
        chosen.json.write_text(text, encoding="utf-8")


def configuration(name: str, size: Size) -> Config:
    """The preset, without end, clock, validation and late quantisation."""
    config = preset(name, size)
    return replace(
        config,
        data=replace(config.data, micro_batch_seqs=0),
        schedule=replace(
            config.schedule,
            iterations=1_000_000,
            warmup_steps=0,
            max_wallclock_seconds=0,
            val_loss_every=0,
            train_log_every=0,
        ),
        quantization=replace(config.quantization, qat_threshold=0),
    )


def random_tokens(config: Config, count: int) -> np.ndarray:
    return np.random.default_rng(0).integers(1, config.model.vocab_size, count).astype(np.uint16)


def step_times(config: Config, chosen: argparse.Namespace, world: World, scratch: Path) -> list[StepTime]:
    """Each variant of ours in turn, in alternating blocks with the original."""
    results, of_original = [], None
    print(
        "\n| | first step s | ms/step | Mtok/s | TFLOP/s | of the floor | MFU | peak GiB |\n|---|"
        + "---|" * 7
    )
    with contextlib.ExitStack() as opened:
        original = None
        if chosen.clone or chosen.original:
            original = original_steps(config, chosen, world, scratch, opened)
        for variant in VARIANTS[: chosen.variants]:
            if world.device.type == "cuda":
                torch.cuda.empty_cache()  # of the variant before
                torch.cuda.reset_peak_memory_stats()
            with our_steps(config, variant, world, scratch) as ours:
                sides = [ours] if original is None or of_original is not None else [ours, original]
                times = blocks_of(sides, chosen.blocks, world)
            results.append(measured(variant.name, times[0], config, world))
            print(markdown(results[-1]), flush=True, file=sys.__stdout__)
            if len(times) > 1:
                of_original = measured(f"original {chosen.preset}", times[1], config, world)
                print(markdown(of_original), flush=True, file=sys.__stdout__)
    return results if of_original is None else [*results, of_original]


def blocks_of(
    sides: list[Callable[[], object]], blocks: int, world: World
) -> list[tuple[float, list[float]]]:
    """Per side: seconds of its first step, and of a step in every block; a second step is not counted."""
    first = [seconds_of(side, 1, world) for side in sides]
    for side in sides:
        seconds_of(side, 1, world)
    times: list[list[float]] = [[] for _ in sides]
    for _ in range(blocks):
        for taken, side in zip(times, sides, strict=True):
            taken.append(seconds_of(side, BLOCK_STEPS, world) / BLOCK_STEPS)
    return list(zip(first, times, strict=True))


def seconds_of(work: Callable[[], object], count: int, world: World) -> float:
    wait_for(world)
    start = time.perf_counter()
    for _ in range(count):
        work()
    wait_for(world)
    return time.perf_counter() - start


def wait_for(world: World) -> None:
    if world.device.type == "cuda":
        torch.cuda.synchronize()


@contextlib.contextmanager
def our_steps(
    config: Config, variant: Variant, world: World, scratch: Path
) -> Iterator[Callable[[], object]]:
    """A fresh run, compiled anew."""
    if variant.spans_together > 1:
        data = config.data
        span = data.train_batch_tokens // data.spans_per_step // data.train_seq_len
        config = replace(config, data=replace(data, micro_batch_seqs=variant.spans_together * span))
    torch._dynamo.reset()
    with (
        SpanLoader(shard_paths(scratch, "train"), world, config.data) as loader,
        mock.patch.object(training_run, "autocast", attention_first(variant.attention)),
    ):
        run = new_run(config, world, RunLog(quiet=True), loader, scratch / "checkpoint.pt")
        set_mix_order_reduction(on=variant.mix_order_reduction)
        run.model.train()
        run.clock.run()
        request = StopRequest()
        yield lambda: run.advance(request)


def attention_first(
    backend: str | None,
) -> Callable[[torch.device, ComputeType], contextlib.AbstractContextManager[None]]:
    """`gpt.autocast` with another backend of attention put first."""
    if backend is None:
        return autocast

    @contextlib.contextmanager
    def with_backend(device: torch.device, compute: ComputeType) -> Iterator[None]:
        from torch.nn.attention import SDPBackend, sdpa_kernel

        order = [getattr(SDPBackend, backend), SDPBackend.EFFICIENT_ATTENTION, SDPBackend.MATH]
        with autocast(device, compute), sdpa_kernel(order, set_priority=True):
            yield

    return with_backend


def set_mix_order_reduction(*, on: bool) -> None:
    """Before the first step compiles; torch versions without the option have nothing to set."""
    import torch._inductor.config as inductor

    if hasattr(inductor.triton, "mix_order_reduction"):
        inductor.triton.mix_order_reduction = on


def original_steps(
    config: Config, chosen: argparse.Namespace, world: World, scratch: Path, opened: contextlib.ExitStack
) -> Callable[[], object]:
    """The script's main(), run up to its first batch."""
    from benchmarks.original_stepping import OriginalTraining

    if chosen.preset == "reference":
        sys.exit("--preset reference is no system of a pull request; compare pr461, pr555, pr940 or baseline")
    original = OriginalTraining(
        chosen.preset,
        chosen.original or chosen.clone,
        config,
        scratch,
        scratch,
        torch.bfloat16,
        on_gpu=world.device.type == "cuda",
    )
    opened.callback(original.close)
    return original.step


def measured(name: str, times: tuple[float, list[float]], config: Config, world: World) -> StepTime:
    first, blocks = times
    seconds = statistics.median(blocks)
    data = config.data
    flops = training_flops_per_token(config.model, data.train_seq_len) * data.train_batch_tokens
    peak = torch.cuda.max_memory_allocated() / 2**30 if world.device.type == "cuda" else None
    return StepTime(
        name=name,
        first_step_s=first,
        ms_per_step=seconds * 1e3,
        tokens_per_s=data.train_batch_tokens / seconds,
        tflops_per_s=flops / seconds / 1e12,
        of_the_floor=flops / H100_REACHABLE / seconds,
        mfu=flops / H100_DENSE_BF16 / seconds,
        peak_gib=peak,
    )


def markdown(row: StepTime) -> str:
    peak = "-" if row.peak_gib is None else f"{row.peak_gib:.1f}"
    return (
        f"| {row.name} | {row.first_step_s:.1f} | {row.ms_per_step:.1f} | {row.tokens_per_s / 1e6:.3f} | "
        f"{row.tflops_per_s:.1f} | {row.of_the_floor:.1%} | {row.mfu:.1%} | {peak} |"
    )


def evaluation_times(config: Config, tokens: np.ndarray, world: World) -> list[dict[str, float | str]]:
    """Sliding evaluation and test-time training; a short run before each compiles."""
    vocab_size = config.model.vocab_size
    table = ByteTable(
        base_bytes=np.full(vocab_size, 3, dtype=np.int64),
        has_leading_space=np.zeros(vocab_size, bool),
        is_boundary=np.zeros(vocab_size, bool),
    )
    torch._dynamo.reset()
    model = build_model(config.model, device=world.device, compute=config.run.compute)
    adapts = config.ttt.kind is not TttKind.NONE
    works = {"sliding": evaluate_sliding} | ({"ttt": evaluate_with_ttt} if adapts else {})
    results: list[dict[str, float | str]] = []
    print(
        "\n| evaluation | tokens | seconds | with compilation | whole split on 8 GPUs, s |\n"
        + "|---" * 5
        + "|"
    )
    for name, evaluate in works.items():
        short = tokens[: 2 * max(config.ttt.chunk_tokens, config.evaluation.eval_seq_len) + 1]
        compiling = seconds_of(lambda: evaluate(model, short, table, config, world), 1, world)  # noqa: B023
        seconds = seconds_of(lambda: evaluate(model, tokens, table, config, world), 1, world)  # noqa: B023
        whole = seconds * VALIDATION_TOKENS / len(tokens) / 8
        print(
            f"| {name} | {len(tokens):,} | {seconds:.1f} | {compiling + seconds:.1f} | {whole:.0f} |",
            flush=True,
        )
        results.append({"work": name, "tokens": len(tokens), "seconds": seconds, "whole_split_on_8_s": whole})
    return results


if __name__ == "__main__":
    main()
