"""What a script does with validation results and tokens: twins that differ by the smallest edit."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

import pytest

from harness.finding import RuleVerdict
from tests.harness.audit.scans.scan_builder import scanned_case

if TYPE_CHECKING:
    from pathlib import Path

    from harness.finding import Finding

SCRIPT = """\
import glob, math, os, time
import numpy as np
import torch

def read(pattern):
    parts = [torch.from_numpy(np.fromfile(name, dtype="<u2")) for name in sorted(glob.glob(pattern))]
    tokens = torch.cat(parts)
    return tokens[: tokens.numel() - 1]

def judge(model, tokens):
    loss = model(tokens)
    return loss, loss / math.log(2.0)

def watch(model, tokens):
    for layer in model.modules():
        layer.register_forward_hook(print)
    model(tokens)

val = read("data/fineweb_val_*.bin")
train = read("data/fineweb_train_*.bin")
torch.manual_seed(int(os.environ.get("SEED", "1")))
model, best, kept = torch.nn.Linear(1, 1), 9.0, 0
began = time.perf_counter()
for step in range(100):
    model(train).backward()
    if time.perf_counter() - began > 600:
        break
    loss, bits = judge(model, val)
    if bits < best:
        best, kept = bits, step
watch(model, train)
with open("model.bin", "wb") as file:
    file.write(model.weight.numpy().tobytes())
judge(model, val)
print(f"best {best} at {kept}")
"""


def asked(root: Path, rule: str, old: str = "", new: str = "") -> list[Finding]:
    """Accusing findings of a rule on the script with one edit."""
    assert SCRIPT.count(old) == 1 or not old
    case = scanned_case(root, SCRIPT.replace(old, new) if old else SCRIPT)
    said = importlib.import_module(f"rules.{rule.replace('-', '_')}").check(case)
    return [one for one in said if one.verdict in {RuleVerdict.NEEDS_HUMAN, RuleVerdict.WARN}]


RULES = (
    "no-val-in-training",
    "selection-by-val",
    "no-paid-prefix",
    "val-calibration",
    "val-full",
)
ILLEGAL = {
    "stops by the result": (
        "no-val-in-training",
        "        best, kept = bits, step\n",
        "        best, kept = bits, step\n    if bits > best:\n        break\n",
        31,
    ),
    "keeps the better weights": (
        "no-val-in-training",
        "        best, kept = bits, step\n",
        "        best, kept = bits, model.state_dict()\n",
        29,
    ),
    "uses the better step": ("no-val-in-training", "watch(model, train)", "model.lr = 1 / kept", 29),
    "writes validation tokens": ("no-paid-prefix", "model.weight.numpy()", "val[:500].numpy()", 33),
    "watches layers on validation": ("val-calibration", "watch(model, train)", "watch(model, val)", 31),
    "cuts validation at a number": (
        "val-full",
        "[: tokens.numel() - 1]",
        "[: min(tokens.numel(), 1_000_000)]",
        8,
    ),
}


@pytest.mark.parametrize("rule", RULES)
def test_results_that_are_printed_and_tokens_that_are_scored_ask_nothing(tmp_path: Path, rule: str) -> None:
    assert asked(tmp_path, rule) == []


@pytest.mark.parametrize("name", ILLEGAL)
def test_one_edit_makes_it_a_question_at_its_line(tmp_path: Path, name: str) -> None:
    rule, old, new, line = ILLEGAL[name]
    (found,) = asked(tmp_path, rule, old, new)
    primary = next(place for place in found.places if place.role.value == "primary")
    assert (found.rule, primary.file, primary.line) == (rule, "train_gpt.py", line)


def test_a_choice_after_the_artifact_is_about_the_reported_number(tmp_path: Path) -> None:
    new = (
        "one = judge(model, val)[1]\ntwo = judge(model, val)[1]\nif one < two:\n    scale = 0.9\n"
        "model.scale = scale\n"
    )
    (found,) = asked(tmp_path, "selection-by-val", "judge(model, val)\nprint", new + "print")
    assert found.places[-1].line == 36
    assert asked(tmp_path, "no-val-in-training", "judge(model, val)\nprint", new + "print") == []


def test_tokens_times_a_constant_below_the_bar_ask(tmp_path: Path) -> None:
    new = "    size = 0\n    size += tokens.numel() * 2.44\n    return loss, loss / math.log(2.0) / size"
    (found,) = asked(tmp_path, "no-constant-bpt", "    return loss, loss / math.log(2.0)", new)
    assert [place.line for place in found.places] == [14, 13]
    counted = new.replace("tokens.numel() * 2.44", "count(tokens).sum()")
    assert asked(tmp_path, "no-constant-bpt", "    return loss, loss / math.log(2.0)", counted) == []


LOADER = """\
class Batches:
    def __init__(self, pattern):
        self.tokens = read(pattern)

    def next(self):
        return self.tokens[:64]


def watch_batches(model, batches):
    for layer in model.modules():
        layer.register_forward_hook(print)
    model(batches.next())


watch_batches(model, Batches("data/fineweb_{split}_*.bin"))
"""


@pytest.mark.parametrize(("split", "count"), [("val", 1), ("train", 0)])
def test_layers_watched_on_what_a_loader_reads_ask_for_validation_only(
    tmp_path: Path, split: str, count: int
) -> None:
    new = LOADER.replace("{split}", split)
    assert len(asked(tmp_path, "val-calibration", "watch(model, train)\n", new)) == count
