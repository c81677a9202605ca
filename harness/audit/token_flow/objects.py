"""What values refer to and what changes: arrays, scopes, functions, classes, objects, calls."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING

from harness.audit.token_flow.flow import NOTHING, Flow, joined

if TYPE_CHECKING:
    import ast
    from collections.abc import Mapping

    from harness.audit.events import Spot
    from harness.audit.token_flow.walker import Walker


class FunctionKind(Enum):
    """What is not simply called with the object it was found on."""

    PROPERTY = "property"
    STATIC = "static method"
    OF_CLASS = "class method"
    CONTEXT = "context manager"


@dataclass(eq=False, slots=True)
class Cell:
    """An array, list or dictionary. `parts` holds what was stored, by the line that stored it."""

    id: int
    site: Spot
    dims: int = 1
    is_mapping: bool = False
    is_list: bool = False  # what it holds is one element, not an array of lanes
    parts: dict[object, Flow] = field(default_factory=dict)
    updates: set[int] = field(default_factory=set)
    factory: Flow | None = None  # makes what a defaultdict holds


@dataclass(eq=False, slots=True)
class Scope:
    """Names of a module or of one call of a function."""

    names: dict[str, Flow] = field(default_factory=dict)
    outer: Scope | None = None
    module: str = ""


@dataclass(eq=False, slots=True)
class Function:
    """A function of the script with the names around it."""

    node: ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda
    scope: Scope
    file: str
    bound: tuple[tuple[Flow, ...], Mapping[str, Flow]] = ((), {})
    kind: FunctionKind | None = None
    of: ClassOf | None = None  # the class whose body defines it

    def bound_to(self, owner: Flow) -> Function:
        """The method of an object."""
        return Function(self.node, self.scope, self.file, ((owner,), {}), self.kind, self.of)


@dataclass(eq=False, slots=True)
class ClassOf:
    """A class of the script."""

    name: str
    members: Scope
    bases: tuple[ClassOf, ...] = ()
    fields: tuple[tuple[str, ast.expr | None], ...] | None = None  # of a dataclass or named tuple
    is_tuple: bool = False

    def find(self, name: str) -> Flow | None:
        """A member, of the class itself or of what it inherits from."""
        if name in self.members.names:
            return self.members.names[name]
        for base in self.bases:
            found = base.find(name)
            if found is not None:
                return found
        return None


@dataclass(eq=False, slots=True)
class Instance:
    """An object of a class of the script."""

    of: ClassOf
    names: dict[str, Flow] = field(default_factory=dict)


@dataclass(eq=False, slots=True)
class Bound:
    """A method with the value it was taken from."""

    receiver: Flow
    name: str


def merged(scopes: list[dict[str, Flow]]) -> dict[str, Flow]:
    """The names after several ways through the same lines."""
    names = scopes[0]
    for scope in scopes[1:]:
        names = dict(names)
        for name, value in scope.items():
            known = names.get(name)
            if known is not value:
                names[name] = joined((known, value)) if known is not None else value
    return names


@dataclass(slots=True)
class Call:
    """A call of something that is not of the script; what a method is called on is its first argument."""

    walker: Walker
    name: str
    args: list[Flow]
    kwargs: dict[str, Flow]

    @property
    def first(self) -> Flow:
        """The first argument, or nothing."""
        return self.args[0] if self.args else NOTHING
