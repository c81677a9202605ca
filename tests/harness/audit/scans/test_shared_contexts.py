from __future__ import annotations

import ast
from typing import TYPE_CHECKING

import pytest

from harness.audit.program import Program
from harness.audit.scans import scan_sources
from tests.programs.all_twins import BASES

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def marked_context() -> Iterator[None]:
    """A parent on the one context object of all names that are read, as a minifier leaves it there."""
    owner = ast.parse("def f():\n    return name").body[0]
    shared = ast.parse("name", mode="eval").body.ctx  # type: ignore[attr-defined]
    shared.parent = owner.body[0].value  # type: ignore[attr-defined]
    owner.body[0].value.parent = owner  # type: ignore[attr-defined]
    yield
    del shared.parent


@pytest.mark.usefixtures("marked_context")
def test_no_scan_is_lost_to_what_another_library_hung_on_shared_contexts() -> None:
    facts = scan_sources(Program(entry="train_gpt.py", sources={"train_gpt.py": BASES["plain"]}))
    assert facts["not_scanned"] == {}


def test_facts_are_the_same_with_and_without_it(request: pytest.FixtureRequest) -> None:
    program = Program(entry="train_gpt.py", sources={"train_gpt.py": BASES["plain"]})
    before = scan_sources(program)
    request.getfixturevalue("marked_context")
    assert scan_sources(program) == before
