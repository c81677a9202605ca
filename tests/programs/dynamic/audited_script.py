"""A small legal submission on the official data format, and how to edit it: what attacks on the dynamic audit
start from. It trains, writes an artifact, reads it back, scores every validation token once and prints."""

from __future__ import annotations

LEGAL = """\
import glob
import io
import math
import os
import sys
import time

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

DATA = os.environ.get("DATA_PATH", "./data/datasets/fineweb10B_byte260")
VOCAB = int(os.environ.get("VOCAB_SIZE", 260))
STEPS = int(os.environ.get("ITERATIONS", 20000))
SEQ = int(os.environ.get("TRAIN_SEQ_LEN", 1024))


def load(pattern):
    paths = sorted(glob.glob(os.path.join(DATA, pattern)))
    shards = [np.fromfile(each, dtype="<u2", offset=1024).astype(np.int64) for each in paths]
    return torch.from_numpy(np.concatenate(shards))


class Net(nn.Module):
    def __init__(self, dim=16):
        super().__init__()
        self.table = nn.Embedding(VOCAB, dim)
        self.head = nn.Linear(dim, VOCAB)

    def forward(self, x, y, reduction="mean"):
        logits = self.head(torch.tanh(self.table(x)))
        return F.cross_entropy(logits.reshape(-1, VOCAB), y.reshape(-1), reduction=reduction)


torch.manual_seed(1337)
train, val = load("fineweb_train_*.bin"), load("fineweb_val_*.bin")
model = Net()
optimizer = torch.optim.AdamW(model.parameters(), lr=0.01)
for step in range(STEPS):
    at = step * 4 * SEQ
    x, y = train[at : at + 4 * SEQ].view(4, SEQ), train[at + 1 : at + 4 * SEQ + 1].view(4, SEQ)
    optimizer.zero_grad()
    loss = model(x, y)
    loss.backward()
    optimizer.step()
    print(f"step:{step} train_loss:{loss.item():.4f}")  # in training
torch.save(model.state_dict(), "final_model.pt")
model.load_state_dict(torch.load("final_model.pt"))


def evaluate():
    loss_sum, byte_count = 0.0, 0
    for start in range(0, val.numel() - 1, SEQ):
        x, y = val[start : start + SEQ][: val.numel() - 1 - start], val[start + 1 : start + SEQ + 1]
        with torch.no_grad():
            nll = model(x, y, reduction="none")
        loss_sum += nll.double().sum().item()
        byte_count += int((y > 3).sum())  # in evaluation
    return loss_sum / math.log(2.0) / byte_count


bpb = evaluate()
print(f"final_exact val_bpb:{bpb:.8f}")
"""


def edited(*edits: tuple[str, str]) -> str:
    """`LEGAL` with each first text, which must stand there once, replaced by the second."""
    source = LEGAL
    for old, new in edits:
        assert source.count(old) == 1, old
        source = source.replace(old, new)
    return source


def starting_with(code: str) -> str:
    """`LEGAL` with `code` before its training."""
    return edited(("torch.manual_seed(1337)\n", f"torch.manual_seed(1337)\n{code}\n"))


def while_training(code: str) -> str:
    """`LEGAL` with `code`, one line, in each step of its training."""
    return edited(("  # in training\n", f"\n    {code}\n"))


def while_evaluating(code: str) -> str:
    """`LEGAL` with `code`, one line, at each window of its evaluation."""
    return edited(("  # in evaluation\n", f"\n        {code}\n"))


def ending_with(code: str) -> str:
    """`LEGAL` with `code` after its last line."""
    return f"{LEGAL}{code}\n"


def in_place_of_the_end(code: str) -> str:
    """`LEGAL` with `code` in place of its evaluation and its last line."""
    return LEGAL.partition("bpb = evaluate()")[0] + f"{code}\n"
