from __future__ import annotations

import ast

import pytest

from harness.dynamic.rank_defaults import official_choice


def chosen(text: str) -> str | None:
    found = official_choice(ast.parse(text, mode="eval").body)
    return ast.unparse(found) if found is not None else None


@pytest.mark.parametrize(
    "text",
    [
        "1 if world_size > 1 else 0",
        "1 if 8 == args.world_size else 0",
        "1 if dist.get_world_size() >= 2 else 0",
        "0 if not distributed else 1",
    ],
)
def test_eight_ranks_decide(text: str) -> None:
    assert chosen(text) == "1"


@pytest.mark.parametrize(
    "text", ["1 if tokens > 1 else 0", "1 if world_size > 0 else 0", "1", "1 if a < b else 0"]
)
def test_what_ranks_do_not_decide_is_none(text: str) -> None:
    assert chosen(text) is None
