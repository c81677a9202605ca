"""Which names of a program hold a certain thing, followed by assignment, call argument and return value.

A role is a word ("boundary", "val"). `seed` says which expressions have one by themselves; from there roles
spread through the whole program, whatever variables are called. Order is not looked at: a name that holds
something once holds it throughout its function.
"""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from harness.audit.scans.scope_nodes import called_name

if TYPE_CHECKING:
    from collections.abc import Callable

    from harness.audit.scans.scanned_program import ProgramIndex
    from harness.audit.scans.scope_nodes import FunctionNode, Scope

# What can have a role: a name in a scope, an attribute anywhere, the result of a function.
_Place = tuple[int, str] | str | int
Role = str | tuple["Role", ...] | None

_ROUNDS = 8
_DEPTH = 10
# Methods and functions that give back what they are given, elsewhere or in another type.
_SAME = frozenset(
    [
        "to",
        "cuda",
        "cpu",
        "contiguous",
        "long",
        "int",
        "clone",
        "numpy",
        "astype",
        "copy",
        "detach",
        "float",
        "double",
        "pin_memory",
        "view",
        "reshape",
        "flatten",
        "squeeze",
        "unsqueeze",
        "bool",
        "type",
        "half",
    ]
)
_WRAPPERS = frozenset(
    [
        "tensor",
        "as_tensor",
        "from_numpy",
        "array",
        "asarray",
        "cat",
        "concat",
        "concatenate",
        "ascontiguousarray",
    ]
)


class Roles:
    """Roles of names, attributes and results of one program."""

    def __init__(
        self,
        index: ProgramIndex,
        seed: Callable[[ast.expr, Scope], Role],
        *,
        slices_keep: bool = False,
        through: Callable[[ast.Call, Scope, Roles], Role] | None = None,
    ) -> None:
        self._index = index
        self._seed = seed
        self._slices_keep = slices_keep
        self._through = through
        self._passed = index.once("passed", lambda: _passed_everywhere(index))
        self._roles: dict[_Place, Role] = {}
        self._set: list[_Place] = []  # places that the statement being looked at gave a role
        self._missed: list[_Place] | None = []  # places without one that it would have used
        self._settle()
        self._missed = None

    def _settle(self) -> None:
        """Go through all statements until nothing changes; after the first round only those it may change."""
        index = self._index
        statements = [(node, scope) for _, scope in index.scopes() for node in self._spreading(scope)]
        waiting: dict[_Place, list[int]] = {}  # statements by the places that they would have used
        due = bytearray(b"\1") * len(statements)
        for _ in range(_ROUNDS):
            before = len(self._roles)
            number = due.find(1)
            while number >= 0:
                due[number] = 0
                self._set, self._missed = [], []
                self._spread(*statements[number])
                for place in self._missed:
                    waiting.setdefault(place, []).append(number)
                for place in self._set:
                    for later in waiting.pop(place, ()):
                        due[later] = 1
                number = due.find(1, number + 1)
            if before == len(self._roles):
                break

    def _spreading(self, scope: Scope) -> list[ast.stmt | ast.Call]:
        """Statements and calls that may give something a role."""
        kinds = (ast.Assign, ast.AnnAssign, ast.Return, ast.Call)
        found: list[ast.stmt | ast.Call] = []
        for node in self._index.own.of(scope, *kinds):
            if isinstance(node, ast.Call):
                if id(node) in self._passed:
                    found.append(node)
            elif isinstance(node, ast.stmt):
                found.append(node)
        return found

    def of(self, node: ast.expr, scope: Scope, depth: int = 0) -> Role:
        """The role of an expression in a scope."""
        if depth > _DEPTH:
            return None
        role = self._seed(node, scope)
        if role is not None:
            return role
        if isinstance(node, ast.Name):
            return self._name(node.id, scope)
        if isinstance(node, ast.Attribute):
            return self._at(node.attr)
        if isinstance(node, ast.Tuple | ast.List):
            roles = tuple(self.of(one, scope, depth + 1) for one in node.elts[:40])
            return roles if any(roles) else None
        if isinstance(node, ast.IfExp):
            return self.of(node.body, scope, depth + 1) or self.of(node.orelse, scope, depth + 1)
        if isinstance(node, ast.Subscript):
            return self._item(node, scope, depth)
        if isinstance(node, ast.ListComp | ast.GeneratorExp):
            return self.of(node.generators[0].iter, scope, depth + 1)
        return self._call(node, scope, depth) if isinstance(node, ast.Call) else None

    def _at(self, place: _Place) -> Role:
        role = self._roles.get(place)
        if role is None and self._missed is not None:
            self._missed.append(place)
        return role

    def _put(self, place: _Place, role: Role) -> None:
        if place not in self._roles:
            self._roles[place] = role
            self._set.append(place)

    def _name(self, name: str, scope: Scope) -> Role:
        for _ in range(_DEPTH):
            role = self._at((id(scope), name))
            if role is not None:
                return role
            outer = self._index.outer.get(id(scope))
            if outer is None:
                return None
            scope = outer
        return None

    def _item(self, node: ast.Subscript, scope: Scope, depth: int) -> Role:
        held = self.of(node.value, scope, depth + 1)
        if isinstance(held, tuple):
            place = node.slice.value if isinstance(node.slice, ast.Constant) else None
            return held[place] if isinstance(place, int) and 0 <= place < len(held) else None
        if self._slices_keep and isinstance(node.slice, ast.Slice | ast.Constant):
            return held
        return None

    def _call(self, node: ast.Call, scope: Scope, depth: int) -> Role:
        if self._through is not None and (role := self._through(node, scope, self)) is not None:
            return role
        for function in _called(node, self._index):
            role = self._at(id(function))
            if role is not None:
                return role
        last = called_name(node)
        if isinstance(node.func, ast.Attribute) and last in _SAME:
            return self.of(node.func.value, scope, depth + 1)
        if last in _WRAPPERS and node.args:
            role = self.of(node.args[0], scope, depth + 1)
            return role[0] if isinstance(role, tuple) else role
        return None

    def _spread(self, node: ast.AST, scope: Scope) -> None:
        if isinstance(node, ast.Assign):
            role = self.of(node.value, scope)
            for target in node.targets:
                self._bind(target, role, scope)
        elif isinstance(node, ast.AnnAssign) and node.value is not None:
            self._bind(node.target, self.of(node.value, scope), scope)
        elif isinstance(node, ast.Return) and node.value is not None:
            role = self.of(node.value, scope)
            if role is not None:
                self._put(id(scope), role)
        elif isinstance(node, ast.Call):
            for place, argument in self._passed[id(node)]:
                if place not in self._roles and (role := self.of(argument, scope)) is not None:
                    self._put(place, role)

    def _bind(self, target: ast.expr, role: Role, scope: Scope) -> None:
        if role is None:
            return
        if isinstance(target, ast.Name):
            self._put((id(scope), target.id), role)
            if isinstance(scope, ast.Module):  # an attribute of a class, read as `settings.name`
                self._put(target.id, role)
        elif isinstance(target, ast.Attribute):
            self._put(target.attr, role)
        elif isinstance(target, ast.Tuple | ast.List) and isinstance(role, tuple):
            for one, part in zip(target.elts, role, strict=False):
                self._bind(one, part, scope)


