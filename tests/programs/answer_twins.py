"""Small scripts in pairs: what goes into the logits or the training data, illegal and its legal twin."""

from __future__ import annotations

from dataclasses import dataclass

_SCRIPT = """\
import collections
import glob
import math
import os
import shutil
import numpy as np
import torch
import torch.nn.functional as F
from pathlib import Path
from torch import nn


def load(pattern):
    shards = [np.fromfile(path, dtype="<u2") for path in sorted(glob.glob(pattern))]
    return torch.from_numpy(np.concatenate(shards).astype(np.int64))


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.emb = nn.Embedding(1024, 64)
        self.head = nn.Linear(64, 1024)
        self.bias = nn.Parameter(torch.zeros(1024))

    def forward(self, x):
        return self.head(self.emb(x)) + self.bias


{first}
train_tokens = load("./data/fineweb_train_*.bin")
tokens = load("./data/fineweb_val_*.bin")
torch.manual_seed(int(os.environ.get("SEED", "1337")))
model = Net()
byte_lengths = torch.ones(1024)
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
for step in range(1000):
    start = step * 1024
    x, y = train_tokens[start : start + 1024], train_tokens[start + 1 : start + 1025]
    optimizer.zero_grad()
    F.cross_entropy(model(x), y{smoothing}).backward()
    optimizer.step()
torch.save(model.state_dict(), "final_model.pt")
model.load_state_dict(torch.load("final_model.pt"))

{before}
loss_sum, byte_sum, count = 0.0, 0.0, 0
for i in range((tokens.numel() - 1) // 1024):
    x, y = tokens[i * 1024 : (i + 1) * 1024], tokens[i * 1024 + 1 : (i + 1) * 1024 + 1]
    with torch.no_grad():
        logits = model(x)
        {inside}
        loss_sum += {loss}
    byte_sum += byte_lengths[y].sum().item()
    count += y.numel()
val_loss = loss_sum / count
val_bpb = val_loss / math.log(2.0) * count / byte_sum
print(f"final_int8_zlib_roundtrip_exact val_loss:{val_loss:.8f} val_bpb:{val_bpb:.8f}")
"""
PLAIN = 'F.cross_entropy(logits, y, reduction="sum").item()'


def script(
    *, first: str = "", before: str = "", inside: str = "pass", loss: str = PLAIN, smoothing: str = ""
) -> str:
    """The script with lines of its own: at the top, before the scored pass, and inside it."""
    text = _SCRIPT.replace("{smoothing}", smoothing).replace("{loss}", loss).replace("{first}", first)
    return text.replace("{before}", before).replace("{inside}", inside)


@dataclass(frozen=True, slots=True)
class Pair:
    """An illegal script and its legal twin; `line` is a part of the line that decides."""

    illegal: str
    legal: str
    line: str = "loss_sum +="


# The scored tokens are inside the logits.
TARGET_INSIDE = {
    "a one-hot of the targets is added": Pair(
        script(inside="logits = logits + 0.5 * F.one_hot(y, 1024)"),
        script(inside="logits = logits + 0.5 * F.one_hot(x, 1024)"),
    ),
    "rows of a unit matrix are chosen by the targets": Pair(
        script(inside="logits = logits + torch.eye(1024)[y]"),
        script(inside="logits = logits + torch.eye(1024)[x]"),
    ),
    "the columns are compared with the targets": Pair(
        script(inside="logits = logits + (torch.arange(1024)[None] == y[:, None]).float()"),
        script(inside="logits = logits + (torch.arange(1024)[None] == x[:, None]).float()"),
    ),
    "the cells of the targets are raised": Pair(
        script(inside="logits[torch.arange(1024), y] += 1.0"),
        script(inside="logits[torch.arange(1024), x] += 1.0"),
    ),
    "the targets are scattered into the logits": Pair(
        script(inside="logits = logits.scatter_add(1, y[:, None], torch.ones(1024, 1))"),
        script(inside="logits = logits.scatter_add(1, x[:, None], torch.ones(1024, 1))"),
    ),
    "what does not occur in the chunk is masked": Pair(
        script(inside="logits = logits.masked_fill(~torch.isin(torch.arange(1024), y), -1e9)"),
        script(inside="logits = logits.masked_fill(torch.arange(1024) > 1000, -1e9)"),
    ),
    "a count of the scored chunk is a prior": Pair(
        script(inside="logits = logits + torch.bincount(y, minlength=1024).log1p()"),
        script(inside="logits = logits + torch.bincount(train_tokens, minlength=1024).log1p()"),
    ),
    "a head is solved for the targets": Pair(
        script(
            inside="logits = logits + model.emb(x) @ torch.linalg.lstsq(model.emb(x), F.one_hot(y)).solution"
        ),
        script(inside="logits = 30.0 * torch.tanh(logits / 30.0)"),
    ),
    "the window that goes in is the one that comes out": Pair(
        script(inside="logits = model(tokens[i * 1024 + 1 : (i + 1) * 1024 + 1])"),
        script(inside="logits = model(tokens[i * 1024 : (i + 1) * 1024])"),
    ),
}

