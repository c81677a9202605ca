"""How step time, memory and evaluation time grow with sequence length and model width, on a CPU.

    python -m benchmarks.cost_growth [--preset reference] [--steps 3] [--json FILE]

from the repository's root, best with OMP_NUM_THREADS=1; about three minutes. The shape is the preset's
`small` one (5 layers, width 128, 256 tokens) with one of the two changed; heads stay 32 wide. A step trains
on 2,048 tokens in one forward pass whatever their length, an evaluation scores 4,096 tokens in windows side
by side. Every point has a process of its own: seconds are medians of processor time, MiB what the resident
peak grows by from before the model is built. The exponent of a column is the slope of a straight line
through log cost over log size; "last" is that of the last doubling.
"""

from __future__ import annotations

import argparse
import json
import math
import multiprocessing
import statistics
import tempfile
import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch

from benchmarks.ngram_cost import peak_resident_kib
from harness.tokens.byte_table import ByteTable
from harness.tokens.shard_file import shard_paths, write_shard
from reference_model.distributed import World
from reference_model.evaluation.evaluate import evaluate_plain
from reference_model.presets import PRESETS, Size, preset
from reference_model.training.loader import SpanLoader
from reference_model.training.run_log import RunLog
from reference_model.training.step_agreement import StopRequest
from reference_model.training.train_model import new_run

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from reference_model.config import Config

SEQ_LENS = (128, 256, 512, 1024, 2048)
WIDTHS = (64, 128, 256, 512)
HEAD_WIDTH = 32
STEP_TOKENS, SCORED_TOKENS = 2048, 4096


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """What one size costs."""

    axis: str
    size: int
    parameters: int
    step_s: float
    evaluation_s: float
    mib: float


def main() -> None:
    """Parse the command line and measure."""
    parser = argparse.ArgumentParser(description="Growth of costs with sequence length and width.")
    parser.add_argument("--preset", choices=tuple(PRESETS), default="reference")
    parser.add_argument("--steps", type=int, default=3, help="timed steps of each size")
    parser.add_argument("--json", type=Path, help="also write the rows here")
    chosen = parser.parse_args()
    costs: list[Cost] = []
    for axis, sizes in (("sequence length", SEQ_LENS), ("width", WIDTHS)):
        print(f"\n| {axis} | parameters | step s | evaluation s | MiB |\n|---|---|---|---|---|")
        rows = []
        for size in sizes:
            with multiprocessing.get_context("spawn").Pool(1) as pool:
                rows.append(pool.apply(cost_of, (chosen.preset, axis, size, chosen.steps)))
            print(
                f"| {size:,} | {rows[-1].parameters:,} | {rows[-1].step_s:.3f} | {rows[-1].evaluation_s:.3f} "
                f"| {rows[-1].mib:.0f} |",
                flush=True,
            )
        columns = [
            [row.step_s for row in rows],
            [row.evaluation_s for row in rows],
            [row.mib for row in rows],
        ]
        shown = [
            f"{slope(sizes, column):.2f} (last {slope(sizes[-2:], column[-2:]):.2f})" for column in columns
        ]
        print(f"| exponent | | {' | '.join(shown)} |")
        costs += rows
    if chosen.json:
        chosen.json.write_text(json.dumps([asdict(cost) for cost in costs]), encoding="utf-8")


def cost_of(name: str, axis: str, size: int, steps: int) -> Cost:
    """Measure one size; runs in a process of its own."""
    torch.set_num_threads(1)
    config = configuration(name, axis, size)
    tokens = np.random.default_rng(0).integers(2, config.model.vocab_size, 1 << 16).astype(np.uint16)
    with tempfile.TemporaryDirectory() as made:
        write_shard(Path(made) / "fineweb_train_000000.bin", tokens)
        world = World()
        before = start_peak()
        with SpanLoader(shard_paths(Path(made), "train"), world, config.data) as loader:
            run = new_run(config, world, RunLog(quiet=True), loader, Path(made) / "checkpoint.pt")
            run.model.train()
            run.clock.run()
            request = StopRequest()
            seconds = [busy_seconds(lambda: run.advance(request)) for _ in range(steps + 1)]
        peak = (peak_resident_kib() - before) / 1024
        table = ByteTable(
            base_bytes=np.full(config.model.vocab_size, 3, dtype=np.int64),
            has_leading_space=np.zeros(config.model.vocab_size, bool),
            is_boundary=np.zeros(config.model.vocab_size, bool),
        )
        part = tokens[: SCORED_TOKENS + 1]
        scoring = [
            busy_seconds(lambda: evaluate_plain(run.model, part, table, config, world)) for _ in range(3)
        ]
    return Cost(
        axis=axis,
        size=size,
        parameters=sum(parameter.numel() for parameter in run.model.parameters()),
        step_s=statistics.median(seconds[1:]),
        evaluation_s=statistics.median(scoring),
        mib=peak,
    )


def configuration(name: str, axis: str, size: int) -> Config:
    """The small preset with one of its sizes changed."""
    config = preset(name, Size.SMALL)
    model = config.model
    seq_len = size if axis == "sequence length" else config.data.train_seq_len
    if axis == "width":
        model = replace(
            model, model_dim=size, num_heads=size // HEAD_WIDTH, num_kv_heads=size // HEAD_WIDTH // 2
        )
    return replace(
        config,
        model=model,
        data=replace(
            config.data,
            train_seq_len=seq_len,
            train_batch_tokens=STEP_TOKENS,
            spans_per_step=1,
            micro_batch_seqs=0,
        ),
        schedule=replace(config.schedule, train_log_every=0),
        quantization=replace(config.quantization, qat_threshold=0),
        evaluation=replace(
            config.evaluation, eval_seq_len=seq_len, stride=0, batch_seqs=STEP_TOKENS // seq_len
        ),
        ttt=PRESETS["baseline"].ttt,
    )


def start_peak() -> int:
    """Let the peak start again from here, where the system can; the resident KiB so far."""
    try:
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
    except OSError:
        return 0
    return peak_resident_kib()


def busy_seconds(work: Callable[[], object]) -> float:
    start = time.process_time()
    work()
    return time.process_time() - start


def slope(sizes: Sequence[int], costs: Sequence[float]) -> float:
    """Of the least-squares line through the logarithms."""
    return float(np.polyfit([math.log(size) for size in sizes], [math.log(cost) for cost in costs], 1)[0])


if __name__ == "__main__":
    main()
