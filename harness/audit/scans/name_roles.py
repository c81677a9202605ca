"""Which names of a program hold a certain thing, followed by assignment, call argument and return value.

A role is a word ("boundary", "val"). `seed` says which expressions have one by themselves; from there roles
spread through the whole program, whatever variables are called. Order is not looked at: a name that holds
something once holds it throughout its function.
"""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from harness.audit.scans.scanned_program import FunctionNode, ProgramIndex, dotted, own_nodes

if TYPE_CHECKING:
    from collections.abc import Callable

Scope = FunctionNode | ast.Module
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
        self._names: dict[tuple[int, str], Role] = {}
        self._attributes: dict[str, Role] = {}
        self._results: dict[int, Role] = {}
        statements = [(scope, list(_spreading(scope))) for _, scope in index.scopes()]
        for _ in range(_ROUNDS):
            before = (len(self._names), len(self._attributes), len(self._results))
            for scope, nodes in statements:
                for node in nodes:
                    self._spread(node, scope)
            if before == (len(self._names), len(self._attributes), len(self._results)):
                break

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
            return self._attributes.get(node.attr)
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

    def _name(self, name: str, scope: Scope) -> Role:
        for _ in range(_DEPTH):
            role = self._names.get((id(scope), name))
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
        for function in self._called(node):
            role = self._results.get(id(function))
            if role is not None:
                return role
        last = dotted(node.func).rpartition(".")[2]
        if isinstance(node.func, ast.Attribute) and last in _SAME:
            return self.of(node.func.value, scope, depth + 1)
        if last in _WRAPPERS and node.args:
            role = self.of(node.args[0], scope, depth + 1)
            return role[0] if isinstance(role, tuple) else role
        return None

    def _called(self, node: ast.Call) -> list[FunctionNode]:
        name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
        functions = [one.node for one in self._index.by_name.get(name, ())]
        methods = self._index.by_owner.get(name, ())
        functions += [one.node for one in methods if one.name == "__init__"]
        return functions[:6]

    def _spread(self, node: ast.AST, scope: Scope) -> None:
        if isinstance(node, ast.Assign):
            role = self.of(node.value, scope)
            for target in node.targets:
                self._bind(target, role, scope)
        elif isinstance(node, ast.AnnAssign) and node.value is not None:
            self._bind(node.target, self.of(node.value, scope), scope)
        elif isinstance(node, ast.Return) and node.value is not None:
            self._results.setdefault(id(scope), role) if (role := self.of(node.value, scope)) else None
        elif isinstance(node, ast.Call):
            self._pass(node, scope)

    def _bind(self, target: ast.expr, role: Role, scope: Scope) -> None:
        if role is None:
            return
        if isinstance(target, ast.Name):
            self._names.setdefault((id(scope), target.id), role)
            if isinstance(scope, ast.Module):  # an attribute of a class, read as `settings.name`
                self._attributes.setdefault(target.id, role)
        elif isinstance(target, ast.Attribute):
            self._attributes.setdefault(target.attr, role)
        elif isinstance(target, ast.Tuple | ast.List) and isinstance(role, tuple):
            for one, part in zip(target.elts, role, strict=False):
                self._bind(one, part, scope)

    def _pass(self, node: ast.Call, scope: Scope) -> None:
        """Arguments become parameters. A function passed with its arguments (`timed(f, a, b)`) counts too."""
        shifted: list[tuple[FunctionNode, list[ast.expr]]] = [(one, node.args) for one in self._called(node)]
        for place, argument in enumerate(node.args[:4]):
            if isinstance(argument, ast.Name):
                functions = self._index.by_name.get(argument.id, ())
                shifted += [(one.node, node.args[place + 1 :]) for one in functions[:2]]
        for function, arguments in shifted:
            parameters = self._index.by_node[id(function)].parameters
            if parameters[:1] == ["self"]:
                parameters = parameters[1:]
            pairs = list(zip(parameters, arguments, strict=False))
            pairs += [(word.arg, word.value) for word in node.keywords if word.arg in parameters]
            for name, argument in pairs:
                if isinstance(argument, ast.Starred):
                    break
                role = self.of(argument, scope)
                if role is not None:
                    self._names.setdefault((id(function), name), role)


def _spreading(scope: Scope) -> list[ast.AST]:
    kinds = (ast.Assign, ast.AnnAssign, ast.Return, ast.Call)
    return [node for node in own_nodes(scope) if isinstance(node, kinds)]