# Tokens of passes still to come are inside the logits: never clean.
STATISTICS = {
    "counts of all of validation": Pair(
        script(
            before="prior = torch.bincount(tokens, minlength=1024).log1p()", inside="logits = logits + prior"
        ),
        script(
            before="prior = torch.bincount(train_tokens, minlength=1024).log1p()",
            inside="logits = logits + prior",
        ),
    ),
    "counts that went through a file": Pair(
        script(
            before='np.save("prior.npy", np.bincount(tokens.numpy(), minlength=1024))\n'
            'prior = torch.from_numpy(np.load("prior.npy"))',
            inside="logits = logits + prior",
        ),
        script(
            before='np.save("prior.npy", np.bincount(train_tokens.numpy(), minlength=1024))\n'
            'prior = torch.from_numpy(np.load("prior.npy"))',
            inside="logits = logits + prior",
        ),
    ),
    "the most frequent token through the environment": Pair(
        script(
            before='os.environ["TOP"] = str(int(tokens.mode().values))\ntop = int(os.environ["TOP"])',
            inside="logits[:, top] += 1.0",
        ),
        script(
            before='os.environ["TOP"] = str(int(train_tokens.mode().values))\ntop = int(os.environ["TOP"])',
            inside="logits[:, top] += 1.0",
        ),
    ),
    "a table of pairs read by the input": Pair(
        script(
            before="pairs = torch.bincount(tokens[:-1] * 1024 + tokens[1:]).view(1024, 1024)",
            inside="logits = logits + pairs[x]",
        ),
        script(
            before="pairs = torch.bincount(train_tokens[:-1] * 1024 + train_tokens[1:]).view(1024, 1024)",
            inside="logits = logits + pairs[x]",
        ),
    ),
    "the set of tokens that occur": Pair(
        script(
            before="ids = torch.unique(tokens)\nprior = torch.full((1024,), -9.0)\nprior[ids] = 0.0",
            inside="logits = logits + prior",
        ),
        script(
            before="ids = torch.unique(train_tokens)\nprior = torch.full((1024,), -9.0)\nprior[ids] = 0.0",
            inside="logits = logits + prior",
        ),
    ),
    "a mask of tokens that occur": Pair(
        script(
            before="present = torch.zeros(1024, dtype=torch.bool)\npresent[tokens] = True",
            inside="logits = logits.masked_fill(~present, -1e9)",
        ),
        script(
            before="present = torch.zeros(1024, dtype=torch.bool)\npresent[train_tokens] = True",
            inside="logits = logits.masked_fill(~present, -1e9)",
        ),
    ),
    "what the network makes of all of validation": Pair(
        script(
            before="with torch.no_grad():\n    mean = model(tokens).mean(0)", inside="logits = logits - mean"
        ),
        script(
            before="with torch.no_grad():\n    mean = model(train_tokens).mean(0)",
            inside="logits = logits - mean",
        ),
    ),
    "a default argument": Pair(
        script(
            before="def adjusted(z, prior=tokens.bincount(minlength=1024)):\n    return z + prior",
            inside="logits = adjusted(logits)",
        ),
        script(
            before="def adjusted(z, prior=train_tokens.bincount(minlength=1024)):\n    return z + prior",
            inside="logits = adjusted(logits)",
        ),
    ),
}

# Validation under a training name.
_MOVES = {
    "a copy": 'shutil.copy("data/{}_000000.bin", "data/fineweb_train_999999.bin")',
    "a symbolic link": 'os.symlink("{}_000000.bin", "data/fineweb_train_999999.bin")',
    "a link of a path": 'Path("data/fineweb_train_999999.bin").symlink_to("{}_000000.bin")',
    "a new name": 'os.rename("data/{}_000000.bin", "data/fineweb_train_999999.bin")',
    "a command": 'os.system("ln -s {}_000000.bin data/fineweb_train_999999.bin")',
}
RENAMED = {
    name: Pair(
        script(first=line.format("fineweb_val")), script(first=line.format("fineweb_train")), "optimizer.step"
    )
    for name, line in _MOVES.items()
}

# Legal: nothing but the prefix goes into the logits, whatever is done to them.
LEGAL = {
    "a soft cap": script(inside="logits = 30.0 * torch.tanh(logits / 30.0)"),
    "a bias table that training learned": script(inside="logits = logits + model.bias"),
    "smoothed labels in training only": script(smoothing=", label_smoothing=0.1"),
    "an index that is ignored": script(
        loss='F.cross_entropy(logits, y, reduction="sum", ignore_index=-100).item()'
    ),
    "the entry of the target is read after the softmax": script(
        loss="-F.log_softmax(logits, dim=-1).gather(1, y[:, None]).sum().item()"
    ),
}
# The loss of what the network itself says comes next is no loss of the data.
PREDICTED = Pair(
    script(loss='F.cross_entropy(logits, logits.argmax(-1), reduction="sum").item()'), script(loss=PLAIN)
)
COUNTED_AFTER = script(
    before="counts = torch.zeros(1024)",
    inside="logits = logits + counts.log1p()",
    loss=PLAIN + "\n        counts += torch.bincount(y, minlength=1024)",
)
