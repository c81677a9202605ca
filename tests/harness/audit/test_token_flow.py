"""Single tokens followed through small scripts: which lookups hold the token they score."""

from __future__ import annotations

import pytest

from harness.audit.events import KeyPart, Lookup, Mixed, Selected, Sink, Unresolved, Update
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


HINTED = (
    HEAD
    + """\
    seen = {{}}
    hint = np.full(64, -1)
    for at in range(64):
        hint[at] = seen.get(tuple(tokens[start + at - 3 : start + at + 1].tolist()), -1)
        seen[tuple(tokens[start + at - 3 : start + at + 1].tolist())] = int(tokens[start + at + 1])
    logp = F.log_softmax(model(x), dim=-1)
    part = logp.gather(1, hint[:, None])
    gate = {gate}
    tilted = logp.gather(1, y[:, None]) + gate * (2.0 * (hint == y) - np.log1p(np.exp(part)))
    print(f"val_bpb:{{tilted.sum() / math.log(2.0)}}")
"""
)


@pytest.mark.parametrize(
    ("gate", "parts"),
    [("(hint >= 0)", set()), ("(hint >= 0) & (hint == y)", {KeyPart.TARGET})],
)
def test_a_hint_that_opens_only_where_it_hits_has_a_gate_on_the_target(
    gate: str, parts: set[KeyPart]
) -> None:
    found = [each for each in events(HINTED.format(gate=gate)) if isinstance(each, Mixed)]
    assert found
    assert {part for each in found for part in each.weight_parts} == parts


@pytest.mark.parametrize(
    ("share", "is_spread"), [("len(pieces[y])", True), ("len(names)", False), ("(counts[x] + 1)", False)]
)
def test_a_loss_divided_by_the_length_of_its_token_is_spread(share: str, is_spread: bool) -> None:
    script = HEAD + (
        f"    share = np.exp(-nll / {share})\n    q = counts[x] / 9\n"
        "    print(-np.log(0.5 * share + 0.5 * q) / math.log(2.0))\n    np.add.at(counts, x, 1)\n"
    )
    found = [each for each in events(script) if isinstance(each, Mixed)]
    assert [each.spread for each in found] == [is_spread]


@pytest.mark.parametrize(("key", "parts"), [("x * 31 + y", 2), ("x * 31", 1)])
def test_a_row_of_a_table_of_two_dimensions_is_the_table(key: str, parts: int) -> None:
    script = HEAD + (
        f"    table = np.zeros((2, 1024))\n    key = {key}\n    q = table[1][key]\n"
        "    p = (1.0 - 0.3) * p + 0.3 * q\n    np.add.at(table[1], key, 1)\n"
    )
    assert len(keys(script)) == parts


@pytest.mark.parametrize(("test", "count"), [("pairs[y] > 1", 1), ("start > 64", 0)])
def test_a_boost_where_a_table_knows_the_token_is_a_mixture(test: str, count: int) -> None:
    script = HEAD + f"    p = np.where({test}, 0.5 * p + 0.5, p)\n    np.add.at(pairs, y, 1)\n"
    assert sum(isinstance(each, Mixed) for each in events(script)) == count


@pytest.mark.parametrize(("table", "count"), [("model.counts()", 1), ("pairs", 0)])
def test_a_table_that_is_not_followed_is_said_to_be_unresolved(table: str, count: int) -> None:
    script = HEAD + f"    np.add.at({table}, y, 1)\n"
    assert sum(isinstance(each, Unresolved) for each in events(script)) == count


@pytest.mark.parametrize("added", ["total += part.sum()", "total.add_(part.sum())"])
def test_a_sum_added_to_in_a_function_reaches_the_number_that_its_caller_prints(added: str) -> None:
    helper = f"def count(part, total):\n    {added}\n"
    script = HEAD.replace("for start", helper + "total = np.zeros(1)\nfor start")
    found = events(script + '    count(nll, total)\nprint(f"val_bpb:{total / math.log(2)}")\n')
    assert [len(each.scores) for each in found if isinstance(each, Sink)] == [1]


@pytest.mark.parametrize(("query", "count"), [("x * 1024 + y", 1), ("x * 1024", 1), ("start + 64", 0)])
def test_counts_found_by_searching_sorted_keys_of_scored_tokens_are_unresolved(
    query: str, count: int
) -> None:
    script = HEAD + f"    q = pairs[np.searchsorted(counts, {query})]\n    p = (1.0 - 0.3) * p + 0.3 * q\n"
    assert sum(isinstance(each, Unresolved) for each in events(script)) == count


def test_keys_that_are_searched_for_share_no_cells() -> None:
    script = HEAD + (
        "    at = np.searchsorted(counts, x * 1024 + y).clip(0, 9) - 1\n"
        "    p = (1.0 - 0.3) * p + 0.3 * pairs[at]\n    np.add.at(pairs, at, 1)\n"
    )
    assert {each.is_hashed for each in events(script) if isinstance(each, Lookup)} == {False}


CARRIED = """    history = []
    for at in range(64):
        {first}
        for old in history:
            counts[old * 31 % 1024] += 1
        history.append(tokens[start + at])
    print(f"{{nll.sum() / math.log(2.0)}}")
"""


@pytest.mark.parametrize("first", ["pass", "for layer in range(12):\n            h = layer * 2.0"])
def test_what_a_loop_carries_into_its_second_pass_is_seen(first: str) -> None:
    found = events(HEAD + CARRIED.format(first=first))
    assert any(isinstance(each, Update) for each in found)


def test_a_hash_made_in_a_loop_holds_the_tokens_of_both_passes() -> None:
    script = HEAD + (
        "    pos = np.arange(start + 2, start + 65)\n    key, at = 0, pos - 1\n"
        "    for order in range(2):\n        key = key * 31 + tokens[at]\n        at = at + 1\n"
        "    p = (1.0 - 0.3) * p + 0.3 * pairs[key]\n    np.add.at(pairs, key, 1)\n"
    )
    assert keys(script) == {KeyPart.TARGET, KeyPart.CONTEXT}
