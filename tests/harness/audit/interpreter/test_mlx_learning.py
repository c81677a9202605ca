"""Learning in MLX: gradients that a function returns, weights handed to the network."""

from __future__ import annotations

import pytest

from harness.audit.events import ProfileAudit, Score, Update
from harness.audit.interpreter.walk import audit_program
from harness.audit.program import Program
from harness.audit.regions import Split
from harness.audit.run_profile import ProfileKind, RunProfile
from harness.audit.score_order.reading import read_order

SCRIPT = """\
import glob, math
import numpy as np
import mlx.core as mx
import mlx.nn as nn
import mlx.optimizers as optim
from mlx.utils import tree_flatten, tree_unflatten

class GPT(nn.Module):
    def __init__(self):
        super().__init__()
        self.emb = nn.Embedding(1024, 64)
        self.head = nn.Linear(64, 1024)
    def loss(self, x, y):
        return nn.losses.cross_entropy(self.head(self.emb(x)), y.reshape(-1), reduction="mean")

def read(pattern):
    return np.concatenate([np.fromfile(file, dtype="<u2") for file in sorted(glob.glob(pattern))])

def pair(tokens, s):
    return mx.array(tokens[s : s + 1024]), mx.array(tokens[s + 1 : s + 1025])

train, val = read("data/fineweb_train_*.bin"), read("data/fineweb_val_*.bin")
model, adam = GPT(), optim.Adam(learning_rate=1e-3)
loss_of = mx.compile(lambda x, y: model.loss(x, y), inputs=model.state, outputs=model.state)
both_of = mx.compile(nn.value_and_grad(model, lambda x, y: model.loss(x, y)), inputs=model.state)
for step in range(100):
    loss, grads = both_of(*pair(train, step * 1024))
    params = dict(tree_flatten(model.parameters()))
    params.update(adam.apply_gradients(dict(tree_flatten(grads)), params))
    model.update(tree_unflatten(list(params.items())))
total, n = 0.0, 0
for s in range(0, val.size - 1025, 1024):
    total += float(loss_of(*pair(val, s)).item()) * 1024
    n += 1024
print(f"final val_bpb:{total / n / math.log(2.0):.8f}")
"""


def audited(script: str) -> ProfileAudit:
    run = RunProfile(name="defaults", kind=ProfileKind.DEFAULTS, is_claim=True)
    return audit_program(Program(entry="train_gpt.py", sources={"train_gpt.py": script}), run)


@pytest.mark.parametrize(
    ("data", "split"), [("train", Split.TRAINING), ("val", Split.VALIDATION)], ids=["train", "val"]
)
def test_a_network_learns_from_what_its_gradients_were_taken_of(data: str, split: Split) -> None:
    events = audited(SCRIPT.replace("pair(train", f"pair({data}")).events
    assert {event.region.split for event in events if isinstance(event, Update)} == {split}


def test_a_score_without_a_gradient_is_plain_evaluation_and_the_claim_is_clean() -> None:
    reading = read_order(audited(SCRIPT))
    assert (reading.breaches, reading.is_clean) == ((), True)


def test_training_on_validation_before_the_score_is_a_breach() -> None:
    reading = read_order(audited(SCRIPT.replace("pair(train", "pair(val")))
    assert reading.is_proven_breach


def test_beside_torch_a_plain_call_keeps_its_gradient() -> None:
    scores = [each for each in audited("import torch\n" + SCRIPT).events if isinstance(each, Score)]
    assert all(score.has_gradient for score in scores)


@pytest.mark.parametrize("index", ["y[:, None], axis=-1", "indices=y[:, None], axis=-1", "y[:, None]"])
def test_a_loss_taken_along_the_axis_of_the_vocabulary_is_a_score(index: str) -> None:
    built_in = 'nn.losses.cross_entropy(self.head(self.emb(x)), y.reshape(-1), reduction="mean")'
    logits = "self.head(self.emb(x))"
    by_hand = f"mx.mean(mx.logsumexp({logits}, -1) - mx.take_along_axis({logits}, {index}))"
    found = audited(SCRIPT.replace(built_in, by_hand)).events
    assert any(isinstance(one, Score) and one.region.split is Split.VALIDATION for one in found)


def test_a_pattern_taken_apart_and_put_together_again_names_its_split() -> None:
    parts = "sorted(glob.glob(os.path.dirname(pattern) + '/' + os.path.basename(pattern)))"
    script = "import os\n" + SCRIPT.replace("sorted(glob.glob(pattern))", parts)
    found = audited(script).events
    assert any(isinstance(one, Score) and one.region.split is Split.VALIDATION for one in found)
