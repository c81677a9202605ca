from __future__ import annotations

import ast

import pytest

from harness.dynamic.child.capture.thresholds import Thresholds

SIZE = 2_049


def unseen(source: str, *, is_scoring: bool = True) -> list[str]:
    """What `source` was seen to ask for and not to come to."""
    thresholds = Thresholds(frozenset({SIZE}), lambda: is_scoring)
    end = thresholds.start()
    try:
        exec(
            compile(thresholds.hooked(ast.parse(source), "train_gpt.py"), "train_gpt.py", "exec"), {"n": SIZE}
        )
    finally:
        end()
    return list(thresholds.unseen())


@pytest.mark.parametrize(
    "test",
    ["n > 1_000_000", "10**6 <= n", "n >= 1 << 20", "n < int(1e6)", "n == 62 * 1000 * 1000 + 1", "n > MANY"],
)
def test_a_size_of_the_data_below_a_written_number_is_unseen(test):
    (told,) = unseen(f"MANY = 10 ** 6\nif {test}: x = 2", is_scoring=False)
    assert told.endswith("at train_gpt.py:2 (at most 2,049 here)")


def test_each_side_of_a_chain_is_a_limit():
    (told,) = unseen("x = 1 if 0 < n < 10_000_000 else 2")
    assert told.startswith("0 < n < 10000000 at")


def test_a_name_that_is_set_twice_is_no_constant():
    assert unseen("MANY = 10**6\nMANY = n\nx = 1 if n > MANY else 2") == []


def test_a_count_that_stays_below_while_tokens_are_scored_is_unseen():
    source = "for call in range(10):\n    x = 1 if call > 5_000 else 2"
    assert unseen(source) == ["call > 5000 at train_gpt.py:2 (at most 9 here)"]
    assert unseen(source, is_scoring=False) == []


@pytest.mark.parametrize(
    "source",
    [
        "for call in range(10):\n    x = 1 if call > 5 else 2",
        "for width in (64, 128, 512):\n    x = 1 if width > 5_000 else 2",
        "for token in (7, 9, 11, 3):\n    x = 1 if token > 5_000 else 2",
        "for call in range(10):\n    if call > 5_000: print('far')",
        "for second in (0.5, 1.0, 1.5):\n    x = 1 if second > 600 else 2",
        "x = 1 if n > 1_000 else 2",
        "x = 1 if n else 2",
    ],
    ids=["come-to", "sizes", "falls", "prints", "no-whole-number", "beyond", "no-comparison"],
)
def test_other_comparisons_are_no_limits(source):
    assert unseen(source) == []
