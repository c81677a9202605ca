"""A small language model script with a hole for the evaluation, and the questions tests ask of its events."""

from __future__ import annotations

import textwrap

from harness.audit.events import Event, ProfileAudit, Score, Sink, Update
from harness.audit.interpreter.walk import audit_program
from harness.audit.program import Program
from harness.audit.regions import Split
from harness.audit.run_profile import ProfileKind, RunProfile

HEAD = """
import copy, functools, glob, io, math, os, zlib
import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

class Model(nn.Module):
    def __init__(self):
        super().__init__()
        self.table = nn.Embedding(1024, 64)
        self.head = nn.Linear(64, 1024)
    def logits(self, x):
        return self.head(self.table(x))
    def forward(self, x, y):
        return F.cross_entropy(self.logits(x), y, reduction="none")

files = sorted(glob.glob("data/fineweb_val_*.bin"))
tokens = torch.cat([torch.from_numpy(np.fromfile(f, dtype=np.uint16)) for f in files])
model = Model()
optimizer = torch.optim.SGD(model.parameters(), lr=float(os.environ.get("LR", "0.1")))
C = int(os.environ.get("CHUNK", "1024"))
EPOCHS = int(os.environ.get("EPOCHS", "1"))
n = (tokens.numel() - 1) // C
total = torch.zeros(())

def pair(start, end):
    local = tokens[start:end]
    return local[:-1], local[1:]

def score(x, y):
    with torch.no_grad():
        return model(x, y)

def train(x, y):
    optimizer.zero_grad()
    model(x, y).mean().backward()
    optimizer.step()
"""

TAIL = """
print(f"val_bpb:{total.item() / math.log(2.0):.4f}")
"""


def audit(body: str, tail: str = TAIL) -> ProfileAudit:
    """The events of the script with this evaluation, under its defaults."""
    text = HEAD + textwrap.dedent(body) + tail
    profile = RunProfile(name="defaults", kind=ProfileKind.DEFAULTS)
    return audit_program(Program(entry="train_gpt.py", sources={"train_gpt.py": text}), profile)


def claimed_scores(result: ProfileAudit) -> list[Score]:
    """The validation scores inside the claimed number."""
    events: dict[int, Event] = {event.id: event for event in result.events}
    sinks = [event for event in result.events if isinstance(event, Sink) and event.is_claim]
    assert sinks, "the claimed number was not reached"
    scores = [events[ident] for ident in sinks[-1].scores if ident in events]
    return [one for one in scores if isinstance(one, Score) and one.region.split is Split.VALIDATION]


def updates_before(result: ProfileAudit) -> list[tuple[Score, Update]]:
    """Scores of tokens their own state had learned from before."""
    events: dict[int, Event] = {event.id: event for event in result.events}
    found = []
    for score in claimed_scores(result):
        for ident in score.updates:
            update = events.get(ident)
            if isinstance(update, Update) and update.region.overlaps(score.region):
                found.append((score, update))
    return found


def learned(result: ProfileAudit) -> list[Update]:
    """Updates on validation tokens."""
    return [
        event
        for event in result.events
        if isinstance(event, Update) and event.region.split is Split.VALIDATION
    ]


def is_late(body: str, tail: str = TAIL) -> bool:
    """Whether a token was learned before it was scored; the evaluation must score and learn."""
    result = audit(body, tail)
    assert claimed_scores(result)
    assert learned(result)
    return bool(updates_before(result))
