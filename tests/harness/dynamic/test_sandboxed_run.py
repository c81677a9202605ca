from __future__ import annotations

import sys

import pytest

from harness.dynamic.audit_subject import read_subject
from harness.dynamic.run_ladder import climb
from harness.dynamic.tiny_data import Layout, tiny_data
from harness.errors import SetupError
from harness.folder_tree import FolderTree
from harness.sandbox.choose import choose_sandbox
from harness.submission_reader import read_submission

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="sandboxes are of Linux")

SCRIPT = """
import glob, os
import numpy as np
path = os.environ.get("DATA_PATH", "./data/datasets/fineweb10B_byte260")
vocab_size = int(os.environ.get("VOCAB_SIZE", 260))
steps = int(os.environ.get("ITERATIONS", 20000))
(name,) = sorted(glob.glob(path + "/fineweb_val_*.bin"))
tokens = np.fromfile(name, dtype="<u2", offset=1024)
open("model.bin", "wb").write(bytes(steps))
print(os.getcwd(), os.path.abspath(path))
print(f"tokens:{tokens.size} steps:{steps} val_bpb:{np.log2(vocab_size):.4f}")
"""


def test_a_script_reaches_its_score_in_the_sandbox(tmp_path, monkeypatch):
    try:
        sandbox = choose_sandbox("auto")
    except SetupError as error:
        pytest.skip(str(error))
    monkeypatch.setenv("GOLF_CACHE_DIR", str(tmp_path / "cache"))
    folder = tmp_path / "mine"
    folder.mkdir()
    (folder / "train_gpt.py").write_text(SCRIPT)
    files = FolderTree(folder)
    subject = read_subject(folder, read_submission(files), files)
    (attempt,) = climb(subject, tiny_data(subject.vocabulary.key, Layout.SINGLE), sandbox, captures=False)
    assert attempt.run.cause is None, attempt.run.log_lines[-5:]
    assert attempt.run.log_lines[-1] == "tokens:2049 steps:6 val_bpb:8.0224"
    assert attempt.run.artifacts["model.bin"][0] == 6
    assert not list(folder.glob("*.bin"))


TWO_RANKS = """
import os
import torch, torch.distributed as dist
rank = int(os.environ["RANK"])
path = os.environ.get("DATA_PATH", "./data/datasets/fineweb10B_byte260")
vocab_size = int(os.environ.get("VOCAB_SIZE", 260))
dist.init_process_group(backend="nccl", device_id=torch.device("cuda", rank))
total = torch.full((1,), 1.0 + rank, device="cuda")
dist.all_reduce(total)
if rank == 0:
    print(f"val_bpb:{total.item():.4f}")
"""


def test_two_ranks_meet_in_the_sandbox(tmp_path, monkeypatch):
    try:
        sandbox = choose_sandbox("auto")
    except SetupError as error:
        pytest.skip(str(error))
    monkeypatch.setenv("GOLF_CACHE_DIR", str(tmp_path / "cache"))
    folder = tmp_path / "mine"
    folder.mkdir()
    (folder / "train_gpt.py").write_text(TWO_RANKS)
    files = FolderTree(folder)
    subject = read_subject(folder, read_submission(files), files)
    (attempt,) = climb(subject, tiny_data(subject.vocabulary.key, Layout.SINGLE), sandbox, ranks=2)
    assert attempt.run.cause is None, attempt.run.log_lines[-5:]
    assert attempt.run.log_lines == ("val_bpb:3.0000",)
    assert [record.sealed for record in attempt.run.by_rank] == [True, True]
