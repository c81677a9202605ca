"""Logs written to stop, slow down or mislead the reader."""

from __future__ import annotations

import random
import time

import pytest

from harness.logs.reader import MOST_RUNS, read_log

# Seconds of CPU for 256 kB: a quadratic pattern takes minutes, a linear one well under a second.
LINEAR_SECONDS = 12.0
SIZE = 256 * 1024


def seconds_for(line: str) -> float:
    pair = f"{line} 1\n{line} 2\n"
    data = (pair * (SIZE // len(pair) + 1)).encode()
    started = time.process_time()
    read_log("a.log", data, len(data))
    return time.process_time() - started


@pytest.mark.parametrize(
    "line",
    [
        "_" * 80 + " " + "_" * 80 + "bpb",
        ("bpb" + " " * 24) * 8 + "x",
        "a_" * 100 + "bpb 1",
        "seed" + " " * 90 + "x",
        "val_loader:" * 40 + "1",
        "size " * 20 + "total " * 20 + "1_model_" * 10,
        "train " + "training done " * 20,
        "Hyperparameters" + "-" * 150 + "x",
        "source code" + " " * 5_000 + "x",
        '"""',
        "import os",
        "=" * 60,
        "\x1b[" * 40,
        "a\r" * 40,
        "",
    ],
    ids=lambda line: repr(line[:12]),
)
def test_no_line_costs_more_than_linear_time(line: str) -> None:
    assert seconds_for(line) < LINEAR_SECONDS


def test_one_endless_line_is_cut() -> None:
    log = read_log("a.log", b"val_bpb:1.2 " * 500_000, 6_000_000)
    assert [problem.kind for problem in log.problems] == ["too-large"]


def test_a_hundred_megabytes_are_read_in_part() -> None:
    data = (
        b"seed:42\n"
        + b"step:1/9 train_loss:2.0000 train_time:1ms step_avg:1.00ms\n" * 1_700_000
        + b"val_bpb:1.2\n"
    )
    log = read_log("a.log", data, len(data))
    assert [p.val_bpb.value for p in log.runs[0].final_passes] == [1.2]
    assert "too-large" in {problem.kind for problem in log.problems}


def test_thousands_of_runs_are_capped() -> None:
    data = b"".join(b"seed:%d\nx val_bpb:1.%d\n" % (number, number) for number in range(2 * MOST_RUNS))
    log = read_log("a.log", data, len(data))
    assert (len(log.runs), log.problems[0].kind) == (MOST_RUNS, "too-large")


@pytest.mark.parametrize("seed", range(20))
def test_random_bytes_never_raise(seed: int) -> None:
    data = random.Random(seed).randbytes(5_000)
    assert read_log("a.log", data, len(data)).path == "a.log"


@pytest.mark.parametrize(
    "line",
    [
        "seed:99999999999999999999999999",
        "val_bpb:1." + "9" * 400,
        "train_time:" + "9" * 400 + "ms",
        "Total submission size x: " + "9" * 400 + " bytes",
        "world_size:٤٢ val_bpb:١.٢",
        "step:" + "9" * 30 + "/1 train_loss:1.0",
        "val_loss:1e999 val_bpb:1e999",
    ],
)
def test_absurd_numbers_never_raise(line: str) -> None:
    assert read_log("a.log", f"{line}\n".encode(), 100).path == "a.log"


def test_hidden_characters_cannot_split_a_score_from_its_label() -> None:
    data = "DIAG\u200bNOSTIC post_ema\u202e val_bpb:1.0\n".encode()
    assert read_log("a.log", data, len(data)).runs[0].final_passes == ()


def test_a_backspaced_score_reads_as_it_is_stored() -> None:
    data = b"final val_bpb:1.3\x08\x08\x081.0\n"
    assert [p.val_bpb.value for p in read_log("a.log", data, len(data)).runs[0].passes] != [1.0]
