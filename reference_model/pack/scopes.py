"""Which scope every name of a module is bound in, by Python's rules (functions, classes, comprehensions)."""

from __future__ import annotations

import ast
from collections import Counter
from dataclasses import dataclass, field

FunctionNode = ast.FunctionDef | ast.AsyncFunctionDef
_COMPREHENSIONS = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)


@dataclass(slots=True, eq=False)
class Scope:
    """A module, class, function or comprehension, and how often each name is bound in it."""

    node: ast.AST
    parent: Scope | None
    bound: Counter[str] = field(default_factory=Counter)
    passed_on: dict[str, Scope] = field(default_factory=dict)  # `global` and `nonlocal`

    @property
    def is_class(self) -> bool:
        """Names of a class body are not seen from the functions in it."""
        return isinstance(self.node, ast.ClassDef)

    @property
    def is_module(self) -> bool:
        """The outermost scope."""
        return self.parent is None

    def binder(self, name: str) -> Scope | None:
        """The scope that `name` belongs to when read here; None for a builtin."""
        scope: Scope | None = self
        while scope is not None:
            if name in scope.passed_on:
                return scope.passed_on[name]
            if name in scope.bound and (scope is self or not scope.is_class):
                return scope
            scope = scope.parent
        return None

    def enclosing(self) -> list[Scope]:
        """This scope and those around it, the module's last."""
        return [self] if self.parent is None else [self, *self.parent.enclosing()]


@dataclass(frozen=True, slots=True, kw_only=True)
class Reference:
    """A name read or bound; `in_annotation` where it is not evaluated when the program runs."""

    node: ast.Name
    scope: Scope
    in_annotation: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportedHere:
    """An import statement and the scope it binds in."""

    statement: ast.Import | ast.ImportFrom
    scope: Scope


class ScopeReader(ast.NodeVisitor):
    """Reads a module once; `references`, `imports` and `scope_of` are filled afterwards."""

    def __init__(self, tree: ast.Module) -> None:
        self.module = Scope(tree, None)
        self.references: list[Reference] = []
        self.imports: list[ImportedHere] = []
        self.global_statements: list[ast.Global] = []
        self.scope_of: dict[ast.AST, Scope] = {tree: self.module}
        self._scope = self.module
        self._in_annotation = False
        self.generic_visit(tree)

    def _within(self, node: ast.AST, parts: list[ast.AST]) -> None:
        outer, self._scope = self._scope, self.scope_of[node]
        for part in parts:
            self.visit(part)
        self._scope = outer

    def _open(self, node: ast.AST) -> Scope:
        self.scope_of[node] = Scope(node, self._scope)
        return self.scope_of[node]

    def _annotation(self, node: ast.AST | None, *, evaluated: bool = False) -> None:
        if node is not None:
            outer, self._in_annotation = self._in_annotation, not evaluated
            self.visit(node)
            self._in_annotation = outer

    def _visit_function(self, node: FunctionNode) -> None:
        self._scope.bound[node.name] += 1
        for decorator in node.decorator_list:
            self.visit(decorator)
        self._annotation(node.returns)
        self._arguments(node, node.args)
        self._within(node, [*node.body])

    visit_FunctionDef = visit_AsyncFunctionDef = _visit_function  # noqa: N815 - names given by ast

    def visit_Lambda(self, node: ast.Lambda) -> None:
        """A function of one expression."""
        self._arguments(node, node.args)
        self._within(node, [node.body])

    def _arguments(self, node: ast.AST, args: ast.arguments) -> None:
        scope = self._open(node)
        for default in [*args.defaults, *(each for each in args.kw_defaults if each is not None)]:
            self.visit(default)
        rest = [each for each in (args.vararg, args.kwarg) if each is not None]
        for arg in [*args.posonlyargs, *args.args, *args.kwonlyargs, *rest]:
            scope.bound[arg.arg] += 1
            self._annotation(arg.annotation)
        for parameter in getattr(node, "type_params", []):
            scope.bound[parameter.name] += 1

    def visit_ClassDef(self, node: ast.ClassDef) -> None:
        """A class: bases outside, body inside."""
        self._scope.bound[node.name] += 1
        for part in [*node.decorator_list, *node.bases, *node.keywords]:
            self.visit(part)
        scope = self._open(node)
        for parameter in getattr(node, "type_params", []):
            scope.bound[parameter.name] += 1
        self._within(node, [*node.body])

    def visit_AnnAssign(self, node: ast.AnnAssign) -> None:
        """Fields of decorated classes may be asked for their types (dataclasses, get_type_hints)."""
        self.visit(node.target)
        owner = self._scope.node
        self._annotation(
            node.annotation, evaluated=isinstance(owner, ast.ClassDef) and bool(owner.decorator_list)
        )
        if node.value is not None:
            self.visit(node.value)

    def visit(self, node: ast.AST) -> None:
        """Comprehensions open a scope; everything else goes to its own method."""
        if not isinstance(node, _COMPREHENSIONS):
            super().visit(node)
            return
        self._open(node)
        self.visit(node.generators[0].iter)
        parts: list[ast.AST] = [node.key, node.value] if isinstance(node, ast.DictComp) else [node.elt]
        for number, generator in enumerate(node.generators):
            parts += [generator.target, *generator.ifs, *([generator.iter] if number else [])]
        self._within(node, parts)

    def visit_NamedExpr(self, node: ast.NamedExpr) -> None:
        """`:=` binds outside the comprehension it stands in."""
        self.visit(node.value)
        outer = self._scope
        while isinstance(self._scope.node, _COMPREHENSIONS) and self._scope.parent is not None:
            self._scope = self._scope.parent
        self.visit(node.target)
        self._scope = outer

    def visit_Name(self, node: ast.Name) -> None:
        """A use or a binding."""
        if not isinstance(node.ctx, ast.Load):
            self._scope.bound[node.id] += 1
        reference = Reference(node=node, scope=self._scope, in_annotation=self._in_annotation)
        self.references.append(reference)

    def visit_Global(self, node: ast.Global) -> None:
        """Names handed to the module."""
        self.global_statements.append(node)
        for name in node.names:
            self._scope.passed_on[name] = self.module

    def visit_Nonlocal(self, node: ast.Nonlocal) -> None:
        """Names handed to the function around."""
        for name in node.names:
            binder = self._scope.parent.binder(name) if self._scope.parent is not None else None
            if binder is not None:
                self._scope.passed_on[name] = binder

    def _visit_import(self, node: ast.Import | ast.ImportFrom) -> None:
        self.imports.append(ImportedHere(statement=node, scope=self._scope))
        for alias in node.names:
            self._scope.bound[bound_name(node, alias)] += 1

    visit_Import = visit_ImportFrom = _visit_import  # noqa: N815 - names given by ast

    def visit_ExceptHandler(self, node: ast.ExceptHandler) -> None:
        """`except X as name`."""
        if node.name:
            self._scope.bound[node.name] += 1
        self.generic_visit(node)

    def _visit_capture(self, node: ast.MatchAs | ast.MatchStar) -> None:
        if node.name:
            self._scope.bound[node.name] += 1
        self.generic_visit(node)

    visit_MatchAs = visit_MatchStar = _visit_capture  # noqa: N815 - names given by ast


def bound_name(statement: ast.Import | ast.ImportFrom, alias: ast.alias) -> str:
    """The name that an import binds: `import a.b` binds `a`."""
    if alias.asname:
        return alias.asname
    return alias.name.partition(".")[0] if isinstance(statement, ast.Import) else alias.name
