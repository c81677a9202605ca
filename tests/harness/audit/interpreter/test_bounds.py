"""Hostile or broken sources end with a reason, never with an error of ours."""

from __future__ import annotations

import pytest

from harness.audit.events import Unresolved
from harness.audit.interpreter.walk import audit_program
from harness.audit.program import Program
from harness.audit.run_profile import ProfileKind, RunProfile
from tests.harness.audit.interpreter.small_programs import audit

PROFILE = RunProfile(name="defaults", kind=ProfileKind.DEFAULTS)


def reasons(text: str, **budget: float) -> set[str]:
    result = audit_program(Program(entry="a.py", sources={"a.py": text}), PROFILE, **budget)  # type: ignore[arg-type]
    return {event.reason for event in result.events if isinstance(event, Unresolved)}


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("def f(x):\n    return f(x)\nf(1)\n", "recursion"),
        ("x = " + " + ".join(["a"] * 400) + "\n", "recursion"),
        ("exec(input())\n", "exec"),
        ("def f(:\n", "unparseable"),
        ("raise ValueError('no')\n", "aborts"),
    ],
)
def test_what_cannot_be_followed_has_a_reason(text: str, reason: str) -> None:
    assert reason in reasons(text)


def test_the_node_budget_ends_the_walk() -> None:
    text = "x = 1\n" * 500
    result = audit_program(Program(entry="a.py", sources={"a.py": text}), PROFILE, node_budget=100)
    assert not result.finished


def test_the_same_input_gives_the_same_events() -> None:
    body = "for ci in range(n):\n    x, y = pair(ci * C, (ci + 1) * C)\n    total += score(x, y).sum()\n"
    assert audit(body).events == audit(body).events


def test_modules_that_import_each_other_end() -> None:
    sources = {"a.py": "import b\nx = b.y\n", "b.py": "import a\ny = 1\n"}
    assert audit_program(Program(entry="a.py", sources=sources), PROFILE).finished
