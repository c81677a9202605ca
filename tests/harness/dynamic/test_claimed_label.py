from __future__ import annotations

import pytest

from harness.dynamic.claimed_label import ClaimedLabel

LOGGED = frozenset({"final_roundtrip_exact", "final_five_gram_eval", "final_five_gram_eval_exact"})
CLAIM = ClaimedLabel(label="final_five_gram_eval_exact", logged=LOGGED)


def test_a_label_that_the_run_prints_is_the_label():
    assert CLAIM.in_run(["final_roundtrip_exact", "final_five_gram_eval_exact"]) == CLAIM.label


def test_the_one_name_that_changed_is_the_same_pass_with_most_digits():
    printed = ["final_roundtrip_exact", "final_cache_eval", "final_cache_eval_exact"]
    assert CLAIM.in_run(printed) == "final_cache_eval_exact"


@pytest.mark.parametrize(
    "printed",
    [
        ["final_roundtrip_exact"],
        ["final_roundtrip_exact", "final_cache_eval_exact", "final_other_exact"],
        ["final_cache_eval_exact"],
    ],
)
def test_where_several_names_changed_nothing_is_guessed(printed):
    assert CLAIM.in_run(printed) is None
