"""The sources of a submission as the scans see them: functions, what the entry script reaches, settings."""

from __future__ import annotations

import ast
from collections import deque
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeVar

from harness.audit.scans.scope_nodes import FunctionNode, Scope, ScopeNodes
from harness.audit.syntax_walk import nodes_below

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from harness.audit.program import Program

NODES_AT_MOST = 1_200_000  # over all files; the largest submission has about 300,000
FACTS_AT_MOST = 40  # of one kind: a person reads a handful
_BODIES = ("body", "handlers", "orelse", "finalbody", "cases")  # fields that hold statements, in source order
_BLOCKS = ast.If | ast.For | ast.AsyncFor | ast.While | ast.With | ast.AsyncWith | ast.Try | ast.TryStar
_PARTS = ast.Match | ast.ExceptHandler | ast.match_case
_Derived = TypeVar("_Derived")


@dataclass(frozen=True, slots=True, kw_only=True)
class Function:
    """A function or method of the program. `owner` is the name of its class, "" outside classes."""

    file: str
    node: FunctionNode
    owner: str = ""

    @property
    def name(self) -> str:
        """Its own name."""
        return self.node.name

    @property
    def parameters(self) -> list[str]:
        """Names in order, `self` included, keyword-only ones last."""
        arguments = self.node.args
        return [one.arg for one in (*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs)]


@dataclass(slots=True)
class ScannedProgram:
    """The trees of a program that are scanned."""

    program: Program
    trees: dict[str, ast.Module] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Parse what fits the bound, the entry script first."""
        for path in sorted(self.program.sources, key=lambda one: (one != self.program.entry, one)):
            if not path.endswith(".py") and path != self.program.entry:
                continue
            tree = self.program.tree(path)
            if tree is None:
                continue
            if not self.program.is_listed(path, NODES_AT_MOST):
                break
            self.trees[path] = tree


class ProgramIndex:
    """Functions by name, and the set of functions that running the entry script can reach.

    Reaching is by name and errs on the side of reaching: every function whose name is read anywhere in
    reached code counts, and all special methods and `forward` of a class that is named.
    """

    def __init__(self, scanned: ScannedProgram) -> None:
        self.entry = scanned.program.entry
        self.trees = scanned.trees
        self.sources = scanned.program.sources
        self.find_module = scanned.program.find_module
        self.order = scanned.program.order
        self.own = ScopeNodes(self.order)
        self._memo: dict[str, Any] = {}
        self._imports: dict[str, list[ast.Import | ast.ImportFrom]] = {path: [] for path in self.trees}
        self._aliases: dict[str, dict[str, str]] = {}
        self.functions: list[Function] = []
        self.by_node: dict[int, Function] = {}
        self.outer: dict[int, Scope] = {}  # the scope a function is defined in
        self.file_of: dict[int, str] = {id(tree): path for path, tree in self.trees.items()}
        for path, tree in self.trees.items():
            self._collect(path, tree)
        self.by_name: dict[str, list[Function]] = {}
        self.by_owner: dict[str, list[Function]] = {}
        for function in self.functions:
            self.by_name.setdefault(function.name, []).append(function)
            if function.owner:
                self.by_owner.setdefault(function.owner, []).append(function)

    def once(self, name: str, derive: Callable[[], _Derived]) -> _Derived:
        """What several scans derive from the program, computed by the first that asks."""
        if name not in self._memo:
            self._memo[name] = derive()
        found: _Derived = self._memo[name]
        return found

    def aliases(self, path: str) -> dict[str, str]:
        """What names of a file mean outside it: `F` is torch.nn.functional."""
        if path not in self._aliases:
            self._aliases[path] = _import_aliases(self._imports[path])
        return self._aliases[path]

    def _collect(self, path: str, tree: ast.Module) -> None:
        """Functions and imports of a file, level by level."""
        queue: deque[tuple[ast.AST, str, Scope]] = deque([(tree, "", tree)])
        while queue:
            node, owner, scope = queue.popleft()
            for field_name in _BODIES:
                for child in getattr(node, field_name, ()):
                    if isinstance(child, FunctionNode):
                        function = Function(file=path, node=child, owner=owner)
                        self.functions.append(function)
                        self.by_node[id(child)] = function
                        self.outer[id(child)] = scope
                        self.file_of[id(child)] = path
                        queue.append((child, "", child))
                    elif isinstance(child, ast.ClassDef):
                        queue.append((child, child.name, scope))
                    elif isinstance(child, ast.Import | ast.ImportFrom):
                        self._imports[path].append(child)
                    elif isinstance(child, _BLOCKS | _PARTS):
                        queue.append((child, owner, scope))

    @cached_property
    def reached(self) -> list[tuple[str, Scope]]:
        """Modules and functions that running the entry script can reach, the entry's own code first."""
        found: list[tuple[str, Scope]] = []
        seen: set[int] = set()
        names: set[str] = set()
        queue: deque[tuple[str, Scope]] = deque()

        def reach(path: str, node: Scope) -> None:
            if id(node) not in seen:
                seen.add(id(node))
                queue.append((path, node))

        if self.entry in self.trees:
            reach(self.entry, self.trees[self.entry])
        kinds = (ast.Name, ast.Attribute, ast.Import, ast.ImportFrom)
        while queue:
            path, scope = queue.popleft()
            found.append((path, scope))
            for node in self.own.of(scope, *kinds, is_main=path == self.entry):
                if isinstance(node, ast.Name):
                    name = node.id
                    if not isinstance(node.ctx, ast.Load):
                        continue
                elif isinstance(node, ast.Attribute):
                    name = node.attr
                else:
                    for module in self._imported(path, node):
                        reach(module, self.trees[module])
                    continue
                if name in names:
                    continue
                names.add(name)
                for function in self.by_name.get(name, ()):
                    reach(function.file, function.node)
                for method in self.by_owner.get(name, ()):
                    if method.name == "forward" or method.name.startswith("__"):
                        reach(method.file, method.node)
        return found

    def _imported(self, path: str, node: ast.Import | ast.ImportFrom) -> Iterator[str]:
        if isinstance(node, ast.Import):
            names = [(alias.name, 0) for alias in node.names]
        else:
            base = node.module or ""
            names = [(base, node.level)]
            names += [(f"{base}.{alias.name}".lstrip("."), node.level) for alias in node.names]
        for name, level in names[:64]:
            module = self.find_module(name, path, level) if name or level else None
            if module is not None and module in self.trees:
                yield module

    def scopes(self) -> Iterator[tuple[str, Scope]]:
        """Every module and function, reached or not."""
        yield from self.trees.items()
        for function in self.functions:
            yield function.file, function.node

    @cached_property
    def _calls(self) -> dict[str, list[tuple[Scope, ast.Call]]]:
        calls: dict[str, list[tuple[Scope, ast.Call]]] = {}
        for _, scope in self.reached:
            for name, nodes in self.own.called(scope).items():
                calls.setdefault(name, []).extend((scope, node) for node in nodes)
        return calls

    def calls_of(self, name: str) -> list[tuple[Scope, ast.Call]]:
        """Reached calls by the last part of what they call, with the scope they stand in."""
        return self._calls.get(name, [])


