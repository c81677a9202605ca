"""First-party modules as syntax trees: where they lie, what they import, what a name in them stands for."""

from __future__ import annotations

import ast
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

from reference_model.pack.scopes import ScopeReader, bound_name
from reference_model.pack.source_edits import PackError, SourceText

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from reference_model.pack.scopes import ImportedHere


@dataclass(frozen=True, slots=True, kw_only=True)
class ModuleTarget:
    """A name stands for a first-party module."""

    module: str


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Definition:
    """A name that a first-party module defines at its top level."""

    module: str
    name: str


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class External:
    """Something imported from elsewhere: `import module` (then `name` is "") or `from module import name`."""

    module: str
    name: str
    type_only: bool = False

    @property
    def bound_object(self) -> External:
        """The same import wherever its statement stands."""
        return replace(self, type_only=False)


Target = ModuleTarget | Definition | External


class Module:
    """One file: text, tree and scopes."""

    def __init__(self, name: str, text: str, *, is_package: bool) -> None:
        self.name = name
        self.is_package = is_package
        self.text = text
        try:
            self.tree = ast.parse(text)
        except SyntaxError as error:
            raise PackError(f"{name} line {error.lineno} is not Python: {error.msg}; mend it first") from None

    @cached_property
    def source(self) -> SourceText:
        """The text by bytes and lines."""
        return SourceText(self.text)

    @cached_property
    def nodes(self) -> list[ast.AST]:
        """Every node of the tree, those nearer to the top first."""
        return list(ast.walk(self.tree))

    @cached_property
    def scopes(self) -> ScopeReader:
        """Bindings of every name."""
        return ScopeReader(self.tree)

    @cached_property
    def parents(self) -> dict[ast.AST, ast.AST]:
        """The node around each node."""
        return {child: node for node in self.nodes for child in ast.iter_child_nodes(node)}

    @cached_property
    def type_only(self) -> set[ast.AST]:
        """The import statements under `if TYPE_CHECKING:`."""
        return {
            inner
            for node in self.tree.body
            if is_type_checking(node)
            for inner in ast.walk(node)
            if isinstance(inner, (ast.Import, ast.ImportFrom))
        }

    def top_imports(self) -> Iterator[ImportedHere]:
        """Imports that stand directly at the top level or under `if TYPE_CHECKING:`."""
        direct = {id(node) for node in self.tree.body} | {id(node) for node in self.type_only}
        return (each for each in self.scopes.imports if id(each.statement) in direct)


def is_type_checking(node: ast.stmt) -> bool:
    """Whether a statement is `if TYPE_CHECKING:`."""
    return isinstance(node, ast.If) and ast.unparse(node.test) in {"TYPE_CHECKING", "typing.TYPE_CHECKING"}


