"""What an expression of a module stands for in the configuration: `settings.model.smear` -> "model.smear".

Known are parameters and fields annotated with a class of the configuration, `self` attributes set from them,
objects of classes that hold one (`model.config` where `model: GPT`), and locals bound once to any of these.
"""

from __future__ import annotations

import ast
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from reference_model.pack.module_graph import Module
    from reference_model.pack.scopes import Scope


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """A value of the configuration (`path`), or an object of the named class (`of_class`)."""

    path: str | None = None
    of_class: str = ""


Attributes = dict[str, dict[str, Held]]  # class name -> attribute -> what it holds


class ConfigPaths:
    """Answers for one module; `attributes` of all classes may be filled in while modules are read."""

    def __init__(self, module: Module, groups: Mapping[str, str], attributes: Attributes) -> None:
        self._groups = groups
        self._attributes = attributes
        self._scope_of_name = {each.node: each.scope for each in module.scopes.references}
        self._names: dict[tuple[int, str], Held] = {}
        self._sources: dict[tuple[int, str], ast.expr] = {}
        for node, scope in module.scopes.scope_of.items():
            self._read_parameters(node, scope)
        for inner in module.nodes:
            for target, value in _bindings(inner):
                self._read_binding(target, value)

    def path(self, node: ast.expr) -> str | None:
        """The dotted path, "" for the whole configuration; None for anything else."""
        held = self._held(node)
        return held.path if held is not None else None

    def source(self, node: ast.expr) -> ast.expr | None:
        """What the local behind a name was bound to, where that happened once."""
        if not isinstance(node, ast.Name) or node not in self._scope_of_name:
            return None
        scope = self._scope_of_name[node].binder(node.id)
        if scope is None or scope.is_module or scope.bound[node.id] != 1:
            return None
        return self._sources.get((id(scope), node.id))

    def _held(self, node: ast.expr, depth: int = 8) -> Held | None:
        if depth and isinstance(node, ast.Attribute):
            owner = self._held(node.value, depth - 1)
            if owner is None:
                return None
            if owner.path is not None:
                return Held(path=f"{owner.path}.{node.attr}".lstrip("."))
            return self._attributes.get(owner.of_class, {}).get(node.attr)
        if isinstance(node, ast.Name) and node in self._scope_of_name:
            scope = self._scope_of_name[node].binder(node.id)
            if scope is None or scope.bound[node.id] != 1:
                return None
            known = self._names.get((id(scope), node.id))
            source = self.source(node)
            return known or (self._held(source, depth - 1) if depth and source is not None else None)
        return None

    def _annotated(self, annotation: ast.expr | None) -> Held | None:
        if isinstance(annotation, ast.Constant) and isinstance(annotation.value, str):
            name = annotation.value
        else:
            name = ast.unparse(annotation) if annotation is not None else ""
        name = name.rpartition(".")[2]
        if name in self._groups:
            return Held(path=self._groups[name])
        return Held(of_class=name) if name.isidentifier() else None

    def _read_parameters(self, node: ast.AST, scope: Scope) -> None:
        if not isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            return
        positional = [*node.args.posonlyargs, *node.args.args]
        for arg in [*positional, *node.args.kwonlyargs]:
            held = self._annotated(arg.annotation)
            if held is not None:
                self._names[(id(scope), arg.arg)] = held
        owner = scope.parent.node if scope.parent is not None else None
        static = any(ast.unparse(each) in {"staticmethod", "classmethod"} for each in node.decorator_list)
        # In the configuration's own classes `self` may be any value, not only the baked one.
        if isinstance(owner, ast.ClassDef) and positional and not static and owner.name not in self._groups:
            self._names[(id(scope), positional[0].arg)] = Held(of_class=owner.name)

    def _read_binding(self, target: ast.expr, value: ast.expr) -> None:
        if isinstance(target, ast.Name):
            scope = self._scope_of_name[target].binder(target.id)
            self._sources[(id(scope), target.id)] = value

    def read_attributes(self, module: Module) -> None:
        """Add what the fields of the module's classes hold to the shared table."""
        for node in module.nodes:
            if isinstance(node, ast.ClassDef) and node.name not in self._groups:
                table = self._attributes.setdefault(node.name, {})
                for name, values in self._fields(node).items():
                    held = values[0]
                    if held is not None and all(each == held for each in values):
                        table[name] = held

    def _fields(self, node: ast.ClassDef) -> dict[str, list[Held | None]]:
        found: dict[str, list[Held | None]] = {}
        for inner in ast.walk(node):
            for target, held in self._stored(inner):
                if isinstance(target, ast.Attribute) and ast.unparse(target.value) == "self":
                    found.setdefault(target.attr, []).append(held)
        for inner in node.body:
            if isinstance(inner, ast.AnnAssign) and isinstance(inner.target, ast.Name):
                found.setdefault(inner.target.id, []).append(self._annotated(inner.annotation))
        return found

    def _stored(self, node: ast.AST) -> Iterable[tuple[ast.expr, Held | None]]:
        if isinstance(node, ast.AnnAssign) and node.value is not None:
            return [(node.target, self._held(node.value) or self._annotated(node.annotation))]
        return [(target, self._held(value)) for target, value in _bindings(node)]


def _bindings(node: ast.AST) -> Iterable[tuple[ast.expr, ast.expr]]:
    """Targets with what they are set to; `a, b = x, y` is two."""
    if isinstance(node, ast.AnnAssign) and node.value is not None:
        yield node.target, node.value
    if not isinstance(node, ast.Assign):
        return
    for target in node.targets:
        if not isinstance(target, ast.Tuple):
            yield target, node.value
        elif isinstance(node.value, ast.Tuple) and len(node.value.elts) == len(target.elts):
            yield from zip(target.elts, node.value.elts, strict=True)
