"""Builtin functions."""

from __future__ import annotations

import builtins
import math
from typing import TYPE_CHECKING, Any

from harness.audit.interpreter.choosing import joined_elements
from harness.audit.interpreter.heap import (
    Instance,
    Mapping,
    Range,
    Sequence,
    Tensor,
    Text,
    View,
)
from harness.audit.interpreter.special_methods import special
from harness.audit.interpreter.values import (
    ANYTHING,
    UNKNOWN,
    Source,
    Value,
    computed_from,
)
from harness.audit.libraries.iterators import any_element
from harness.audit.libraries.registry import on_call

if TYPE_CHECKING:
    import ast
    from collections.abc import Callable

    from harness.audit.interpreter.machine import Machine

_ERRORS = sorted(
    name
    for name, value in vars(builtins).items()
    if isinstance(value, type) and issubclass(value, BaseException)
)
Args = list[Value]
Kwargs = dict[str, Value]


@on_call("builtins.range")
def _range(machine: Machine, _path: str, args: Args, _kwargs: Kwargs, _node: ast.AST) -> Value:
    start, stop, step = Value(0), ANYTHING, Value(1)
    if len(args) == 1:
        stop = args[0]
    elif len(args) >= 2:
        start, stop = args[0], args[1]
        step = args[2] if len(args) > 2 else step
    return Value(ref=Range(machine.heap.new_id(), start, stop, step))


@on_call("builtins.len")
def _len(machine: Machine, _path: str, args: Args, _kwargs: Kwargs, node: ast.AST) -> Value:
    if not args:
        return ANYTHING
    ref = args[0].ref
    own = special(machine, args[0], ("__len__",), [], node)
    if own is not None:
        return own
    if isinstance(ref, Sequence) and ref.size is not None:
        return Value(ref.size)
    if isinstance(ref, Mapping) and all(isinstance(key, tuple) for key in ref.slots) and not machine.loops:
        return Value(len(ref.slots))
    if isinstance(args[0].const, str | bytes | tuple):
        return Value(len(args[0].const))
    index = args[0].source.index
    return Value(source=Source(index=index)) if index else ANYTHING


@on_call("builtins.int", "builtins.float", "builtins.bool", "builtins.str", "builtins.abs", "builtins.round")
def _number(machine: Machine, path: str, args: Args, _kwargs: Kwargs, node: ast.AST) -> Value:
    if not args:
        return Value({"int": 0, "float": 0.0, "bool": False, "str": ""}.get(path.rsplit(".", 1)[-1], UNKNOWN))
    value = args[0]
    name = path.rsplit(".", 1)[-1]
    own = special(machine, value, _CONVERSIONS.get(name, ()), [], node)
    if own is not None:
        return own
    if value.const is not UNKNOWN and value.ref is None:
        try:
            made = CASTS[name](*(one.const for one in args if one.const is not UNKNOWN))
        except (TypeError, ValueError, OverflowError):
            return Value(source=value.source)
        return Value(made, None, value.source, value.line if name in {"int", "float"} else None)
    if name == "str":
        return value if isinstance(value.ref, Text) else Value(source=machine.source_of(value))
    if name == "bool":
        from harness.audit.interpreter.assignments import truth

        return truth(machine, value)
    return Value(UNKNOWN, None, machine.source_of(value), value.line)


CASTS: dict[str, Callable[..., Any]] = {
    "int": int,
    "float": float,
    "bool": bool,
    "str": str,
    "abs": abs,
    "round": round,
}


_CONVERSIONS = {
    "int": ("__int__", "__index__"),
    "float": ("__float__", "__index__"),
    "bool": ("__bool__", "__len__"),
    "str": ("__str__", "__repr__"),
    "abs": ("__abs__",),
    "round": ("__round__",),
}


@on_call("builtins.repr", "builtins.hash", "builtins.format", "builtins.divmod", "builtins.dir")
def _by_method(machine: Machine, path: str, args: Args, _kwargs: Kwargs, node: ast.AST) -> Value | None:
    name = path.rsplit(".", 1)[-1]
    return special(machine, args[0], (f"__{name}__",), args[1:], node) if args else None


@on_call("builtins.min", "builtins.max")
def _extreme(machine: Machine, path: str, args: Args, kwargs: Kwargs, _node: ast.AST) -> Value | None:
    """A bound keeps the position that depends on a loop."""
    given = args
    if len(args) == 1 and isinstance(args[0].ref, Sequence):
        given = args[0].ref.elements
        if args[0].ref.size is None or not given:
            return Value(source=machine.deep_source(args[0]))
    if len(given) < 2 or "key" in kwargs or any(machine.source_of(one).scores for one in given):
        return None  # a choice between losses is no bound of a position
    if all(one.is_number for one in given) and not any(
        one.line is not None and one.line.slopes for one in given
    ):
        chosen = (min if path.endswith("min") else max)(one.const for one in given)
        return Value(chosen, None, computed_from(one.source for one in given))
    lines = [one.line for one in given if one.line is not None and one.line.slopes]
    source = computed_from(machine.source_of(one) for one in given)
    line = lines[0] if len(lines) == 1 else None
    if len(lines) > 1 and all(one == lines[0] for one in lines):
        line = lines[0]
    return Value(UNKNOWN, None, source, line)


