"""A short script that trains a small network and scores validation in chunks, and edits of its scoring."""

from __future__ import annotations

from textwrap import indent
from typing import TYPE_CHECKING

from tests.programs.judging import judged

if TYPE_CHECKING:
    from pathlib import Path

    from harness.finding import Finding

_SCRIPT = """\
import glob
import math

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn


def load(pattern):
    shards = [np.fromfile(path, dtype="<u2") for path in sorted(glob.glob(pattern))]
    return torch.from_numpy(np.concatenate(shards).astype(np.int64))


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.embedding = nn.Embedding(1024, 64)
        self.head = nn.Linear(64, 1024)

    def forward(self, x):
        return self.head(torch.tanh(self.embedding(x)))


device = torch.device("cuda")
train_tokens = load("./data/fineweb_train_*.bin").to(device)
tokens = load("./data/fineweb_val_*.bin").to(device)
model = Net().to(device)
other = Net().to(device)
byte_lengths = torch.ones(1024, device=device)
optimizer = torch.optim.SGD([*model.parameters(), *other.parameters()], lr=0.1)
for step in range(1000):
    x = train_tokens[step * 1024 : (step + 1) * 1024]
    y = train_tokens[step * 1024 + 1 : (step + 1) * 1024 + 1]
    optimizer.zero_grad()
    (F.cross_entropy(model(x), y) + F.cross_entropy(other(x), y)).backward()
    optimizer.step()
torch.save(model.state_dict(), "final_model.pt")
{before}
loss_sum, byte_sum, count = 0.0, 0.0, 0
for i in range((tokens.numel() - 1) // 1024):
    x, y = tokens[i * 1024 : (i + 1) * 1024], tokens[i * 1024 + 1 : (i + 1) * 1024 + 1]
    with torch.no_grad():
{score}
    byte_sum += byte_lengths[y].sum().item()
    count += y.numel()
{end}
val_loss = loss_sum / count
val_bpb = val_loss / math.log(2.0) * count / byte_sum
print(f"final_int8_zlib_roundtrip_exact val_loss:{val_loss:.8f} val_bpb:{val_bpb:.8f}")
"""


def scored_by(score: str, *, before: str = "", end: str = "") -> str:
    """The script with these lines in its scoring loop, before it, and after it."""
    body = _SCRIPT.replace("{before}", before).replace("{end}", end)
    return body.replace("{score}", indent(score, " " * 8))


def said_of(script: str, root: Path, rule: str) -> Finding:
    """The first finding of the rule on a submission with this script."""
    return next(finding for finding in judged(script, root, also=(rule,)) if finding.rule == rule)


def line_of(script: str, text: str) -> int:
    """The number of the first line that holds the text."""
    return next(number for number, line in enumerate(script.split("\n"), 1) if text in line)
