"""Which functions of a script may learn, by the names they call: for code that runs at a time not seen.

A function may learn when it takes a gradient or a step, writes something in place, runs text as code, or
calls something of a name under which the script has such a function. That says too much, never too little.
"""

from __future__ import annotations

import ast
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from harness.audit.syntax_walk import children

if TYPE_CHECKING:
    from collections.abc import Iterable

    from harness.audit.interpreter.machine import Machine

NODES_AT_MOST = 400_000
_LEARNING = frozenset({"backward", "step", "grad", "load_state_dict", "exec", "eval", "setattr"})
_WRITTEN = frozenset({"data", "grad"})
_FUNCTIONS = ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda


@dataclass(slots=True)
class _Body:
    """What the functions of one name do."""

    learns: bool = False
    calls: set[str] = field(default_factory=set)
    given: bool = False  # calls a parameter, or an attribute that holds what it was given


@dataclass(slots=True)
class _Names:
    """By name: functions and methods of one name are one."""

    bodies: dict[str, _Body] = field(default_factory=dict)
    values: set[str] = field(default_factory=set)  # names that occur where nothing is called
    holders: set[str] = field(default_factory=set)  # attributes and names that were given a plain name
    nameless: _Body = field(default_factory=_Body)  # all lambdas


@dataclass(frozen=True, slots=True)
class _Kept:
    """What is kept for later walks of the same program."""

    files: tuple[str, ...]
    names: _Names
    learning: set[str]


def may_learn(machine: Machine, node: ast.AST) -> bool:
    """Whether running this code may learn something."""
    names, learning = _names_of(machine)
    body = _Body()
    _look(node, body, _Names(), (node,) if isinstance(node, _FUNCTIONS) else ())
    return _is_learning(body, learning, names)


def _is_learning(body: _Body, learning: set[str], names: _Names) -> bool:
    if body.learns or body.calls & learning:
        return True
    escapes = bool(names.values & learning) or names.nameless.learns or bool(names.nameless.calls & learning)
    return escapes and (body.given or bool(body.calls & names.holders))


def _names_of(machine: Machine) -> tuple[_Names, set[str]]:
    """What is called in the modules loaded so far, and the names of functions that may learn."""
    files = tuple(sorted(machine.modules))
    kept = machine.program.kept.get("names called")
    if isinstance(kept, _Kept) and kept.files == files:
        return kept.names, kept.learning
    names = _Names()
    for path in files:
        tree = machine.program.tree(path)
        if tree is not None:
            _look(tree, None, names, ())
    learning = _learning(names)
    machine.program.kept["names called"] = _Kept(files, names, learning)
    return names, learning


def _learning(names: _Names) -> set[str]:
    """The names of functions that may learn, by what they call in turn."""
    found = {name for name, body in names.bodies.items() if body.learns}
    for _ in range(len(names.bodies)):
        more = {
            name
            for name, body in names.bodies.items()
            if name not in found and _is_learning(body, found, names)
        }
        if not more:
            break
        found |= more
    return found


def _look(root: ast.AST, own: _Body | None, names: _Names, around: tuple[ast.AST, ...]) -> None:
    """Note what each function below does; `own` takes what is outside of functions too."""
    todo: list[tuple[ast.AST, tuple[ast.AST, ...]]] = [(root, around)]
    for _ in range(NODES_AT_MOST):
        if not todo:
            return
        node, functions = todo.pop()
        if isinstance(node, _FUNCTIONS) and node is not root:
            functions = (*functions, node)
        bodies = [_body(names, function) for function in functions]
        if own is not None:
            bodies.append(own)
        called = node.func if isinstance(node, ast.Call) else None
        for body in bodies:
            body.learns = body.learns or _learns(node, functions)
            if called is not None:
                body.calls.add(_name(called))
                body.given = body.given or _is_given(called, functions)
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Name | ast.Attribute | ast.Lambda):
            names.holders.update(_name(target) for target in node.targets)
        for child in children(node):
            if child is not called and isinstance(child, ast.Name | ast.Attribute):
                names.values.add(_name(child))
            todo.append((child, functions))
    if own is not None:
        own.learns = True  # too long to be read


def _body(names: _Names, function: ast.AST) -> _Body:
    if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef):
        return names.bodies.setdefault(function.name, _Body())
    return names.nameless


def _name(node: ast.expr) -> str:
    if isinstance(node, ast.Attribute):
        return node.attr
    return node.id if isinstance(node, ast.Name) else "<expression>"


def _is_given(called: ast.expr, functions: Iterable[ast.AST]) -> bool:
    """Whether what is called is a parameter, or is not even a name."""
    if isinstance(called, ast.Attribute):
        return False
    if not isinstance(called, ast.Name):
        return True
    given = [
        arg.arg
        for function in functions
        if isinstance(function, _FUNCTIONS)
        for arg in (*function.args.posonlyargs, *function.args.args, *function.args.kwonlyargs)
    ]
    return called.id in given


def _learns(node: ast.AST, functions: tuple[ast.AST, ...]) -> bool:
    if isinstance(node, ast.Call):
        name = _name(node.func)
        if name == "setattr" and node.args and _is_own(node.args[0], functions):
            return False  # an attribute of the object itself, by name
        return name in _LEARNING or (
            isinstance(node.func, ast.Attribute) and name.endswith("_") and not name.startswith("_")
        )
    if isinstance(node, ast.Assign | ast.AugAssign):
        targets = node.targets if isinstance(node, ast.Assign) else [node.target]
        return any(_is_weight(target) for target in targets)
    return False


def _is_own(node: ast.expr, functions: tuple[ast.AST, ...]) -> bool:
    """Whether it is the first parameter of the function around."""
    inner = functions[-1] if functions else None
    if not isinstance(inner, _FUNCTIONS) or not isinstance(node, ast.Name):
        return False
    given = [*inner.args.posonlyargs, *inner.args.args]
    return bool(given) and given[0].arg == node.id


def _is_weight(target: ast.expr) -> bool:
    """`p.data = x`, `p.data[i] = x`, `p.grad = x`."""
    for _ in range(4):
        if isinstance(target, ast.Subscript):
            target = target.value
    return isinstance(target, ast.Attribute) and target.attr in _WRITTEN
