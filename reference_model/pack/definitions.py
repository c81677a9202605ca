"""Top-level statements of the modules as pieces, and which of them the entry function needs.

A piece is needed when a needed piece reads one of its names; every other statement (a call, a loop) of a
module with a needed piece runs too, as it would when the module is imported. Names in annotations alone
need nothing, except in decorated classes, whose field types may be asked for.
"""

from __future__ import annotations

import ast
from dataclasses import dataclass
from typing import TYPE_CHECKING

from reference_model.pack.module_graph import Definition, External, is_type_checking
from reference_model.pack.scopes import bound_name
from reference_model.pack.source_edits import first_line, last_line

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from reference_model.pack.module_graph import Module, ModuleGraph, Target
    from reference_model.pack.scopes import Reference


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Piece:
    """A statement of a module's top level; `first` counts the comments above it in."""

    module: str
    statement: ast.stmt
    first: int
    last: int
    binds: frozenset[str]

    @property
    def is_definition(self) -> bool:
        """Functions, classes and constants; other statements are always run."""
        return bool(self.binds)


@dataclass(frozen=True, slots=True, kw_only=True)
class Use:
    """A reference of a piece, the expression it spans, and what that stands for."""

    reference: Reference
    expression: ast.expr
    target: Definition | External


def pieces_of(module: Module) -> list[Piece]:
    """The module's statements without its docstring, imports, `__all__` and `__main__` part."""
    found: list[Piece] = []
    previous_last = 0
    body = module.tree.body
    for place, statement in enumerate(body):
        last = last_line(statement)
        if not _is_left_out(statement, first=place == 0):
            if _is_string(statement) and found and found[-1].last == previous_last:
                found[-1] = _longer(found[-1], last)  # says what the constant above it means
            elif not _is_string(statement):
                found.append(_piece(module, statement, previous_last))
        previous_last = last
    return found


def _piece(module: Module, statement: ast.stmt, previous_last: int) -> Piece:
    first = first_line(statement)
    while first - 1 > previous_last and module.source.lines(first - 1, first - 1).startswith("#"):
        first -= 1
    last, binds = last_line(statement), frozenset(_bound(module, statement))
    return Piece(module=module.name, statement=statement, first=first, last=last, binds=binds)


def _longer(piece: Piece, last: int) -> Piece:
    return Piece(
        module=piece.module, statement=piece.statement, first=piece.first, last=last, binds=piece.binds
    )


def _is_string(statement: ast.stmt) -> bool:
    return isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)


def _is_left_out(statement: ast.stmt, *, first: bool) -> bool:
    if isinstance(statement, (ast.Import, ast.ImportFrom)) or is_type_checking(statement):
        return True
    if isinstance(statement, ast.If) and ast.unparse(statement.test) == "__name__ == '__main__'":
        return True
    targets = statement.targets if isinstance(statement, ast.Assign) else []
    return (first and _is_string(statement)) or any(ast.unparse(each) == "__all__" for each in targets)


