"""What the stand-ins and the capture of the dynamic audit change in a script: its numbers, and its cost.

    python -m benchmarks.emulation_fidelity [--rounds N]

from the repository's root. The reference trains and is scored at the tiny size of the audit, at the same
paths each time: as a plain process on the CPU, under the launcher without and with the capture, and on two
ranks, plain (gloo) and captured. Every number the plain run prints is compared with the launcher's, digit by
digit, and so are the weights it trained, bit by bit. The score of two ranks is compared with what the audit
adds up from the records of both. The reference chooses other formulas on a CPU than on a GPU; once more it
runs with those choices taken out, so that only the stand-ins differ.

Ways take turns, `--rounds` times in an order drawn anew, and their processor seconds are compared within each
round. Where torch sees a GPU, the plain run on it is compared too.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import re
import resource
import shutil
import statistics
import subprocess
import tempfile
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from harness.dynamic.audit_run import DATA, OUT, SUBMISSION, run_child
from harness.dynamic.data_folder import data_places
from harness.dynamic.explained_metrics import LN2
from harness.dynamic.probes.probe import scored_run
from harness.dynamic.run_plan import RunPlan
from harness.dynamic.tiny_data import Layout, tiny_data
from harness.dynamic.tiny_vocabulary import VocabularyKey
from harness.sandbox.rank_command import LOOPBACK, free_port
from harness.sandbox.request import EndKind, SandboxOutcome

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from harness.dynamic.audit_run import AuditRun
    from harness.dynamic.tiny_data import TinyData
    from harness.sandbox.request import Mount, Protection, SandboxRequest

REFERENCE = Path(__file__).resolve().parents[1] / "submissions" / "reference"
WEIGHTS = "final_model.pt"
VOCABULARY = VocabularyKey(size=1024)
TINY = {
    "SEED": "42",
    "ITERATIONS": "6",
    "WARMDOWN_ITERS": "3",
    "SPANS_PER_STEP": "2",
    "VOCAB_SIZE": "1024",
    "RUN_ID": "tiny",
}
"""Beside the size that the folder has anyway."""
CHOICES = {
    'return x.device.type == "cpu" and not torch.compiler.is_compiling()': "return False",
    "if dtype is torch.bfloat16:  # every": "if False:  # every",
    'CPU_BLOCK_ELEMENTS if logits_NV.device.type == "cpu" else GPU_BLOCK_ELEMENTS': "GPU_BLOCK_ELEMENTS",
    'if targets_N.device.type == "cpu":': "if True:",
    "\n        fused=True,\n": "\n        fused=False,\n",
}
"""Where the reference computes in another way on a CPU, in bfloat16 or in a kernel of Adam that the stand-ins
leave out: those choices taken from it."""
_PRINTED = re.compile(r"\b(train_loss|val_loss|val_bpb):(-?\d+\.\d+|nan|inf)\b")


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """One way to run the script. `is_plain`: without our launcher; `sees_gpu` only then."""

    name: str
    is_plain: bool = False
    captures: bool = False
    ranks: int = 1
    sees_gpu: bool = False


PLAIN = Way(name="plain", is_plain=True)
FACADE = Way(name="stand-ins")
CAPTURED = Way(name="stand-ins, capture", captures=True)
TWO_PLAIN = Way(name="plain, 2 ranks", is_plain=True, ranks=2)
TWO_CAPTURED = Way(name="stand-ins, capture, 2 ranks", captures=True, ranks=2)
ON_GPU = Way(name="plain on the GPU", is_plain=True, sees_gpu=True)


class OpenSandbox:
    """No sandbox: our own script, at the same paths each time, and the processor seconds it takes.

    A plain way takes the launcher's command and runs the script of its plan instead.
    """

    name = "none"

    def __init__(self, way: Way) -> None:
        self._way = way
        self.cpu_seconds = 0.0

    def seen_at(self, mount: Mount) -> str:
        """Its place on the host."""
        return str(mount.host)

    def protections(self, request: SandboxRequest) -> tuple[Protection, ...]:
        """None."""
        return ()

    def run(
        self,
        request: SandboxRequest,
        on_output: Callable[[float, bytes], None],
        clock: Callable[[], float] = time.monotonic,
        should_stop: Callable[[], bool] = lambda: False,
    ) -> SandboxOutcome:
        """Run it to its end."""
        began, before = clock(), resource.getrusage(resource.RUSAGE_CHILDREN)
        processes = [
            subprocess.Popen(
                command,
                env={**request.environment, **environment},
                cwd=request.workdir,
                stdout=subprocess.PIPE if rank == 0 else subprocess.DEVNULL,
                stderr=subprocess.STDOUT,
            )
            for rank, (command, environment) in enumerate(self._commands(request))
        ]
        assert processes[0].stdout is not None
        for line in processes[0].stdout:
            on_output(clock() - began, line)
        code = max(process.wait() for process in processes)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        self.cpu_seconds = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        return SandboxOutcome(
            kind=EndKind.EXITED,
            detail=f"exit status {code}",
            exit_code=code,
            signal=None,
            seconds=clock() - began,
            log_bytes=0,
            peak_memory_bytes=None,
            survivors_killed=0,
            protections=(),
        )

    def _commands(self, request: SandboxRequest) -> list[tuple[list[str], dict[str, str]]]:
        if not self._way.is_plain:
            return [(list(request.command), {})]
        plan = json.loads(Path(request.command[-1]).read_text())
        common = {**plan["environment"], "MASTER_ADDR": LOOPBACK, "MASTER_PORT": str(free_port())}
        common["GLOO_SOCKET_IFNAME"] = "lo"
        if not self._way.sees_gpu:
            common["CUDA_VISIBLE_DEVICES"] = ""
        ranks = [{"RANK": str(rank), "LOCAL_RANK": str(rank)} for rank in range(self._way.ranks)]
        return [
            (
                [request.command[0], plan["script"], *plan["argv"]],
                {**common, **rank, "WORLD_SIZE": str(self._way.ranks)},
            )
            for rank in ranks
        ]


@dataclass(frozen=True, slots=True, kw_only=True)
class Ran:
    """A run of one way: printed numbers by name and turn, SHA-256 of the trained weights, and its cost."""

    way: Way
    numbers: Mapping[tuple[str, int], str]
    weights: str
    cpu_seconds: float
    run: AuditRun


def tiny_plan() -> RunPlan:
    """A small run of the reference."""
    places = data_places(VOCABULARY)
    return RunPlan(
        script=f"{SUBMISSION}/train_gpt.py",
        environment={
            **TINY,
            "DATA_PATH": f"{DATA}/{places.dataset}",
            "TOKENIZER_PATH": f"{DATA}/{places.tokenizer}",
        },
        data=DATA,
        out=OUT,
        val_files=tuple(f"{DATA}/{name}" for name in places.val_files),
        train_files=tuple(f"{DATA}/{name}" for name in places.train_files),
        vocab_size=VOCABULARY.size,
    )


def without_choices(folder: Path) -> Path:
    """A copy of the reference in the new `folder` that computes in one way on every device.

    Raises `RuntimeError` where the reference no longer has one of the choices.
    """
    shutil.copytree(REFERENCE, folder)
    script = folder / "train_gpt.py"
    text = script.read_text(encoding="utf-8")
    for choice, one_way in CHOICES.items():
        if text.count(choice) != 1:
            raise RuntimeError(
                f"{script.name} of the reference has no {choice!r} to take out: look for it anew"
            )
        text = text.replace(choice, one_way)
    script.write_text(text, encoding="utf-8")
    return folder


def ran(way: Way, plan: RunPlan, data: TinyData, folder: Path = REFERENCE) -> Ran:
    """Run the script this way. Raises `RuntimeError` with its last lines where it fails."""
    sandbox = OpenSandbox(way)
    plan = replace(plan, captures=way.captures, world_size=way.ranks)
    run = run_child(folder, plan, data, sandbox)
    if run.cause is not None:
        raise RuntimeError(f"{way.name}: {run.cause.message}\n" + "\n".join(run.log_lines[-20:]))
    numbers: dict[tuple[str, int], str] = {}
    for line in run.log_lines:
        for name, value in _PRINTED.findall(line):
            turn = sum(known == name for known, _ in numbers)
            numbers[name, turn] = value
    return Ran(
        way=way,
        numbers=numbers,
        weights=run.artifacts.get(WEIGHTS, (0, "not written"))[1],
        cpu_seconds=sandbox.cpu_seconds,
        run=run,
    )


def compared(one: Ran, other: Ran) -> str:
    """How the printed numbers of two ways go together, in a sentence."""
    shared = [key for key in one.numbers if key in other.numbers]
    differ = [key for key in shared if one.numbers[key] != other.numbers[key]]
    parts = [f"{len(shared) - len(differ)} of {len(one.numbers)} printed numbers equal to the last digit"]
    for name in sorted({name for name, _ in differ}):
        most = max(
            abs(float(one.numbers[key]) - float(other.numbers[key])) for key in differ if key[0] == name
        )
        parts.append(f"{name} off by up to {most:.2e}")
    parts.append(f"trained weights {'the same bit for bit' if one.weights == other.weights else 'others'}")
    return f"{other.way.name} against {one.way.name}: " + "; ".join(parts)


def summed(two: Ran, data: TinyData) -> str:
    """The printed score of two ranks against the one that the audit adds up from both records."""
    scored = scored_run("two", two.run, stream_tokens=data.validation.size, label=None)
    if scored.metric is None:
        return f"{two.way.name}: the printed score is not explained ({scored.why_not})"
    metric = scored.metric
    total = float(np.sum(scored.score.values)) / metric.denominator / (LN2 if metric.in_bits else 1.0)
    return (
        f"{two.way.name}: printed {metric.metric.label} {metric.metric.value:.12f}, added up from the "
        f"{scored.score.values.size:,} scores of both records {total:.12f} (off by "
        f"{abs(total - metric.metric.value):.2e})"
    )


def cost(rounds: Sequence[Mapping[str, float]], one: Way, other: Way) -> str:
    """Processor seconds of two ways: the median of the ratios within a round."""
    ratios = sorted(each[other.name] / each[one.name] for each in rounds)
    median = statistics.median(each[other.name] for each in rounds)
    return (
        f"{other.name}: {median:.1f} processor seconds, {statistics.median(ratios):.2f} times {one.name} "
        f"({ratios[0]:.2f} to {ratios[-1]:.2f} in {len(ratios)} rounds)"
    )


def main(arguments: Sequence[str] | None = None) -> None:
    """Run all ways and print what differs and what it costs."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3, help="turns of each way (3)")
    rounds_wanted = parser.parse_args(arguments).rounds
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    plan, data = tiny_plan(), tiny_data(VOCABULARY, Layout.SINGLE)
    ways = [PLAIN, FACADE, CAPTURED, TWO_PLAIN, TWO_CAPTURED]
    rounds: list[dict[str, float]] = []
    last: dict[str, Ran] = {}
    for number in range(max(rounds_wanted, 1)):
        seconds: dict[str, float] = {}
        for way in random.sample(ways, len(ways)):
            last[way.name] = ran(way, plan, data)
            seconds[way.name] = last[way.name].cpu_seconds
        rounds.append(seconds)
        print(f"round {number + 1}: " + ", ".join(f"{name} {value:.1f} s" for name, value in seconds.items()))
    plain, two = last[PLAIN.name], last[TWO_PLAIN.name]
    for name, turn in plain.numbers:
        row = [last[way.name].numbers.get((name, turn), "-") for way in ways]
        print(f"{name} {turn + 1}: " + " | ".join(row))
    print(compared(plain, last[FACADE.name]))
    with tempfile.TemporaryDirectory(prefix="golf-fidelity-") as scratch:
        folder = without_choices(Path(scratch) / "reference")
        one, other = (ran(way, plan, data, folder) for way in (PLAIN, FACADE))
        print(f"the script without its choices by device: {compared(one, other)}")
    print(compared(last[FACADE.name], last[CAPTURED.name]))
    print(compared(two, last[TWO_CAPTURED.name]))
    print(summed(last[TWO_CAPTURED.name], data))
    print(cost(rounds, PLAIN, FACADE))
    print(cost(rounds, FACADE, CAPTURED))
    print(cost(rounds, PLAIN, CAPTURED))
    print(cost(rounds, TWO_PLAIN, TWO_CAPTURED))
    print(_on_gpu(plain, plan, data))


def _on_gpu(plain: Ran, plan: RunPlan, data: TinyData) -> str:
    import torch

    if not torch.cuda.is_available():
        return "no GPU here: not compared with CUDA"
    return compared(plain, ran(ON_GPU, plan, data))


if __name__ == "__main__":
    main()
