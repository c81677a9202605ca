"""Losses written out by hand, operators by name, slices by name, and counts made over whole arrays."""

from __future__ import annotations

import pytest

from harness.audit.events import KeyPart, Lookup, Mixed, Sink, Unresolved
from harness.audit.program import Program
from harness.audit.token_flow.follow import follow_tokens

HEAD = """\
import math
import numpy as np
import torch
import torch.nn.functional as F
tokens = np.fromfile("val.bin")
model = load()
counts, pairs, total = np.zeros(1024), np.zeros(1024), 0.0
{before}
for start in range(0, len(tokens), 64):
    chunk = tokens[start : start + 65]
    x, y, pos = chunk[:-1], chunk[1:], np.arange(start + 1, start + 65)
    logits = model(x)
{body}
    total += nll.sum()
print(f"val_bpb:{total / math.log(2.0) / len(tokens):.4f}")
"""


def events(body: str, before: str = "") -> list:
    lines = "".join(f"    {line}\n" for line in body.splitlines())
    script = HEAD.replace("{body}\n", lines).replace("{before}", before)
    found, finished = follow_tokens(Program(entry="train_gpt.py", sources={"train_gpt.py": script}))
    assert finished
    return list(found)


def printed(found: list) -> bool:
    return any(each.scores for each in found if isinstance(each, Sink))


def target_keys(found: list) -> set[bool]:
    return {KeyPart.TARGET in each.key for each in found if isinstance(each, Lookup)}


@pytest.mark.parametrize(
    "loss",
    [
        "nll = torch.logsumexp(logits, -1) - logits.gather(1, y[:, None]).squeeze(1)",
        "nll = logits.exp().sum(dim=-1).log() - logits.gather(1, y[:, None]).squeeze(1)",
        "nll = torch.exp(logits).sum(-1).log().sub_(logits.gather(1, y[:, None]).squeeze(1))",
    ],
)
def test_a_cross_entropy_written_out_by_hand_is_a_score(loss: str) -> None:
    assert printed(events(loss))


def test_the_logit_of_a_token_alone_is_no_score() -> None:
    assert not printed(events("nll = logits.gather(1, y[:, None]).squeeze(1)"))


MIXED = """\
p = torch.exp(-F.cross_entropy(logits, y, reduction="none"))
both = tokens[pos - 1] * 31 % 1024 ^ tokens[pos] * 17 % 1024
nll = -torch.log({mixture})
np.add.at(pairs, both, 1)
"""


@pytest.mark.parametrize(
    "mixture", ["0.7 * p + 0.3 * pairs[both]", "p.mul(0.7) + torch.mul(0.3, pairs[both])"]
)
def test_operators_by_name_mix_as_signs_do(mixture: str) -> None:
    found = events(MIXED.replace("{mixture}", mixture))
    assert [each for each in found if isinstance(each, Mixed)]
    assert target_keys(found) == {True}


@pytest.mark.parametrize(("shift", "is_target"), [("0", True), ("1", False)])
def test_a_slice_by_name_moves_positions_and_tokens_alike(shift: str, is_target: bool) -> None:
    body = f"""\
part = slice(8, 16)
p = torch.exp(-F.cross_entropy(logits, y, reduction="none"))[part]
key = tokens[pos[part] - {shift}] * 31 % 1024
nll = -torch.log(0.7 * p + 0.3 * counts[key])
np.add.at(counts, key, 1)
"""
    assert target_keys(events(body)) == {is_target}


def test_the_shape_of_tokens_is_no_token() -> None:
    body = """\
p = torch.exp(-F.cross_entropy(logits, y, reduction="none"))
rows = counts[y.shape[0] % 7]
nll = -torch.log(0.7 * p + 0.3 * rows)
"""
    assert not [each for each in events(body) if isinstance(each, Lookup)]


SORTED = """\
order = np.argsort(tokens)
first = np.flatnonzero(np.diff(tokens[order], prepend=0))
shares = 1.0 / np.repeat(np.diff(first), 4)
"""


def test_counts_made_by_sorting_leave_the_score_they_are_mixed_into_open() -> None:
    body = """\
p = torch.exp(-F.cross_entropy(logits, y, reduction="none"))
nll = -torch.log(0.7 * p + 0.3 * shares[pos])
"""
    reasons = [each.reason for each in events(body, SORTED) if isinstance(each, Unresolved)]
    assert reasons == ["of which tokens the counts mixed into the score are made"]


def test_counts_made_by_sorting_that_reach_no_score_leave_nothing_open() -> None:
    body = 'nll = F.cross_entropy(logits, y, reduction="none")'
    assert not [each for each in events(body, SORTED) if isinstance(each, Unresolved)]


def test_what_is_read_under_a_name_is_no_token() -> None:
    before = """\
sizes = np.zeros(1024)
for row in json.loads(text):
    sizes[row["id"]] = len(row["piece"])"""
    body = 'nll = F.cross_entropy(logits, y, reduction="none") * sizes[y]'
    assert not [each for each in events(body, before) if isinstance(each, Lookup)]