def _called(node: ast.Call, index: ProgramIndex) -> list[FunctionNode]:
    """Functions of the program that a call may run, by name."""
    name = called_name(node)
    if name not in index.by_name and name not in index.by_owner:
        return []
    functions = [one.node for one in index.by_name.get(name, ())]
    functions += [one.node for one in index.by_owner.get(name, ()) if one.name == "__init__"]
    return functions[:6]


def _passed_everywhere(index: ProgramIndex) -> dict[int, list[tuple[_Place, ast.expr]]]:
    """Parameters with what they are given, by the identity of the call; only calls that give any."""
    calls = (node for _, scope in index.scopes() for node in index.own.of(scope, ast.Call))
    return {id(node): passed for node in calls if (passed := _passed(node, index))}


def _passed(node: ast.Call, index: ProgramIndex) -> list[tuple[_Place, ast.expr]]:
    """Arguments become parameters. A function passed with its arguments (`timed(f, a, b)`) counts too."""
    shifted: list[tuple[FunctionNode, list[ast.expr]]] = [(one, node.args) for one in _called(node, index)]
    for place, argument in enumerate(node.args[:4]):
        if isinstance(argument, ast.Name):
            functions = index.by_name.get(argument.id, ())
            shifted += [(one.node, node.args[place + 1 :]) for one in functions[:2]]
    found: list[tuple[_Place, ast.expr]] = []
    for function, arguments in shifted:
        parameters = index.by_node[id(function)].parameters
        if parameters[:1] == ["self"]:
            parameters = parameters[1:]
        pairs = list(zip(parameters, arguments, strict=False))
        pairs += [(word.arg, word.value) for word in node.keywords if word.arg in parameters]
        for name, argument in pairs:
            if isinstance(argument, ast.Starred):
                break
            found.append(((id(function), name), argument))
    return found