@on_call("builtins.sum", "math.fsum")
def _sum(machine: Machine, _path: str, args: Args, _kwargs: Kwargs, _node: ast.AST) -> Value:
    if not args:
        return ANYTHING
    return Value(source=machine.deep_source(args[0]))


@on_call(
    "builtins.list",
    "builtins.tuple",
    "builtins.set",
    "builtins.frozenset",
    "builtins.sorted",
    "builtins.reversed",
    "builtins.iter",
    "collections.deque",
)
def _gathered(machine: Machine, path: str, args: Args, _kwargs: Kwargs, node: ast.AST) -> Value:
    name = path.rsplit(".", 1)[-1]
    kind = {"tuple": "tuple", "set": "set", "frozenset": "set"}.get(name, "list")
    if not args:
        return machine.heap.sequence(kind, [])
    given = args[0]
    ref = given.ref
    if name == "iter" and len(args) > 1:
        return machine.heap.summary("list", machine.call(given, [], {}, node))
    if name == "iter":
        return given
    if isinstance(ref, Sequence) and ref.size is not None:
        elements = ref.elements
        if name == "reversed":
            elements = elements[::-1]
        if name == "sorted" and len(elements) > 1:
            return machine.heap.summary(kind, joined_elements(machine, elements)).with_source(given.source)
        return machine.heap.sequence(kind, elements).with_source(given.source)
    if isinstance(given.const, tuple | str) and len(given.const) <= 200:
        return machine.heap.sequence(kind, [Value(one, None, given.source) for one in given.const])
    if isinstance(ref, Tensor | View) or ref is None:
        return given
    return machine.heap.summary(kind, any_element(machine, given)).with_source(given.source)


@on_call(
    "math.*", "numpy.log", "numpy.exp", "numpy.sqrt", "numpy.log2", "torch.log", "torch.log2", "torch.tensor"
)
def _maths(machine: Machine, path: str, args: Args, _kwargs: Kwargs, _node: ast.AST) -> Value | None:
    name = path.rsplit(".", 1)[-1]
    work = getattr(math, name, None)
    if (
        args
        and callable(work)
        and all(one.is_number for one in args)
        and name not in {"factorial", "perm", "comb"}
    ):
        try:
            return Value(work(*(one.const for one in args)), None, computed_from(one.source for one in args))
        except (TypeError, ValueError, ArithmeticError):
            return Value(source=computed_from(one.source for one in args))
    if name == "log2" and args and machine.deep_source(args[0]).scores:
        return Value(source=machine.deep_source(args[0]).labelled("bits"))
    return None


@on_call("builtins.exit", "builtins.quit", "sys.exit", "os._exit")
def _exit(machine: Machine, _path: str, _args: Args, _kwargs: Kwargs, _node: ast.AST) -> Value:
    from harness.audit.interpreter.flows import Flow, Raised

    del machine
    raise Raised(Flow("raise", name="SystemExit"))


@on_call(
    "builtins.exec",
    "builtins.eval",
    "runpy.*",
    "importlib.import_module",
    "builtins.__import__",
    "builtins.compile",
)
def _dynamic(machine: Machine, path: str, args: Args, _kwargs: Kwargs, node: ast.AST) -> Value:
    if path.endswith(("import_module", "__import__")) and args and isinstance(args[0].const, str):
        from harness.audit.interpreter.importing import module_value

        return module_value(machine, args[0].const, 0, node)
    if path.endswith("compile"):
        return args[0] if args else ANYTHING
    machine.cannot_see("exec", path, node, on_path=True)
    return ANYTHING


@on_call(
    "time.*",
    "torch.cuda.synchronize",
    "gc.collect",
    "torch.cuda.empty_cache",
    "os.remove",
    "os.makedirs",
    "os.unlink",
    "torch.manual_seed",
    "torch.cuda.manual_seed_all",
    "torch.cuda.set_device",
    "torch.nn.utils.clip_grad_norm_",
    "torch.distributed.init_process_group",
    "subprocess.*",
    "shutil.*",
)
def _without_value(machine: Machine, _path: str, _args: Args, _kwargs: Kwargs, _node: ast.AST) -> Value:
    del machine
    return ANYTHING


@on_call(*(f"builtins.{name}" for name in _ERRORS))
def _error(machine: Machine, path: str, args: Args, _kwargs: Kwargs, _node: ast.AST) -> Value:
    """An error carries what it was made with to whoever catches it."""
    made = Instance(machine.heap.new_id(), None, path)
    machine.heap.put(made, "args", machine.heap.sequence("tuple", args))
    return Value(ref=made)
