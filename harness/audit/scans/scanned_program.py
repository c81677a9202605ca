"""The sources of a submission as the scans see them: functions, what the entry script reaches, settings."""

from __future__ import annotations

import ast
from collections import deque
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING, Any

from harness.audit.syntax_walk import children, nodes_below

if TYPE_CHECKING:
    from collections.abc import Iterator

    from harness.audit.program import Program

FunctionNode = ast.FunctionDef | ast.AsyncFunctionDef
NODES_AT_MOST = 1_200_000  # over all files; the largest submission has about 300,000
FACTS_AT_MOST = 40  # of one kind: a person reads a handful


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
    """One program with the indexes that several scans share."""

    program: Program
    trees: dict[str, ast.Module] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Parse what fits the bound, the entry script first."""
        left = NODES_AT_MOST
        for path in sorted(self.program.sources, key=lambda one: (one != self.program.entry, one)):
            if not path.endswith(".py") and path != self.program.entry:
                continue
            tree = self.program.tree(path)
            left -= 0 if tree is None else sum(1 for _ in nodes_below(tree))
            if tree is not None and left >= 0:
                self.trees[path] = tree

    @property
    def entry(self) -> str:
        """The script that runs."""
        return self.program.entry


class ProgramIndex:
    """Functions by name, and the set of functions that running the entry script can reach.

    Reaching is by name and errs on the side of reaching: every function whose name is read anywhere in
    reached code counts, and all special methods and `forward` of a class that is named.
    """

    def __init__(self, scanned: ScannedProgram) -> None:
        self.entry = scanned.entry
        self.trees = scanned.trees
        self.sources = scanned.program.sources
        self.find_module = scanned.program.find_module
        self.memo: dict[str, Any] = {}  # what several scans derive from the program, computed once
        self._aliases: dict[str, dict[str, str]] = {}
        self.functions: list[Function] = []
        self.by_node: dict[int, Function] = {}
        self.outer: dict[int, FunctionNode | ast.Module] = {}  # the scope a function is defined in
        self.file_of: dict[int, str] = {id(tree): path for path, tree in self.trees.items()}
        for path, tree in self.trees.items():
            self._collect(path, tree)
        self.by_name: dict[str, list[Function]] = {}
        self.by_owner: dict[str, list[Function]] = {}
        for function in self.functions:
            self.by_name.setdefault(function.name, []).append(function)
            if function.owner:
                self.by_owner.setdefault(function.owner, []).append(function)

    def aliases(self, path: str) -> dict[str, str]:
        """What names of a file mean outside it."""
        if path not in self._aliases:
            self._aliases[path] = import_aliases(self.trees[path])
        return self._aliases[path]

    def _collect(self, path: str, tree: ast.Module) -> None:
        queue: deque[tuple[ast.AST, str, FunctionNode | ast.Module]] = deque([(tree, "", tree)])
        while queue:
            node, owner, scope = queue.popleft()
            for child in children(node):
                if isinstance(child, FunctionNode):
                    function = Function(file=path, node=child, owner=owner)
                    self.functions.append(function)
                    self.by_node[id(child)] = function
                    self.outer[id(child)] = scope
                    self.file_of[id(child)] = path
                    queue.append((child, "", child))
                elif isinstance(child, ast.ClassDef):
                    queue.append((child, child.name, scope))
                else:
                    queue.append((child, owner, scope))

    @cached_property
    def reached(self) -> list[tuple[str, FunctionNode | ast.Module]]:
        """Modules and functions that running the entry script can reach, the entry's own code first."""
        found: list[tuple[str, FunctionNode | ast.Module]] = []
        seen: set[int] = set()
        names: set[str] = set()
        queue: deque[tuple[str, FunctionNode | ast.Module]] = deque()

        def reach(path: str, node: FunctionNode | ast.Module) -> None:
            if id(node) not in seen:
                seen.add(id(node))
                queue.append((path, node))

        if self.entry in self.trees:
            reach(self.entry, self.trees[self.entry])
        while queue:
            path, scope = queue.popleft()
            found.append((path, scope))
            for node in own_nodes(scope, is_main=path == self.entry):
                for module in self._imported(path, node):
                    reach(module, self.trees[module])
                name = _read_name(node)
                if name is None or name in names:
                    continue
                names.add(name)
                for function in self.by_name.get(name, ()):
                    reach(function.file, function.node)
                for method in self.by_owner.get(name, ()):
                    if method.name == "forward" or method.name.startswith("__"):
                        reach(method.file, method.node)
        return found

    def _imported(self, path: str, node: ast.AST) -> Iterator[str]:
        names: list[tuple[str, int]] = []
        if isinstance(node, ast.Import):
            names = [(alias.name, 0) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            names = [(base, node.level)]
            names += [(f"{base}.{alias.name}".lstrip("."), node.level) for alias in node.names]
        for name, level in names[:64]:
            module = self.find_module(name, path, level) if name or level else None
            if module is not None and module in self.trees:
                yield module

    def scopes(self) -> Iterator[tuple[str, FunctionNode | ast.Module]]:
        """Every module and function, reached or not."""
        yield from self.trees.items()
        for function in self.functions:
            yield function.file, function.node


def _read_name(node: ast.AST) -> str | None:
    if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load):
        return node.id
    return node.attr if isinstance(node, ast.Attribute) else None


def own_nodes(scope: FunctionNode | ast.Module, *, is_main: bool = True) -> tuple[ast.AST, ...]:
    """The nodes of a module or function without those of functions defined in it, in source order.

    Class bodies belong to their scope, methods do not. Without `is_main` the block that runs only in a main
    script is left out.
    """
    return _own_nodes(scope, is_main)


def forget_own_nodes() -> None:
    """Let go of the trees scanned so far."""
    _own_nodes.cache_clear()


@lru_cache(maxsize=20_000)  # every scan asks for the same scopes
def _own_nodes(scope: FunctionNode | ast.Module, is_main: bool) -> tuple[ast.AST, ...]:
    found: list[ast.AST] = []
    stack: list[ast.AST] = list(reversed(scope.body))
    if isinstance(scope, FunctionNode):
        stack.extend(reversed([*scope.args.defaults, *(d for d in scope.args.kw_defaults if d is not None)]))
    while stack:
        node = stack.pop()
        if not is_main and is_main_guard(node):
            continue
        found.append(node)
        if isinstance(node, FunctionNode):
            stack.extend(reversed(node.decorator_list))
        elif node._fields:
            stack.extend(reversed(children(node)))
    return tuple(found)


def is_main_guard(node: ast.AST) -> bool:
    """Whether this is `if __name__ == "__main__":`."""
    return (
        isinstance(node, ast.If)
        and isinstance(node.test, ast.Compare)
        and isinstance(node.test.left, ast.Name)
        and node.test.left.id == "__name__"
    )


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


def import_aliases(tree: ast.Module) -> dict[str, str]:
    """What names of a file mean outside it: `F` is torch.nn.functional."""
    aliases: dict[str, str] = {}
    for node in nodes_below(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                if alias.asname:
                    aliases[alias.asname] = alias.name
                else:
                    first = alias.name.partition(".")[0]
                    aliases[first] = first
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
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
        for child in ast.walk(node)
        if isinstance(child, ast.Constant) and isinstance(child.value, str)
    ]
    return " ".join(texts)[:limit]
