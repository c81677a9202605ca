"""The tests on the way to a place in a program: what must have been decided for it to be reached."""

from __future__ import annotations

import ast
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

_DEEPEST = 60  # functions upward through their only callers
_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)
_LOOPS = (ast.For, ast.AsyncFor, ast.While, ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)
_JUMPS = (ast.Return, ast.Raise, ast.Break, ast.Continue)
_EXITS = {"exit", "_exit", "quit"}
_WHOLE_PROGRAM = 5  # statements behind a branch that leaves the function

Branch = tuple[str, int, bool]  # file, line of the test, arm


@dataclass(slots=True)
class Enclosure:
    """Parents of all nodes, and the places where each function is called."""

    parents: dict[int, ast.AST] = field(default_factory=dict)
    files: dict[int, str] = field(default_factory=dict)  # by id of the module
    callers: dict[str, list[ast.Call]] = field(default_factory=dict)
    mentions: dict[str, int] = field(default_factory=dict)
    definitions: dict[str, int] = field(default_factory=dict)
    tests: dict[tuple[str, int], int] = field(default_factory=dict)  # how many `if` start on a line

    def file_of(self, node: ast.AST) -> str:
        """The file a node stands in."""
        while id(node) in self.parents:
            node = self.parents[id(node)]
        return self.files[id(node)]

    def function_of(self, node: ast.AST) -> int | None:
        """Identity of the innermost function around the node; None at module level."""
        at: ast.AST | None = self.parents.get(id(node))
        while at is not None:
            if isinstance(at, _FUNCTIONS):
                return id(at)
            at = self.parents.get(id(at))
        return None

    def only_call(self, function: ast.AST) -> ast.Call | None:
        """The single call of a function that is never passed around; None when there may be more."""
        if not isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef) or function.decorator_list:
            return None
        name = function.name
        calls = self.callers.get(name, [])
        if len(calls) == 1 and self.mentions.get(name) == 1 and self.definitions.get(name) == 1:
            return calls[0]
        return None

    def direct_arm(self, node: ast.AST) -> tuple[str, ast.If, bool, list[ast.stmt]] | None:
        """(file, test, arm, statements before) of a statement that stands right in an arm of an `if`."""
        statement = self.parents.get(id(node))
        if not isinstance(statement, ast.Expr):
            return None
        test = self.parents.get(id(statement))
        if not isinstance(test, ast.If):
            return None
        in_body = any(one is statement for one in test.body)
        block = test.body if in_body else test.orelse
        index = next((n for n, one in enumerate(block) if one is statement), 0)
        # An `else` that only holds another `if` is an `elif`; its own arms are asked for separately.
        return self.file_of(test), test, in_body, block[:index]


def outline(trees: Mapping[str, ast.Module]) -> Enclosure:
    """The enclosure of all files of a program."""
    enclosure = Enclosure()
    for file, tree in trees.items():
        enclosure.files[id(tree)] = file
        for node in ast.walk(tree):
            for child in ast.iter_child_nodes(node):
                # Contexts such as Load() are shared between nodes and have no place of their own.
                if not isinstance(
                    child, ast.expr_context | ast.operator | ast.cmpop | ast.boolop | ast.unaryop
                ):
                    enclosure.parents[id(child)] = node
            if isinstance(node, ast.If | ast.IfExp):
                enclosure.tests[file, node.lineno] = enclosure.tests.get((file, node.lineno), 0) + 1
            name = None
            if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load):
                name = node.id
            elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Load):
                name = node.attr
            elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                enclosure.definitions[node.name] = enclosure.definitions.get(node.name, 0) + 1
            if name is not None:
                enclosure.mentions[name] = enclosure.mentions.get(name, 0) + 1
            if isinstance(node, ast.Call):
                called = node.func
                if isinstance(called, ast.Name):
                    enclosure.callers.setdefault(called.id, []).append(node)
                elif isinstance(called, ast.Attribute):
                    enclosure.callers.setdefault(called.attr, []).append(node)
    return enclosure


