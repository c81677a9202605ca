"""Tokens followed through dataclasses, properties, generators, context managers and the entry of a script."""

from __future__ import annotations

import pytest

from harness.audit.events import KeyPart, Lookup, Sink
from harness.audit.program import Program
from harness.audit.token_flow.follow import follow_tokens

IMPORTS = """\
import contextlib
import enum
import math
from dataclasses import dataclass, field
from typing import NamedTuple
import numpy as np
import torch
import torch.nn.functional as F
tokens = np.fromfile("val.bin")
model = load()
"""
SCORED = """\
    nll = F.cross_entropy(model(x), y, reduction="none").numpy()
    p = np.exp(-nll)
    key = tokens[pos - 1] * 31 % 1024
    both = (key ^ tokens[pos] * 17) % 1024
    p = (1.0 - 0.3) * p + 0.3 * pairs[both] / counts[key]
    np.add.at(pairs, both, 1)
    np.add.at(counts, key, 1)
    total += float(-np.log(p).sum())
print(f"val_bpb:{total / math.log(2.0) / len(tokens):.4f}")
"""
START = """\
counts, pairs, total = np.zeros(1024), np.zeros(1024), 0.0
"""


def events(script: str) -> list:
    found, finished = follow_tokens(Program(entry="train_gpt.py", sources={"train_gpt.py": script}))
    assert finished
    return list(found)


def target_lines(found: list) -> set[int]:
    return {each.at.line for each in found if isinstance(each, Lookup) and KeyPart.TARGET in each.key}


def is_printed(found: list) -> bool:
    return any(each.scores for each in found if isinstance(each, Sink))


WAYS = {
    "a generator": """\
def chunks():
    for start in range(0, len(tokens), 64):
        chunk = tokens[start : start + 65]
        yield chunk[:-1], chunk[1:], np.arange(start + 1, start + 65)
for x, y, pos in chunks():
""",
    "yield from a generator": """\
def chunks():
    for start in range(0, len(tokens), 64):
        chunk = tokens[start : start + 65]
        yield chunk[:-1], chunk[1:], np.arange(start + 1, start + 65)
def all_chunks():
    yield from chunks()
for x, y, pos in all_chunks():
""",
    "fields of a frozen dataclass": """\
@dataclass(frozen=True, slots=True, kw_only=True)
class Chunk:
    start: int
    end: int
    stream: np.ndarray
for start in range(0, len(tokens), 64):
    each = Chunk(start=start, end=start + 65, stream=tokens)
    x, y = each.stream[each.start : each.end - 1], each.stream[each.start + 1 : each.end]
    pos = np.arange(each.start + 1, each.end)
""",
    "fields of a dataclass given in order": """\
@dataclass
class Chunk:
    stream: np.ndarray
    start: int
    width: int = 64
for start in range(0, len(tokens), 64):
    each = Chunk(tokens, start)
    x = each.stream[each.start : each.start + each.width]
    y = each.stream[each.start + 1 : each.start + 1 + each.width]
    pos = np.arange(each.start + 1, each.start + 1 + each.width)
""",
    "a property": """\
@dataclass
class Chunk:
    stream: np.ndarray
    start: int
    @property
    def targets(self):
        return self.stream[self.start + 1 : self.start + 65]
for start in range(0, len(tokens), 64):
    each = Chunk(tokens, start)
    x, y, pos = each.stream[start : start + 64], each.targets, np.arange(start + 1, start + 65)
""",
    "a named tuple taken apart": """\
class Chunk(NamedTuple):
    x: np.ndarray
    y: np.ndarray
    pos: np.ndarray
def chunk_at(start):
    chunk = tokens[start : start + 65]
    return Chunk(chunk[:-1], chunk[1:], np.arange(start + 1, start + 65))
for start in range(0, len(tokens), 64):
    x, y, pos = chunk_at(start)
""",
    "a class method": """\
@dataclass
class Chunk:
    stream: np.ndarray
    start: int
    @classmethod
    def at(cls, start):
        return cls(tokens, start)
    def read(self):
        chunk = self.stream[self.start : self.start + 65]
        return chunk[:-1], chunk[1:]
for start in range(0, len(tokens), 64):
    x, y = Chunk.at(start).read()
    pos = np.arange(start + 1, start + 65)
""",
    "a context manager": """\
@contextlib.contextmanager
def opened(stream):
    yield stream
for start in range(0, len(tokens), 64):
    with opened(tokens) as stream:
        x, y = stream[start : start + 64], stream[start + 1 : start + 65]
    pos = np.arange(start + 1, start + 65)
""",
    "an object that `with` enters": """\
class Stream:
    def __init__(self, of):
        self.of = of
    def __enter__(self):
        return self.of
    def __exit__(self, *told):
        pass
for start in range(0, len(tokens), 64):
    with Stream(tokens) as stream:
        x, y = stream[start : start + 64], stream[start + 1 : start + 65]
    pos = np.arange(start + 1, start + 65)
""",
    "a match": """\
def read(how, start):
    match how:
        case "all":
            chunk = tokens[start : start + 65]
            return chunk[:-1], chunk[1:]
for start in range(0, len(tokens), 64):
    x, y = read("all", start)
    pos = np.arange(start + 1, start + 65)
""",
}


