"""The code part of the byte rules: twins that differ by the smallest edit."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from harness.evidence import byte_code
from harness.finding import RuleVerdict
from rules import bytes_boundary_zero, bytes_byte_fallback, bytes_leading_space, no_constant_bpt
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


@pytest.fixture
def accepted(monkeypatch: pytest.MonkeyPatch) -> dict[str, dict[str, object]]:
    """The list of accepted functions: empty, to be filled."""
    known: dict[str, dict[str, object]] = {}
    monkeypatch.setattr(byte_code, "accepted_variants", lambda: known)
    return known


def passes(root: Path, rule: ModuleType, script: str = LEGAL) -> list[str]:
    """What the code part of the rule says on a pass."""
    said = [one for one in rule.check(scanned_case(root, script)) if one.verdict is RuleVerdict.PASS]
    return [one.message for one in said if one.places and one.places[0].file == "train_gpt.py"]


RULES = [bytes_byte_fallback, bytes_boundary_zero, bytes_leading_space]


@pytest.mark.parametrize("rule", RULES)
def test_a_function_of_accepted_records_passes_with_one_of_them(
    tmp_path: Path, rule: ModuleType, accepted: dict[str, dict[str, object]]
) -> None:
    digest = facts_of(LEGAL)["byte_tables"][0]["digest"]
    accepted[digest] = {"rows": 29, "examples": ["records/track_10min_16mb/2026-04-09_Example"]}
    (said,) = passes(tmp_path, rule)
    assert "29 accepted records, such as records/track_10min_16mb/2026-04-09_Example" in said


@pytest.mark.parametrize("rule", RULES)
def test_an_unknown_function_passes_by_what_it_counts(
    tmp_path: Path, rule: ModuleType, accepted: dict[str, dict[str, object]]
) -> None:
    assert not accepted
    (said,) = passes(tmp_path, rule)
    assert "count ten sample tokens" in said


@pytest.mark.usefixtures("accepted")
def test_an_unknown_function_that_cannot_be_computed_passes_nothing(tmp_path: Path) -> None:
    odd = LEGAL.replace("len(piece.encode", "odd(piece.encode")
    assert passes(tmp_path, bytes_byte_fallback, odd) == []
    assert asked(tmp_path, bytes_byte_fallback, "len(piece.encode", "odd(piece.encode") == []


def test_a_known_function_that_counts_wrongly_is_asked_about_all_the_same(
    tmp_path: Path, accepted: dict[str, dict[str, object]]
) -> None:
    edit = ("            count[i] = 1\n", "            count[i] = 3\n")
    digest = facts_of(LEGAL.replace(*edit))["byte_tables"][0]["digest"]
    accepted[digest] = {"rows": 1, "examples": ["x"]}
    assert len(asked(tmp_path, bytes_byte_fallback, *edit)) == 1


@pytest.mark.parametrize("line", ["def len(x): return 9", "len = max", "from own import count as len"])
def test_a_builtin_that_means_something_else_leaves_no_digest(line: str) -> None:
    assert facts_of(f"{line}\n{LEGAL}")["byte_tables"][0]["digest"] is None


def test_another_function_of_the_language_gives_another_digest() -> None:
    first, second = facts_of(LEGAL), facts_of(LEGAL.replace("len(piece", "max(piece"))
    assert first["byte_tables"][0]["digest"] != second["byte_tables"][0]["digest"]


def test_a_right_table_alone_does_not_pass_the_rule_on_the_space(tmp_path: Path) -> None:
    unread = LEGAL.replace("    counted = a[token] + (b[token] & ~c[before])", "    counted = count(a, b, c)")
    assert passes(tmp_path, bytes_leading_space, unread) == []


def test_the_list_of_accepted_functions_is_sound() -> None:
    variants = byte_code.accepted_variants()
    assert variants
    assert all(one["rows"] >= 1 and one["examples"] for one in variants.values())


COUNTED = "    counted = a[token] + (b[token] & ~c[before])\n"
TAKEN = "    flag = b[token].item()\n    edge = c[before].item()\n    counted = a[token] + (flag{guard})\n"
FILLED = (
    "    first = np.zeros(9)\n"
    "    second = np.zeros(9)\n"
    "    counted = a[second[:4]] + (b[second[:4]] & ~c[{which}[:4]])\n"
)


@pytest.mark.parametrize(("guard", "asks"), [(" and not edge", 0), (" or edge", 1), ("", 1)])
def test_flags_taken_out_one_by_one_are_judged_where_they_are_used(
    tmp_path: Path, guard: str, asks: int
) -> None:
    found = asked(tmp_path, bytes_leading_space, COUNTED, TAKEN.replace("{guard}", guard))
    assert len(found) == asks
    assert all(one.places[0].line == 21 for one in found)


@pytest.mark.parametrize(("which", "asks"), [("first", 0), ("second", 1)])
def test_two_arrays_made_alike_are_two_arrays(tmp_path: Path, which: str, asks: int) -> None:
    found = asked(tmp_path, bytes_leading_space, COUNTED, FILLED.replace("{which}", which))
    assert len(found) == asks
