"""With blocks of the script's own managers, and `raise SystemExit(main())`."""

from __future__ import annotations

from harness.audit.interpreter.walk import audit_program
from harness.audit.program import Program
from harness.audit.run_profile import ProfileKind, RunProfile

MANAGED = """
import contextlib, os
@contextlib.contextmanager
def opened():
    order.append("first")
    yield 5
    order.append("last")
def main():
    with opened() as number:
        order.append(number)
        if len(order) == 2:
            exec("reached the block in its turn")
    if len(order) == 3:
        exec("left the manager")
order = []
if __name__ == "__main__":
    raise SystemExit(main())
"""


def test_a_with_block_is_walked_where_its_manager_yields() -> None:
    program = Program(entry="train_gpt.py", sources={"train_gpt.py": MANAGED})
    result = audit_program(program, RunProfile(name="defaults", kind=ProfileKind.DEFAULTS))
    assert {12, 14} <= {event.at.line for event in result.events}
    assert result.finished
