from __future__ import annotations

import ast

import pytest

from harness.code.syntax_nodes import SyntaxNodes
from harness.dynamic.knob_reading import read_knobs
from harness.dynamic.refused_values import least_values
from tests.harness.dynamic.test_shrinking import small

BUCKETS = """
import os
buckets = int(os.environ.get("NGRAM_EVAL_BUCKETS", 4194304))
"""
REFUSAL = 'if buckets < 1024 or buckets & 1:\n    raise ValueError("too few")\n'


def least(text: str) -> dict[str, int]:
    return least_values(SyntaxNodes(ast.parse(text)))


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("if args.Buckets < 64: raise ValueError", 64),
        ("if 64 >= buckets: raise ValueError", 65),
        ("assert buckets >= 64 and other", 64),
        ("assert 64 < buckets", 65),
    ],
)
def test_a_value_below_which_a_script_raises_is_the_least(text: str, value: int) -> None:
    assert least(text) == {"buckets": value}


@pytest.mark.parametrize(
    "text",
    ["if buckets < 64: buckets = 64", "if buckets > 64: raise ValueError", "assert not buckets >= 64"],
)
def test_other_comparisons_refuse_nothing_small(text: str) -> None:
    assert least(text) == {}


def test_the_setting_that_the_error_names_is_meant_too() -> None:
    assert least('if rows < 64: raise ValueError(f"EVAL_ROWS must be >= 64, got {rows}")') == {
        "rows": 64,
        "eval_rows": 64,
    }


def test_an_error_that_names_two_settings_means_neither() -> None:
    assert least('if rows < 64: raise ValueError("EVAL_ROWS or TRAIN_ROWS")') == {"rows": 64}


def test_a_table_shrinks_to_the_least_that_the_script_takes() -> None:
    assert small(BUCKETS + REFUSAL).environment["NGRAM_EVAL_BUCKETS"] == "1024"


def test_without_a_refusal_it_shrinks_to_the_same_load() -> None:
    assert small(BUCKETS + "if buckets < 1024: buckets += 1").environment["NGRAM_EVAL_BUCKETS"] == "128"


def test_of_two_files_the_larger_least_value_counts() -> None:
    files = [b"assert rows >= 64", b"assert rows >= 8"]
    assert read_knobs({"paths": ["a.py", "b.py"]}, files)["least"] == {"rows": 64}
