from __future__ import annotations

import ast

import pytest

from harness.dynamic.child.capture.audit_awareness import awareness


@pytest.mark.parametrize(
    ("source", "what"),
    [
        ("import harness.dynamic.child as c", "import harness.dynamic.child"),
        ("from harness.dynamic import events", "import of harness.dynamic"),
        ("x = '/golf/out'", "the text '/golf/out'"),
        ("x = f'harness.dynamic{1}'", "the text 'harness.dynamic'"),
        ("x = 'golf-record 0'", "the text 'golf-record 0'"),
    ],
)
def test_what_names_the_audit_is_told_with_its_line(source, what):
    assert list(awareness(ast.parse(f"\n{source}"), "/a/b/train_gpt.py")) == [f"{what} at train_gpt.py:2"]


@pytest.mark.parametrize(
    "source", ["import harness_of_mine", "from .harness import x", "x = '/data/parameter-golf/golf/data'"]
)
def test_other_names_are_not(source):
    assert list(awareness(ast.parse(source), "train_gpt.py")) == []