class ModuleGraph:
    """The first-party modules under `root`; `texts` stand in for the files of the same module."""

    def __init__(self, root: Path, first_party: tuple[str, ...], texts: Mapping[str, str]) -> None:
        self._root = root
        self._first_party = first_party
        self._texts = dict(texts)
        self._modules: dict[str, Module] = {}

    def is_first_party(self, module: str) -> bool:
        """Whether the module is bundled; others are imported by the packed script."""
        return module.partition(".")[0] in self._first_party

    def exists(self, module: str) -> bool:
        """Whether there is such a first-party module."""
        return self.is_first_party(module) and (module in self._texts or self._file(module) is not None)

    def _file(self, module: str) -> Path | None:
        path = self._root.joinpath(*module.split("."))
        candidates = (path / "__init__.py", path.with_suffix(".py"))
        return next((each for each in candidates if each.is_file()), None)

    def module(self, name: str) -> Module:
        """The parsed module; raises PackError when there is none."""
        if name not in self._modules:
            path = self._file(name)
            text = self._texts.get(name)
            if text is None and path is not None:
                text = path.read_text(encoding="utf-8")
            if text is None and self._root.joinpath(*name.split(".")).is_dir():
                text = ""  # a folder without __init__.py
            if text is None:
                raise PackError(f"there is no module {name} under {self._root}; check the import")
            is_package = path is None or path.name == "__init__.py"
            self._modules[name] = Module(name, text, is_package=is_package)
        return self._modules[name]

    def with_texts(self, texts: Mapping[str, str]) -> ModuleGraph:
        """The graph with other texts for some modules."""
        return ModuleGraph(self._root, self._first_party, {**self._texts, **texts})

    def imported_module(self, importer: Module, statement: ast.ImportFrom) -> str:
        """The absolute name of the module behind `from ... import`."""
        if not statement.level:
            return statement.module or ""
        parts = importer.name.split(".")
        base = parts[: len(parts) - statement.level + int(importer.is_package)]
        return ".".join([*base, *([statement.module] if statement.module else [])])

    def target(self, importer: Module, statement: ast.Import | ast.ImportFrom, alias: ast.alias) -> Target:
        """What one name of an import statement stands for; raises PackError for `import *`."""
        type_only = statement in importer.type_only
        if isinstance(statement, ast.Import):
            module = alias.name if alias.asname else alias.name.partition(".")[0]
            if self.is_first_party(module):
                return ModuleTarget(module=module)
            return External(module=module, name="", type_only=type_only)
        module = self.imported_module(importer, statement)
        if not self.is_first_party(module):
            return External(module=module, name=alias.name, type_only=type_only)
        if alias.name == "*":
            raise PackError(f"{importer.name} line {statement.lineno}: import the names of {module}, not *")
        return self.member(module, alias.name, f"{importer.name} line {statement.lineno}")

    def member(self, module: str, name: str, where: str) -> Target:
        """What `module.name` stands for, re-exports followed."""
        found = self.module(module)
        for each in found.top_imports():
            for alias in each.statement.names:
                if bound_name(each.statement, alias) == name:
                    return self.target(found, each.statement, alias)
        if name in found.scopes.module.bound:
            return Definition(module=module, name=name)
        if self.exists(f"{module}.{name}"):
            return ModuleTarget(module=f"{module}.{name}")
        raise PackError(f"{where}: {module} defines no {name!r}")

    def resolved(self, module: Module, node: ast.Name, target: Target) -> tuple[ast.expr, Target]:
        """A module's name followed through its attributes: the expression and what it stands for."""
        at: ast.expr = node
        while isinstance(target, ModuleTarget):
            parent = module.parents[at]
            where = f"{module.name} line {node.lineno}"
            if not (isinstance(parent, ast.Attribute) and parent.value is at):
                raise PackError(
                    f"{where}: module {target.module} is used as a value; one script has no modules: "
                    "import the names you need from it"
                )
            at, target = parent, self.member(target.module, parent.attr, where)
        return at, target

    def imported_by(self, name: str) -> Iterator[tuple[str, bool]]:
        """First-party modules that the module imports, and whether it does so as soon as it is imported."""
        module = self.module(name)
        for each in module.scopes.imports:
            at_start = each.scope.is_module or each.scope.is_class
            statement = each.statement
            if statement in module.type_only:
                continue
            for alias in statement.names:
                if isinstance(statement, ast.Import):
                    if self.is_first_party(alias.name):
                        yield alias.name, at_start
                    continue
                target = self.target(module, statement, alias)
                if not isinstance(target, External):
                    yield target.module, at_start

    def reachable(self, entry: str) -> list[str]:
        """Modules the entry module needs, imported ones first; raises PackError for imports in a circle."""
        order: list[str] = []
        state: dict[str, bool] = {}
        waiting = [entry]

        def place(name: str, trail: tuple[str, ...]) -> None:
            if state.get(name):
                return
            if name in state:
                circle = " -> ".join([*trail[trail.index(name) :], name])
                raise PackError(f"modules import each other: {circle}; import inside a function instead")
            state[name] = False
            later = []
            for imported, at_start in self.imported_by(name):
                if at_start:
                    place(imported, (*trail, name))
                else:
                    later.append(imported)
            state[name] = True
            order.append(name)
            waiting.extend(later)

        while waiting:
            place(waiting.pop(0), ())
        return order
