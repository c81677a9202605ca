"""Single tokens followed through small scripts: which lookups hold the token they score."""

from __future__ import annotations

import pytest

from harness.audit.events import KeyPart, Lookup, Mixed, Selected
from harness.audit.program import Program
from harness.audit.token_flow.follow import follow_tokens

HEAD = """\
import math
import numpy as np
import torch.nn.functional as F
tokens = np.fromfile("val.bin")
model = load()
counts = np.zeros(1024)
pairs = np.zeros(1024)
for start in range(0, len(tokens), 64):
    chunk = tokens[start : start + 65]
    x, y = chunk[:-1], chunk[1:]
    nll = F.cross_entropy(model(x), y, reduction="none").numpy()
    p = np.exp(-nll)
"""
HASHED = (
    HEAD
    + """\
    pos = np.arange(start + 1, start + 65)
    key = tokens[pos - 1] * 31 % 1024
    both = (key ^ tokens[pos{shift}] * 17) % 1024
    q = pairs[both] / counts[key]
    p = (1.0 - 0.3) * p + 0.3 * q
    np.add.at(counts, key, 1)
    np.add.at(pairs, both, 1)
"""
)


def events(script: str) -> list:
    found, finished = follow_tokens(Program(entry="train_gpt.py", sources={"train_gpt.py": script}))
    assert finished
    return list(found)


def keys(script: str) -> set[KeyPart]:
    return {part for each in events(script) if isinstance(each, Lookup) for part in each.key}


def test_the_scored_token_in_a_key_is_known_by_its_position() -> None:
    assert KeyPart.TARGET in keys(HASHED.replace("{shift}", ""))


def test_an_older_token_in_a_key_is_context() -> None:
    assert keys(HASHED.replace("{shift}", " - 2")) == {KeyPart.CONTEXT}


def test_a_lookup_and_a_score_in_one_sum_are_a_mixture() -> None:
    mixed = [each for each in events(HASHED.replace("{shift}", "")) if isinstance(each, Mixed)]
    assert [each.at.line for each in mixed] == [17]


@pytest.mark.parametrize(("test", "count"), [("q > p", 1), ("start > 64", 0)])
def test_a_choice_by_comparing_two_losses_is_a_selection(test: str, count: int) -> None:
    script = HEAD + (f"    q = pairs[y] / 9\n    p = np.where({test}, q, p)\n    np.add.at(pairs, y, 1)\n")
    assert sum(isinstance(each, Selected) for each in events(script)) == count


def test_a_hashed_embedding_of_input_tokens_is_no_table() -> None:
    script = HEAD + "    h = (x * 31) % 1024\n    e = model.embed(h)\n"
    assert not any(isinstance(each, Lookup | Mixed) for each in events(script))


def test_a_hostile_nest_of_loops_ends_at_its_budget() -> None:
    script = "".join(f"{'    ' * depth}for i{depth} in range(9):\n" for depth in range(18))
    script += "    " * 18 + "x = 1\n"
    found, _ = follow_tokens(Program(entry="train_gpt.py", sources={"train_gpt.py": script}))
    assert found == ()
