"""Where scans point, and what they no longer take for a fault, beside the same program with the fault."""

from __future__ import annotations

from textwrap import dedent

import pytest

from tests.harness.audit.scans.scan_builder import facts_of

_TABLES = """
import math

def build(sp, size):
    lengths, spaces, edges = [0] * size, [False] * size, [False] * size
    for i in range(size):
        piece = sp.id_to_piece(i)
        lengths[i] = len(piece.encode("utf-8"))
        if piece.startswith("\\u2581"):
            spaces[i] = True
            lengths[i] = len(piece[1:].encode("utf-8"){more})
        if sp.is_control(i) or sp.is_unknown(i):
            edges[i] = True
    return lengths, spaces, edges

lengths, spaces, edges = build(tokenizer, 10)
"""
_COUNT = """
def count(now, before):
    total = lengths[now]
    total += spaces[now] & ~edges[before]
    return total
count(now, before)
"""
_NETWORK = """
class Net(nn.Module):
    def forward(self, now):
        boost = spaces[now].unsqueeze(-1).to(torch.float32)
        return self.embedding(now) * (1 + boost)
Net()(now)
"""


def kinds(script: str) -> list[str]:
    return [fact["kind"] for fact in facts_of(script)["byte_counting"]]


def test_a_space_added_to_lengths_that_have_it_is_counted_twice() -> None:
    assert kinds(_TABLES.replace("{more}", ") + (1") + _COUNT) == ["twice"]


def test_a_space_added_to_lengths_without_it_is_guarded() -> None:
    assert kinds(_TABLES.replace("{more}", "") + _COUNT) == ["guarded"]


def test_a_flag_of_spaces_that_a_network_takes_counts_no_bytes() -> None:
    assert kinds(_TABLES.replace("{more}", "") + _NETWORK) == []


def test_a_flag_of_spaces_added_to_lengths_without_asking_for_an_edge_is_unguarded() -> None:
    count = _COUNT.replace(" & ~edges[before]", "")
    assert kinds(_TABLES.replace("{more}", "") + count) == ["unguarded"]


def test_a_fault_of_a_table_is_at_the_line_that_stored_the_token() -> None:
    script = _TABLES.replace("{more}", "")
    (fact,) = facts_of(script)["byte_tables"]
    (table,) = [one for one in fact["tables"] if one["role"] == "bytes"]
    lines = {fault["line"] for fault in table["faults"] if fault["kind"] == "byte"}
    assert [script.splitlines()[line - 1].strip() for line in lines] == [
        'lengths[i] = len(piece.encode("utf-8"))'
    ]


_AFTER_TRAINING = """
import time

class Loader:
    def __init__(self, pattern):
        self.files = sorted(glob.glob(pattern))
        self.at = 0
    def next_batch(self):
        return load(self.files[self.at])
    def state_dict(self):
        return {"at": self.at}

def main():
    loader = Loader("fineweb_train_*.bin")
    start = time.perf_counter()
    while True:
        if time.perf_counter() - start > args.max_wallclock_seconds:
            break
        x = loader.next_batch()
        model(x).backward()
        optimizer.step()
    x = loader.{read}()
    keep(x)
main()
"""


@pytest.mark.parametrize(("read", "found"), [("next_batch", 1), ("state_dict", 0)])
def test_only_tokens_that_a_loader_gives_are_training_data_read_late(read: str, found: int) -> None:
    facts = facts_of(_AFTER_TRAINING.replace("{read}", read))["training_reads"]
    assert len(facts["reads"]) == found


_CHOICE = """
import math

def evaluate(model, tokens):
    return (loss(model, tokens) / math.log(2.0)).item()

def candidate(weights, tokens):
    other = copy.deepcopy(model)
    other.load_state_dict(weights)
    return evaluate(other, tokens)

def main():
    tokens = load("fineweb_val_*.bin")
    for step in range(10):
        bits = evaluate(model, tokens)
    best = candidate(plain, tokens)
    chosen = plain
    mean = candidate(average, tokens)
    if mean < best:
        chosen = average
    torch.save(chosen, "model.pt")
main()
"""


def test_a_choice_names_the_evaluation_whose_result_it_compares() -> None:
    (fact,) = facts_of(_CHOICE)["validation_choices"]
    lines = dedent(_CHOICE).splitlines()
    assert lines[fact["evaluated_line"] - 1].strip() == "mean = candidate(average, tokens)"
