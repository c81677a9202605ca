"""Imports: files of the folder are walked as modules, everything else is a library known by its name."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from harness.audit.interpreter.heap import Extern, Scope
from harness.audit.interpreter.machine_frame import Frame
from harness.audit.interpreter.values import ANYTHING, Value

if TYPE_CHECKING:
    from harness.audit.interpreter.machine import Machine

MODULES_AT_MOST = 60
NAMES_AT_MOST = 2_000


def run_module(machine: Machine, path: str, name: str) -> Scope:
    """Walk a file of the folder as a module, once; an import cycle meets the half-made module."""
    if path in machine.modules:
        return machine.modules[path]
    scope = Scope(machine.heap.new_id(), path, None)
    machine.modules[path] = scope
    machine.heap.put(scope, "__name__", Value(name))
    machine.heap.put(scope, "__file__", Value(path))
    tree = machine.program.tree(path)
    if tree is None or len(machine.modules) > MODULES_AT_MOST:
        if machine.frames:
            machine.cannot_see("missing-module", f"{path} could not be parsed", ast.Pass(), on_path=True)
        return scope
    machine.frames.append(Frame(scope=scope, file=path, name=name, first_loop=len(machine.loops)))
    here = machine.here
    for line, what in machine.program.facts(path).hidden_calls:
        machine.cannot_see("hidden-call", f"call in an {what}", ast.Pass(lineno=line), on_path=True)
    try:
        flow = machine.run(tree.body)
    finally:
        machine.frames.pop()
        machine.here = here
    machine.facts.setdefault("module_flows", {})[path] = flow
    return scope


def module_value(machine: Machine, name: str, level: int, node: ast.AST) -> Value:
    """The module of this name."""
    path = machine.program.find_module(name, machine.frame.file, level)
    if path is not None:
        return Value(ref=run_module(machine, path, name))
    if level:
        machine.cannot_see("missing-module", "." * level + name, node, on_path=True)
    elif machine.registry.is_foreign(name):
        machine.cannot_see("missing-module", name, node)
    return machine.extern(name)


def run_import(machine: Machine, node: ast.Import) -> None:
    """`import a.b as c`."""
    for alias in node.names:
        if alias.asname is not None:
            value = module_value(machine, alias.name, 0, node)
            machine.heap.put(machine.frame.scope, alias.asname, value)
        else:
            root = alias.name.split(".")[0]
            if machine.program.find_module(alias.name, machine.frame.file) is not None and "." in alias.name:
                module_value(machine, alias.name, 0, node)
            machine.heap.put(machine.frame.scope, root, module_value(machine, root, 0, node))


def run_import_from(machine: Machine, node: ast.ImportFrom) -> None:
    """`from a import b`, stars included."""
    name = node.module or ""
    if name == "__future__":
        return
    module = module_value(machine, name, node.level, node)
    for alias in node.names[:NAMES_AT_MOST]:
        if alias.name == "*":
            _import_star(machine, module, node)
            continue
        value = _member(machine, module, name, alias.name, node)
        machine.heap.put(machine.frame.scope, alias.asname or alias.name, value)


def _member(machine: Machine, module: Value, name: str, member: str, node: ast.ImportFrom) -> Value:
    ref = module.ref
    if isinstance(ref, Scope):
        found = ref.slots.get(member)
        if found is not None:
            return found
        path = machine.program.find_module(
            f"{name}.{member}" if name else member, machine.frame.file, node.level
        )
        return Value(ref=run_module(machine, path, member)) if path is not None else ANYTHING
    if isinstance(ref, Extern):
        path = machine.program.find_module(
            f"{name}.{member}" if name else member, machine.frame.file, node.level
        )
        if path is not None:
            return Value(ref=run_module(machine, path, member))
    return machine.attribute(module, member, node)


def _import_star(machine: Machine, module: Value, node: ast.AST) -> None:
    if isinstance(module.ref, Extern):
        # Any name may be another thing from here on: only of known libraries is it clear what.
        if machine.registry.is_foreign(module.ref.path):
            machine.cannot_see("missing-module", f"{module.ref.path}.*", node, on_path=True)
        machine.facts.setdefault("stars", []).append(module.ref.path)
        return
    if not isinstance(module.ref, Scope):
        return
    for name, value in list(module.ref.slots.items())[:NAMES_AT_MOST]:
        if not name.startswith("_"):
            machine.heap.put(machine.frame.scope, name, value)