def branches_to(node: ast.AST, enclosure: Enclosure) -> frozenset[Branch]:
    """Every (file, line, arm) that certainly held on the way to the node, through only callers upward.

    A branch counts when forcing it cannot hide code that also ran: in code that runs once, any; elsewhere
    only one without another arm and without jumps.
    """
    found: set[Branch] = set()
    place: ast.AST | None = node
    for _ in range(_DEEPEST):
        if place is None:
            break
        steps, function = _inside(place, enclosure)
        call = enclosure.only_call(function) if function is not None else None
        once = _runs_once(function, enclosure)
        looped = False
        collected: list[tuple[ast.If, bool, bool]] = []
        # From the inside out: a test outside of every loop is decided once per call.
        for parent, child in steps:
            if isinstance(parent, _LOOPS):
                collected = [(test, arm, True) for test, arm, _ in collected]
                looped = True
            elif isinstance(parent, ast.ExceptHandler):
                return frozenset(found)
            elif isinstance(parent, ast.If) and child is not parent.test:
                collected.append((parent, any(one is child for one in parent.body), False))
        file = enclosure.file_of(place)
        for test, arm, repeated in collected:
            if _may_force(test, arm, enclosure, once=once and not repeated):
                found.add((file, test.lineno, arm))
        if once and not looped:
            found |= {(file, line, False) for line in _passed_exits(steps)}
        place = call
        if function is None:
            break
    return frozenset(found)


def _inside(node: ast.AST, enclosure: Enclosure) -> tuple[list[tuple[ast.AST, ast.AST]], ast.AST | None]:
    """((parent, child) from the node up to its function, that function or None at module level)."""
    steps: list[tuple[ast.AST, ast.AST]] = []
    child = node
    while (parent := enclosure.parents.get(id(child))) is not None:
        if isinstance(parent, _FUNCTIONS):
            steps.append((parent, child))
            return steps, parent
        steps.append((parent, child))
        child = parent
    return steps, None


def _runs_once(function: ast.AST | None, enclosure: Enclosure) -> bool:
    """True for code that runs at most once per process: its only call, and so on, stands in no loop."""
    for _ in range(_DEEPEST):
        if function is None:
            return True
        call = enclosure.only_call(function)
        if call is None:
            return False
        steps, function = _inside(call, enclosure)
        if any(isinstance(parent, _LOOPS) for parent, _ in steps):
            return False
    return False


def _may_force(test: ast.If, arm: bool, enclosure: Enclosure, *, once: bool) -> bool:
    """Whether taking this arm for certain hides nothing that may have run, too."""
    taken, other = (test.body, test.orelse) if arm else (test.orelse, test.body)
    if not once:
        return not other and not any(jumps(statement) for statement in taken)
    # A branch that ends the function hides all that follows; a line that both ways of running print
    # (a script with a separate evaluation) must not hide the training.
    if taken and leaves(taken[-1]) and _statements_after(test, enclosure) >= _WHOLE_PROGRAM:
        return False
    at_module_level = enclosure.function_of(test) is None
    return not (at_module_level and other)


def _statements_after(test: ast.If, enclosure: Enclosure) -> int:
    parent = enclosure.parents.get(id(test))
    for name in ("body", "orelse", "finalbody"):
        block = getattr(parent, name, None)
        if isinstance(block, list):
            for index, one in enumerate(block):
                if one is test:
                    return len(block) - index - 1
    return 0


def _passed_exits(steps: list[tuple[ast.AST, ast.AST]]) -> list[int]:
    """Lines of `if ...: return` before the node: it was reached, so they were not taken."""
    lines = []
    for parent, child in steps:
        for name in ("body", "orelse", "finalbody"):
            block = getattr(parent, name, None)
            if not isinstance(block, list) or not any(one is child for one in block):
                continue
            for one in block:
                if one is child:
                    break
                if isinstance(one, ast.If) and not one.orelse and leaves(one.body[-1]):
                    lines.append(one.lineno)
    return lines


def leaves(statement: ast.stmt) -> bool:
    """True for a statement that ends the function: return, raise, exit()."""
    if isinstance(statement, ast.Return | ast.Raise):
        return True
    if isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Call):
        called = statement.value.func
        name = called.attr if isinstance(called, ast.Attribute) else getattr(called, "id", "")
        return name in _EXITS
    return False


def jumps(statement: ast.stmt) -> bool:
    """True when the statement may leave the block it stands in (functions inside it aside)."""
    pending: list[ast.AST] = [statement]
    while pending:
        node = pending.pop()
        if isinstance(node, _JUMPS) or (isinstance(node, ast.stmt) and leaves(node)):
            return True
        if not isinstance(node, (*_FUNCTIONS, ast.ClassDef)):
            pending += ast.iter_child_nodes(node)
    return False