@pytest.mark.parametrize("way", WAYS)
def test_tokens_are_followed_through(way: str) -> None:
    script = IMPORTS + START + WAYS[way] + SCORED
    found = events(script)
    assert target_lines(found) == {1 + script[: script.index("pairs[both]")].count("\n")}
    assert is_printed(found)


def indented(text: str) -> str:
    return "".join("    " + line for line in text.splitlines(keepends=True))


def test_a_script_that_exits_with_what_main_returns_is_walked() -> None:
    body = START + WAYS["a generator"] + SCORED
    found = events(IMPORTS + "def main():\n" + indented(body) + "raise SystemExit(main())\n")
    assert is_printed(found)


def test_what_a_default_factory_makes_belongs_to_one_object() -> None:
    made = """\
@dataclass
class Tables:
    pairs: dict = field(default_factory=dict)
scored, other = Tables(), Tables()
other.pairs[int(tokens[5])] = 1
for start in range(0, len(tokens), 64):
    x, y = tokens[start : start + 64], tokens[start + 1 : start + 65]
    nll = F.cross_entropy(model(x), y, reduction="none")
    found = scored.pairs.get(int(tokens[start + 1]))
"""
    assert not [each for each in events(IMPORTS + made) if isinstance(each, Lookup) and each.updates]


def test_a_network_read_back_from_its_wrapper_is_the_network() -> None:
    script = (
        IMPORTS
        + """\
class Net(torch.nn.Module):
    def forward(self, x, y):
        return F.cross_entropy(self.head(x), y)
net = torch.nn.parallel.DistributedDataParallel(Net())
total = 0.0
for start in range(0, len(tokens), 64):
    total += net.{read}(tokens[start : start + 64], tokens[start + 1 : start + 65]).item()
print(f"val_bpb:{total / math.log(2.0) / len(tokens):.4f}")
"""
    )
    assert is_printed(events(script.replace("{read}", "module")))
    assert not is_printed(events(script.replace("{read}", "unrelated")))


@pytest.mark.parametrize(("key", "is_longer"), [("both", True), ("ctx", False)])
def test_of_two_masked_counts_the_longer_key_holds_what_is_predicted(key: str, is_longer: bool) -> None:
    script = (
        IMPORTS
        + START
        + f"""\
for start in range(0, len(tokens), 64):
    x, y = tokens[start : start + 64], tokens[start + 1 : start + 65]
    p = np.exp(-F.cross_entropy(model(x), y, reduction="none").numpy())
    ctx = tokens[np.argsort(tokens[:64])] * 31 % 1024
    both = (ctx ^ tokens[np.argsort(tokens[64:128])] * 17) % 1024
    seen = counts[ctx]
    some = np.minimum(pairs[{key}], seen)
    known = (seen > 2) & (some > 0)
    p = (1.0 - 0.3) * p + 0.3 * (some[known] / np.maximum(seen[known], 1.0))
    np.add.at(counts, ctx, 1)
    np.add.at(pairs, {key}, 1)
    total += float(-np.log(p).sum())
print(f"val_bpb:{{total / math.log(2.0) / len(tokens):.4f}}")
"""
    )
    assert bool(target_lines(events(script))) is is_longer


@pytest.mark.parametrize(
    "bits", ["total / (len(tokens) * math.log(2.0))", "total / math.log(2.0) / len(tokens)"]
)
def test_nats_are_bits_once_divided_by_the_logarithm_of_two_wherever_it_stands(bits: str) -> None:
    losses = "total = F.cross_entropy(model(tokens[:-1]), tokens[1:]).item()\n"
    assert is_printed(events(IMPORTS + losses + f'print(f"val_bpb:{{{bits}:.4f}}")\n'))
