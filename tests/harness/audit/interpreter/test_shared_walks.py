"""A profile is not walked when its answers would be those of an earlier walk, and always when they differ."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from harness.audit.interpreter import shared_walks
from harness.audit.interpreter.walk import audit_program, walked
from harness.audit.program import Program
from harness.audit.run_profile import ProfileKind, RunProfile, Setting
from tests.harness.audit.interpreter.small_programs import HEAD

TEXT = (
    HEAD
    + """
import sys
steps = int(os.environ.get("STEPS", "3"))
class Settings:
    rate = float(os.environ.get("RATE", 0.5))
if "--again" in sys.argv or steps > 5:
    total = score(*pair(0, 9)).sum()
    print(f"val_bpb:{total.item() / math.log(2)}")
"""
)


def profile(
    name: str = "one", attributes: Any = (), argv: tuple[str, ...] = (), **variables: str
) -> RunProfile:
    def settings(values: dict[str, str]) -> dict[str, Setting]:
        return {key: Setting(value=text, source="", file="", line=0) for key, text in values.items()}

    return RunProfile(
        name=name,
        kind=ProfileKind.COMMAND,
        environment=settings(variables),
        attributes=settings(dict(attributes)),
        argv=argv,
    )


def walks(monkeypatch: pytest.MonkeyPatch, *profiles: RunProfile) -> int:
    """How many walks these profiles take; each has the events of a walk of its own."""
    count = 0

    def counted(machine: Any) -> bool:
        nonlocal count
        count += 1
        return walked(machine)

    monkeypatch.setattr(shared_walks, "walked", counted)
    program = Program(entry="a.py", sources={"a.py": TEXT})
    for one in profiles:
        alone = audit_program(Program(entry="a.py", sources={"a.py": TEXT}), one)
        assert shared_walks.shared_audit(program, one) == alone
    return count


@pytest.mark.parametrize(
    ("other", "expected"),
    [
        (profile("two", UNREAD="7"), 1),
        (profile("two", STEPS="3"), 1),
        (profile("two", STEPS=" 03"), 1),
        (profile("two", STEPS="3.0"), 2),
        (profile("two", RATE="0.50"), 1),
        (profile("two", argv=("--other",)), 1),
        (profile("two", {"rate": "0.5", "depth": "9"}), 1),
        (profile("two", STEPS="9"), 2),
        (profile("two", RATE="0.25"), 2),
        (profile("two", {"rate": "0.25"}), 2),
        (profile("two", argv=("--again",)), 2),
        (replace(profile("two"), unknown=("STEPS",)), 2),
    ],
)
def test_only_what_the_script_asks_for_tells_profiles_apart(
    other: RunProfile, expected: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert walks(monkeypatch, profile(), other) == expected


def test_a_walk_stands_for_none_with_less_to_spend(monkeypatch: pytest.MonkeyPatch) -> None:
    program = Program(entry="a.py", sources={"a.py": TEXT})
    whole = shared_walks.shared_audit(program, profile())
    assert whole.finished
    assert not shared_walks.shared_audit(program, profile("two"), node_budget=whole.nodes - 1).finished
    assert shared_walks.shared_audit(program, profile("three"), node_budget=whole.nodes).finished


@pytest.mark.parametrize(
    ("read", "expected"), [("", 1), ("def float(text):\n    return text\n", 2)], ids=["builtin", "own"]
)
def test_a_number_is_compared_as_the_script_reads_it(
    read: str, expected: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(globals(), "TEXT", read + TEXT)
    assert walks(monkeypatch, profile(RATE="0.50"), profile("two", RATE="0.5")) == expected
