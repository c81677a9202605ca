"""A tiny data folder, and submissions of a few lines that train and evaluate in two steps."""

from __future__ import annotations

import datetime
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from harness.ruleset import load_ruleset
from harness.runs.run_protocol import read_protocol
from harness.runs.seed_job import SeedJob
from harness.runs.track import load_track
from harness.runs.two_step_run import run_two_steps
from harness.sandbox.choose import choose_sandbox
from tests.reference_model.tiny_data import VOCAB_SIZE, make_tiny_data

if TYPE_CHECKING:
    from pathlib import Path

    from harness.runs.run_record import RunRecord
    from harness.runs.run_steps import StepEvent

VAL_TOKENS = 1500
LIMITS = load_ruleset().limits(datetime.date(2026, 5, 2))
TOML = """
artifact = ["model.bin"]
scoring = true
[train]
command = ["train_gpt.py", "train"]
env = { STEPS = "3" }
[evaluate]
command = ["train_gpt.py", "evaluate"]
env = { MODEL = "{artifact}/model.bin" }
"""
TRAIN = """
import glob, json, math, os, sys
def train():
    for name in sorted(glob.glob(os.environ["DATA_PATH"] + "/fineweb_train_*.bin")): open(name, "rb").read()
    assert os.environ["STEPS"] == "3" and "GOLF_SCORING_SOCKET" not in os.environ
    open("leftover.txt", "w").write("not for the evaluation")
    open("model.bin", "wb").write(b"m" * 1000)
"""
# The distribution is the same for every token: VOCAB_SIZE equally likely ones.
EVALUATE = """
def evaluate():
    import numpy as np
    from golf_scoring import open_scoring
    assert os.listdir(os.environ["DATA_PATH"]) == [os.path.basename(os.environ["TOKENIZER_PATH"])]
    assert open(os.environ["MODEL"], "rb").read() == b"m" * 1000
    assert not os.path.exists("leftover.txt")
    with open_scoring() as scoring:
        flat = -math.log(scoring.vocab_size)
        while scoring.released < scoring.total:
            first = max(scoring.released, 1)
            end = min(scoring.released + 400, scoring.total)
            tokens = scoring.tokens_until(end, lambda known: np.full(scoring.vocab_size, flat))
            scoring.seal(first, np.full(end - first, flat))
"""
MAIN = """
if sys.argv[1] == "evaluate":
    print("final_int8_zlib_roundtrip_exact val_loss:5.76832100 val_bpb:{bpb}")
{{"train": train, "evaluate": evaluate}}[sys.argv[1]]()
"""


def script(train: str = TRAIN, evaluate: str = EVALUATE, bpb: str = "0.00000001") -> str:
    """A `train_gpt.py` that prints `bpb`."""
    return train + evaluate + MAIN.format(bpb=bpb)


def two_steps(
    tmp_path: Path,
    text: str,
    *,
    toml: str = TOML,
    sandbox: str = "none",
    events: list[StepEvent] | None = None,
    **changed: Any,
) -> tuple[RunRecord, Path]:
    """The record and the folder of one attempt."""
    folder, data, attempt = tmp_path / "submission", tmp_path / "data", tmp_path / "attempt"
    folder.mkdir()
    (folder / "train_gpt.py").write_text(text)
    (folder / "golf_run.toml").write_text(toml)
    make_tiny_data(data, train_documents=8, val_tokens=VAL_TOKENS)
    attempt.mkdir()
    job = SeedJob(folder=folder, name="toy", seed=13, track=load_track("smoke", LIMITS), data=data)
    protocol = read_protocol(folder)
    assert protocol is not None
    seen = None if events is None else events.append
    record = run_two_steps(replace(job, **changed), attempt, 1, choose_sandbox(sandbox), protocol, seen)
    return record, attempt


def flat_bpb(attempt: Path) -> float:
    """What `EVALUATE` scores, from its shards."""
    import math

    from harness.tokens.byte_table import byte_table_of_sentencepiece
    from harness.tokens.validation_stream import load_validation_tokens

    data = attempt.parent / "data"
    tokens = load_validation_tokens(data, seq_len=1, vocab_size=VOCAB_SIZE)
    table = byte_table_of_sentencepiece(next(data.glob("*.model")), VOCAB_SIZE)
    return (tokens.size - 1) * math.log2(VOCAB_SIZE) / table.stream_bytes(tokens)
