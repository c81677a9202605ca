"""Where the walk is: functions and loops being walked."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    from harness.audit.interpreter.heap import Scope
    from harness.audit.interpreter.values import Value


@dataclass(slots=True, eq=False)
class LoopFrame:
    """A loop being walked: its instance, the pass, and the iterations as an index."""

    id: int
    number: int = 0
    trips: int | None = None
    chose: bool = False  # tokens were chosen by it


@dataclass(slots=True, eq=False)
class Frame:
    """A function being walked."""

    scope: Scope
    file: str
    name: str = ""
    owner: Any = None  # the class whose method runs, for super()
    self_value: Value | None = None
    yields: list[Value] | None = None
    at_yield: Callable[[Value], None] | None = None  # the with block that a context manager yields to
    first_loop: int = 0
