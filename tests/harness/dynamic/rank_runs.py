"""Runs a toy script on two ranks, forks of this process, under the whole launcher of a child."""

from __future__ import annotations

import atexit
import functools
import hashlib
import os
import tempfile
from dataclasses import replace
from pathlib import Path

from harness.dynamic.event_record import read_event_record, take_keys
from harness.dynamic.probes.probe import ScoredRun, scored_run
from harness.dynamic.run_plan import RunPlan
from tests.harness.dynamic.toy_runs import VAL_TOKENS, VOCAB, ToyRun, stream, validation, write_shard


@functools.cache
def rank_run(source: str, *, replaced: range = range(0), number: int = 0) -> ToyRun:
    """The run of `source` on two ranks, made once for all tests; another `number` is it made again."""
    with tempfile.TemporaryDirectory() as made:
        return _run(source, Path(made), replaced)


def scored_ranks(source: str, *, replaced: range = range(0), number: int = 0) -> ScoredRun:
    """The same with its score taken apart."""
    run = rank_run(source, replaced=replaced, number=number)
    return scored_run(f"{replaced} replaced", run, stream_tokens=VAL_TOKENS, label=None)


def _run(source: str, folder: Path, replaced: range) -> ToyRun:
    work, out = folder / "work", folder / "out"
    work.mkdir()
    out.mkdir()
    val, train = folder / "fineweb_val_000000.bin", folder / "fineweb_train_000000.bin"
    tokens = validation()
    tokens[replaced.start : replaced.stop] = validation(replaced_from=0)[replaced.start : replaced.stop]
    write_shard(val, tokens)
    write_shard(train, stream(4096, seed=3))
    plan = RunPlan(
        script=str(work / "train_gpt.py"),
        environment={"DATA_PATH": str(folder)},
        data=str(folder),
        out=str(out),
        val_files=(str(val),),
        train_files=(str(train),),
        vocab_size=VOCAB,
        world_size=2,
    )
    ranks = [_forked(replace(plan, rank=rank), source.encode()) for rank in range(2)]
    statuses = [os.waitstatus_to_exitcode(os.waitpid(number, 0)[1]) for number in ranks]
    logs = [(out / f"log.{rank}").read_text() for rank in range(2)]
    assert statuses == [0, 0], logs
    keys, _ = take_keys([line for log in logs for line in log.splitlines()])
    records = tuple(read_event_record(out, rank=rank, key=keys[rank]) for rank in range(2))
    artifacts = {
        path.name: (path.stat().st_size, hashlib.sha256(path.read_bytes()).hexdigest())
        for path in sorted(work.iterdir())
    }
    return ToyRun(events=records[0], by_rank=records, artifacts=artifacts)


def _forked(plan: RunPlan, source: bytes) -> int:
    """A process that runs one rank; its number."""
    number = os.fork()
    if number:
        return number
    status = 1
    try:
        log = os.open(Path(plan.out) / f"log.{plan.rank}", os.O_WRONLY | os.O_CREAT, 0o644)
        os.dup2(log, 1)
        os.dup2(log, 2)
        atexit._clear()  # what this process is to do at its end is not for its forks
        from harness.dynamic.child.__main__ import run

        status = run(plan, source)
    finally:
        os._exit(status)
