"""The code part of the byte rules: twins that differ by the smallest edit."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from harness.finding import RuleVerdict
from rules import bytes_byte_fallback, bytes_leading_space, no_constant_bpt
from tests.harness.audit.scans.scan_builder import facts_of, scanned_case

if TYPE_CHECKING:
    from pathlib import Path
    from types import ModuleType

    from harness.finding import Finding

LEGAL = """\
import math
import torch

def tables(model, size):
    count, space, edge = [0] * size, [False] * size, [True] * size
    for i in range(model.vocab_size()):
        if model.is_control(i) or model.is_unknown(i) or model.is_unused(i):
            continue
        edge[i] = False
        if model.is_byte(i):
            count[i] = 1
            continue
        piece = model.id_to_piece(i)
        if piece.startswith("\\u2581"):
            space[i] = True
            piece = piece[1:]
        count[i] = len(piece.encode("utf-8"))
    return torch.tensor(count), torch.tensor(space), torch.tensor(edge)

def score(losses, before, token, a, b, c):
    counted = a[token] + (b[token] & ~c[before])
    return losses.sum() / math.log(2) / counted.sum()

a, b, c = tables(model, 1024)
print(score(losses, x, y, a, b, c))
"""


def asked(root: Path, rule: ModuleType, old: str = "", new: str = "") -> list[Finding]:
    """NEEDS-HUMAN findings of the rule on the script with one edit."""
    case = scanned_case(root, LEGAL.replace(old, new) if old else LEGAL)
    return [one for one in rule.check(case) if one.verdict is RuleVerdict.NEEDS_HUMAN]


@pytest.mark.parametrize("rule", [bytes_byte_fallback, bytes_leading_space, no_constant_bpt])
def test_the_published_way_of_counting_asks_nothing(tmp_path: Path, rule: ModuleType) -> None:
    assert asked(tmp_path, rule) == []


def test_a_byte_token_counted_by_its_printed_name_is_shown_at_the_table(tmp_path: Path) -> None:
    edit = ("        if model.is_byte(i):\n            count[i] = 1\n            continue\n", "")
    (found,) = asked(tmp_path, bytes_byte_fallback, *edit)
    assert found.rule == "bytes-byte-fallback"
    assert (found.places[0].file, found.places[0].line) == ("train_gpt.py", 14)
    assert "counts 6 bytes" in found.message


@pytest.mark.parametrize("edit", ["& c[before]", "& ~c[token]", ""])
def test_a_space_that_no_earlier_boundary_guards_is_shown_where_it_is_added(
    tmp_path: Path, edit: str
) -> None:
    (found,) = asked(tmp_path, bytes_leading_space, "& ~c[before]", edit)
    assert (found.rule, found.places[0].line) == ("bytes-leading-space", 21)


def test_a_constant_in_the_place_of_counted_bytes_asks(tmp_path: Path) -> None:
    (found,) = asked(tmp_path, no_constant_bpt, "/ counted.sum()", "/ 2.4371")
    assert (found.rule, found.places[0].line) == ("no-constant-bpt", 22)


def test_renaming_everything_changes_neither_digest_nor_facts() -> None:
    renamed = LEGAL.replace("count", "k").replace("space", "q").replace("edge", "w")
    first, second = facts_of(LEGAL), facts_of(renamed)
    assert first["byte_tables"][0]["digest"] == second["byte_tables"][0]["digest"]
    assert first["byte_counting"] == second["byte_counting"]


def test_an_endless_table_loop_ends_without_a_table() -> None:
    loops = "    for i in range(10**9):\n        for j in range(10**9):\n"
    hostile = f"def f(m):\n{loops}            m.id_to_piece(i)\nf(1)\n"
    assert facts_of(hostile)["byte_tables"][0]["evaluated"] is False
