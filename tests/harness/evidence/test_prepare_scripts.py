from __future__ import annotations

import datetime

import pytest

from harness.evidence.prepare_scripts import most_shards
from harness.ruleset import load_ruleset


@pytest.mark.parametrize(
    ("tokens", "shards"),
    [(62_021_632, 195), (45_508_608, 143), (40_540_160, 128), (151_130_112, 476)],
)
def test_whole_exports_of_every_tokenizer_fit(tokens: int, shards: int) -> None:
    limits = load_ruleset().limits(datetime.date(2026, 5, 2))
    assert most_shards(tokens, limits) >= shards


def test_shards_of_a_tenth_of_the_size_do_not() -> None:
    limits = load_ruleset().limits(datetime.date(2026, 5, 2))
    assert most_shards(47_851_520, limits) < 1_499
