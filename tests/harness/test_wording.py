from __future__ import annotations

import pytest

from harness.wording import count_of, listed, seed_label


@pytest.mark.parametrize(("number", "words"), [(0, "0 logs"), (1, "1 log"), (12_000, "12,000 logs")])
def test_only_one_thing_is_singular(number: int, words: str) -> None:
    assert count_of(number, "log") == words


@pytest.mark.parametrize(
    ("items", "words"), [([], ""), (["a"], "a"), (["a", "b"], "a, b"), (["a", "b", "c"], "a, b and 1 more")]
)
def test_a_long_list_says_how_much_it_leaves_out(items: list[str], words: str) -> None:
    assert listed(items, 2) == words


def test_a_run_without_a_seed_has_a_name_too() -> None:
    assert (seed_label(42), seed_label(None)) == ("seed 42", "the run")