def _bound(module: Module, statement: ast.stmt) -> Iterator[str]:
    """Names the statement binds or changes in the module: `TABLE["x"] = 1` belongs to TABLE."""
    if isinstance(statement, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
        yield statement.name
        return
    for node in ast.walk(statement):
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            yield from (bound_name(node, alias) for alias in node.names)
        elif isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            yield node.name
        elif isinstance(node, (ast.Name, ast.Subscript, ast.Attribute)) and not isinstance(
            node.ctx, ast.Load
        ):
            owner: ast.expr = node
            while isinstance(owner, (ast.Subscript, ast.Attribute)):
                owner = owner.value
            if isinstance(owner, ast.Name) and owner.id in module.scopes.module.bound:
                yield owner.id


class Definitions:
    """The pieces of all modules, what each of them uses, and which are needed."""

    def __init__(self, graph: ModuleGraph, modules: Iterable[str]) -> None:
        self._graph = graph
        self.pieces = {name: pieces_of(graph.module(name)) for name in modules}
        self._imports = {name: self._import_table(graph.module(name)) for name in self.pieces}
        self._references = {name: self._by_piece(name) for name in self.pieces}

    def _import_table(self, module: Module) -> dict[str, Target]:
        table: dict[str, Target] = {}
        for each in module.top_imports():
            for alias in each.statement.names:
                target = self._graph.target(module, each.statement, alias)
                table[bound_name(each.statement, alias)] = target
        return table

    def _by_piece(self, name: str) -> dict[Piece, list[Reference]]:
        module = self._graph.module(name)
        owner = {node: piece for piece in self.pieces[name] for node in ast.walk(piece.statement)}
        found: dict[Piece, list[Reference]] = {piece: [] for piece in self.pieces[name]}
        for reference in module.scopes.references:
            if reference.node in owner:
                found[owner[reference.node]].append(reference)
        return found

    def references(self, piece: Piece) -> list[Reference]:
        """Every name in the piece."""
        return self._references[piece.module][piece]

    def uses(self, piece: Piece) -> Iterator[Use]:
        """What the piece's names stand for outside the functions they are used in."""
        module = self._graph.module(piece.module)
        for reference in self.references(piece):
            if reference.in_annotation and not self._is_known(module, reference):
                continue
            target = self.target(module, reference)
            if target is None:
                continue
            expression, final = self._graph.resolved(module, reference.node, target)
            if not isinstance(final, (Definition, External)):
                continue
            yield Use(reference=reference, expression=expression, target=final)

    def _is_known(self, module: Module, reference: Reference) -> bool:
        target = self.target(module, reference)
        return not isinstance(target, External) or target.module != "__future__"

    def target(self, module: Module, reference: Reference) -> Target | None:
        """What a name stands for; None for locals and builtins."""
        name = reference.node.id
        scope = reference.scope.binder(name)
        if scope is None:
            return None
        if scope.is_module:
            return self._imports[module.name].get(name) or Definition(module=module.name, name=name)
        return self.local_import(module, scope.node, name)

    def local_import(self, module: Module, scope_node: ast.AST, name: str) -> Target | None:
        """The first-party target of an import that is the only binding of `name` in its function."""
        for each in module.scopes.imports:
            if each.scope.node is not scope_node or each.scope.bound[name] != 1 or each.scope.is_module:
                continue
            for alias in each.statement.names:
                if bound_name(each.statement, alias) == name:
                    target = self._graph.target(module, each.statement, alias)
                    return None if isinstance(target, External) else target
        return None

    def needed(self, entry: Definition) -> set[Piece]:
        """The pieces that run or may run from the entry function on."""
        by_name: dict[Definition, list[Piece]] = {}
        for module, pieces in self.pieces.items():
            for piece in pieces:
                for name in piece.binds:
                    by_name.setdefault(Definition(module=module, name=name), []).append(piece)
        kept: set[Piece] = set()
        waiting = list(by_name[entry])
        while waiting:
            piece = waiting.pop()
            if piece in kept:
                continue
            kept.add(piece)
            waiting += [each for each in self.pieces[piece.module] if not each.is_definition]
            for target in self._targets(piece):
                waiting += by_name.get(target, [])
        return kept

    def _targets(self, piece: Piece) -> Iterator[Definition]:
        for use in self.uses(piece):
            runs = not use.reference.in_annotation and not self._is_type_only(piece.module, use.reference)
            if isinstance(use.target, Definition) and runs:
                yield use.target
        yield from self.bound_imports(piece)

    def _is_type_only(self, name: str, reference: Reference) -> bool:
        """Whether the name is imported under `if TYPE_CHECKING:`; as modules, too, it would not be there."""
        module = self._graph.module(name)
        binder = reference.scope.binder(reference.node.id)
        return (
            binder is not None
            and binder.is_module
            and any(
                bound_name(statement, alias) == reference.node.id
                for statement in module.type_only
                if isinstance(statement, (ast.Import, ast.ImportFrom))
                for alias in statement.names
            )
        )

    def bound_imports(self, piece: Piece) -> Iterator[Definition]:
        """Targets of imports inside the piece that stay as assignments, because the name is bound twice."""
        module = self._graph.module(piece.module)
        inside = set(ast.walk(piece.statement))
        for each in module.scopes.imports:
            if each.statement not in inside:
                continue
            for alias in each.statement.names:
                target = self._graph.target(module, each.statement, alias)
                name = bound_name(each.statement, alias)
                alone = not each.scope.is_module and each.scope.bound[name] == 1
                if isinstance(target, Definition) and not alone:
                    yield target
