"""Small submissions that train, write an artifact, read it back, evaluate and print val_bpb, and edits of
them: one legal script per way to evaluate, and the same with the smallest edit that breaks one condition."""

from __future__ import annotations

_HEAD = """\
import glob
import math
import os

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn


def load(pattern):
    paths = sorted(glob.glob(os.path.join(os.environ["DATA_PATH"], pattern)))
    shards = [np.fromfile(path, dtype="<u2", offset=1024).astype(np.int64) for path in paths]
    return torch.from_numpy(np.concatenate(shards))


class Net(nn.Module):
    def __init__(self, vocab=128, dim=16):
        super().__init__()
        self.table = nn.Embedding(vocab, dim)
        self.head = nn.Linear(dim, vocab)

    def forward(self, x, y):
        logits = self.head(torch.tanh(self.table(x)))
        return F.cross_entropy(logits.reshape(-1, logits.size(-1)), y.reshape(-1), reduction="none")


def bytes_of(y):
    return 1 + y % 4


torch.manual_seed(1337)
SEQ, CHUNK = 64, 128
train, val = load("fineweb_train_*.bin"), load("fineweb_val_*.bin")
model = Net()
optimizer = torch.optim.AdamW(model.parameters(), lr=0.01)
for step in range(6):
    at = step * 4 * SEQ
    x, y = train[at : at + 4 * SEQ].view(4, SEQ), train[at + 1 : at + 4 * SEQ + 1].view(4, SEQ)
    optimizer.zero_grad()
    loss = model(x, y).mean()
    loss.backward()
    optimizer.step()
    print(f"step:{step} train_loss:{loss.item():.4f}")
"""

_PACK = """\
torch.save({name: weight.half() for name, weight in model.state_dict().items()}, "final_model.pt")
model.load_state_dict(torch.load("final_model.pt"))
model.float()
"""

_CHUNKS = """\


def chunk_rows(start, end):
    x, y = val[start:end], val[start + 1 : end + 1]
    return x.view(-1, SEQ), y.view(-1, SEQ)


def learn(x, y, trainer):
    trainer.zero_grad()
    model(x, y).mean().backward()
    trainer.step()


total = (val.numel() - 1) // CHUNK * CHUNK
loss_sum, token_count, byte_count = 0.0, 0, 0
trainer = torch.optim.SGD(model.parameters(), lr=0.5)
"""

_TAIL = """\
val_loss = loss_sum / token_count
val_bpb = loss_sum / math.log(2.0) / byte_count
print(f"final_exact val_loss:{val_loss:.8f} val_bpb:{val_bpb:.8f}")
"""

_SCORE = """\
    with torch.no_grad():
        nll = model(x, y)
    loss_sum += nll.double().sum().item()
    token_count += y.numel()
    byte_count += int(bytes_of(y).sum())
"""

FROZEN = (
    _HEAD
    + _PACK
    + _CHUNKS
    + f"""\
for start in range(0, total, CHUNK):
    x, y = chunk_rows(start, start + CHUNK)
{_SCORE}"""
    + _TAIL
)
"""Legal: scores with the weights of the artifact."""

SCORE_FIRST = (
    _HEAD
    + _PACK
    + _CHUNKS
    + f"""\
for start in range(0, total, CHUNK):
    x, y = chunk_rows(start, start + CHUNK)
{_SCORE}    for epoch in range(3):
        learn(x, y, trainer)
"""
    + _TAIL
)
"""Legal: each chunk is scored, then trained on."""

ADAPT_THEN_SCORE = (
    _HEAD
    + _PACK
    + _CHUNKS
    + f"""\
for start in range(0, total, CHUNK):
    learn(*chunk_rows(start, start + CHUNK), trainer)
for start in range(0, total, CHUNK):
    x, y = chunk_rows(start, start + CHUNK)
{_SCORE}"""
    + _TAIL
)
"""Illegal: the whole stream is trained on before the first token is scored."""

DISCARDED_SCORES = (
    _HEAD
    + _PACK
    + _CHUNKS
    + f"""\
for start in range(0, total, CHUNK):
    x, y = chunk_rows(start, start + CHUNK)
    with torch.no_grad():
        seen = model(x, y).sum().item()
    learn(x, y, trainer)
for start in range(0, total, CHUNK):
    x, y = chunk_rows(start, start + CHUNK)
{_SCORE}"""
    + _TAIL
)
"""Illegal: a first pass looks like score-first, and its scores are thrown away."""

