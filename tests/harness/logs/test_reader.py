"""Which files are logs, and what is said about files that hold nothing."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import pytest

from harness.logs.reader import looks_like_log, read_log

if TYPE_CHECKING:
    from harness.logs.training_log import LogFile


def read(text: str) -> LogFile:
    return read_log("a.log", text.encode(), len(text.encode()))


@pytest.mark.parametrize(
    "path",
    ["train.log", "logs/seed_1/log.txt", "run.out", "script", "nohup.out", "TRAIN.LOG", "train.log.txt"],
)
def test_the_output_of_a_run_looks_like_a_log(path: str) -> None:
    assert looks_like_log(path)


@pytest.mark.parametrize(
    "path",
    [
        "requirements.txt",
        "requirements-dev.txt",
        "vocab.txt",
        "README.txt",
        "merges.txt",
        "LICENSE",
        "train_gpt.py",
        "data/CMakeLists.txt",
        "Dockerfile",
        ".hidden.log",
        "submission.json",
    ],
)
def test_other_text_files_do_not_look_like_a_log(path: str) -> None:
    assert not looks_like_log(path)


def test_an_empty_file_is_a_problem_and_no_run() -> None:
    log = read(" \n\n")
    assert (log.runs, [problem.kind for problem in log.problems]) == ((), ["empty"])


def test_prose_is_a_problem_and_no_run() -> None:
    assert [problem.kind for problem in read("Logs will be added later.\n").problems] == ["no-events"]


def test_the_digest_tells_copies_apart() -> None:
    assert read("seed:42\n").sha256 == hashlib.sha256(b"seed:42\n").hexdigest()


def test_defaults_in_a_dumped_script_are_no_results() -> None:
    script = (
        "import os\nimport sys\nfrom math import pi\nseed = 7\ndef f():\n    pass\nseed:42\nval_bpb:1.5\n"
    )
    log = read(script.replace("seed:42\nval_bpb:1.5\n", "seed: int\n") + "=" * 100 + "\nval_bpb:1.2\n")
    assert [p.val_bpb.value for run in log.runs for p in run.passes] == [1.2]


def test_values_carry_file_line_and_text() -> None:
    score = read("seed:42\nfinal val_loss:2.0 val_bpb:1.25\n").runs[0].passes[0].val_bpb
    assert (score.file, score.line, score.excerpt) == ("a.log", 2, "final val_loss:2.0 val_bpb:1.25")