def dotted(node: ast.AST) -> str:
    """`a.b.c` of an attribute chain, "" for anything else; a call or subscript inside ends as "?"."""
    parts: list[str] = []
    for _ in range(12):
        if isinstance(node, ast.Attribute):
            parts.append(node.attr)
            node = node.value
        elif isinstance(node, ast.Name):
            parts.append(node.id)
            break
        else:
            parts.append("?")
            break
    return ".".join(reversed(parts)) if parts != ["?"] else ""


def _import_aliases(imports: list[ast.Import | ast.ImportFrom]) -> dict[str, str]:
    aliases: dict[str, str] = {}
    for node in imports:
        if isinstance(node, ast.Import):
            for alias in node.names:
                if alias.asname:
                    aliases[alias.asname] = alias.name
                else:
                    first = alias.name.partition(".")[0]
                    aliases[first] = first
        elif node.module and not node.level:
            for alias in node.names:
                aliases[alias.asname or alias.name] = f"{node.module}.{alias.name}"
    return aliases


def full_name(node: ast.AST, aliases: dict[str, str]) -> str:
    """The dotted name with imports written out: `F.cross_entropy` is `torch.nn.functional.cross_entropy`."""
    name = dotted(node)
    first, dot, rest = name.partition(".")
    return f"{aliases[first]}{dot}{rest}" if first in aliases else name


def constant_text(node: ast.AST, limit: int = 20_000) -> str:
    """All string constants inside an expression, joined by spaces."""
    texts = [
        child.value
        for child in nodes_below(node)
        if isinstance(child, ast.Constant) and isinstance(child.value, str)
    ]
    return " ".join(texts)[:limit]