MULTI_EPOCH_LAST_SCORE = (
    _HEAD
    + _PACK
    + _CHUNKS
    + """\
for start in range(0, total, CHUNK):
    x, y = chunk_rows(start, start + CHUNK)
    for epoch in range(3):
        chunk_loss = 0.0
        for row in range(x.size(0)):
            with torch.no_grad():
                chunk_loss += model(x[row : row + 1], y[row : row + 1]).double().sum().item()
            learn(x[row : row + 1], y[row : row + 1], trainer)
    loss_sum += chunk_loss
    token_count += y.numel()
    byte_count += int(bytes_of(y).sum())
"""
    + _TAIL
)
"""Illegal: a chunk is passed three times and the score of the last pass is the one that counts."""

TWO_PASS = (
    _HEAD
    + _PACK
    + _CHUNKS
    + """\
counts = np.ones((128, 128))
for left, right in zip(val[:-1].tolist(), val[1:].tolist()):
    counts[left, right] += 1
for start in range(0, total, CHUNK):
    x, y = chunk_rows(start, start + CHUNK)
    with torch.no_grad():
        neural = torch.exp(-model(x, y)).double().numpy()
    left, right = x.reshape(-1).numpy(), y.reshape(-1).numpy()
    counted = counts[left, right] / counts[left].sum(axis=1)
    mixed = -np.log(0.5 * neural + 0.5 * counted)
    loss_sum += float(mixed.sum())
    token_count += y.numel()
    byte_count += int(bytes_of(y).sum())
"""
    + _TAIL
)
"""Illegal: pairs are counted over the whole stream before its first token is scored, in numpy."""

ONLINE_PAIRS = TWO_PASS.replace(
    """\
for left, right in zip(val[:-1].tolist(), val[1:].tolist()):
    counts[left, right] += 1
""",
    "",
).replace(
    "    byte_count += int(bytes_of(y).sum())\nval_loss",
    "    byte_count += int(bytes_of(y).sum())\n    np.add.at(counts, (left, right), 1)\nval_loss",
)
"""Legal: the same mixture, with counts of scored chunks only."""

CALIBRATED_ON_VAL = FROZEN.replace(
    _PACK,
    """\
with torch.no_grad():
    used = model.table(val[:256]).abs().mean()
    model.table.weight.div_(used).round_(decimals=3).mul_(used)
"""
    + _PACK,
)
"""Illegal: a scale inside the artifact comes from validation tokens."""

CALIBRATED_ON_TRAIN = CALIBRATED_ON_VAL.replace("model.table(val[:256])", "model.table(train[:256])")
"""Legal by what the artifact holds: the same scale from training tokens."""

BYTES_MISCOUNTED = FROZEN.replace("int(bytes_of(y).sum())", "int(bytes_of(y).sum()) + y.size(0)")
"""Illegal: a byte too many per row in the denominator."""

COUNTED_TWICE = FROZEN.replace(
    "for start in range(0, total, CHUNK):", "for start in [*range(0, total, CHUNK), 0, 0]:"
)
"""Illegal: the first chunk is counted three times."""

TRAINS_AFTER_PACKING = FROZEN.replace(
    "\n\ndef chunk_rows",
    """\

for step in range(2):
    x, y = load("fineweb_train_*.bin")[: 4 * SEQ].view(4, SEQ), train[1 : 4 * SEQ + 1].view(4, SEQ)
    model(x, y)


def chunk_rows""",
    1,
)
"""Illegal: training tokens go through the model after the artifact is written."""

WINDOW_MIXER = FROZEN.replace(
    """\
for start in range(0, total, CHUNK):
    x, y = chunk_rows(start, start + CHUNK)
""",
    """\
counts = np.ones((128, 128))
for end in range(SEQ, val.numel(), SEQ // 2):
    x, y = val[end - SEQ : end][None], val[end - SEQ + 1 : end + 1][None]
    first = 0 if end == SEQ else SEQ // 2
""",
).replace(
    """\
        nll = model(x, y)
    loss_sum += nll.double().sum().item()
    token_count += y.numel()
    byte_count += int(bytes_of(y).sum())
""",
    """\
        nll = model(x, y).view(x.shape)
    own = nll[0, first:].double().numpy()
    x, y = x[0, first:], y[0, first:]
    left, right = x.numpy(), y.numpy()
    counted = counts[left, right] / counts[left].sum(axis=1)
    mixed = torch.from_numpy(-np.log(0.5 * np.exp(-own) + 0.5 * counted))
    np.add.at(counts, (left, right), 1)
    loss_sum += mixed.sum().item()
    token_count += y.numel()
    byte_count += int(bytes_of(y).sum())
""",
)
"""Legal: sliding windows; the new half of each is mixed with counts of scored pairs, in numpy."""
