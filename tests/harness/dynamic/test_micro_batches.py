from __future__ import annotations

import ast

import pytest

from harness.dynamic.micro_batches import with_one_micro_batch


def value_of(expression: str, **names: object) -> object:
    tree = with_one_micro_batch(ast.parse(f"got = {expression}"))
    scope: dict[str, object] = dict(names)
    exec(compile(ast.fix_missing_locations(tree), "script", "exec"), scope)
    return scope["got"]


@pytest.mark.parametrize("expression", ["8 // world_size", "8//WORLD_SIZE", "8 // world"])
def test_eight_parts_among_the_ranks_become_one(expression: str) -> None:
    assert value_of(expression, world_size=1, WORLD_SIZE=1, world=1) == 1


@pytest.mark.parametrize("expression", ["16 // world_size", "8 * world_size", "8 // heads", "8 % world_size"])
def test_other_arithmetic_keeps_its_meaning(expression: str) -> None:
    assert value_of(expression, world_size=1, heads=1) == eval(expression, {"world_size": 1, "heads": 1})
