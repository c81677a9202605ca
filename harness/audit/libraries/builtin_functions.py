"""Builtin functions."""

from __future__ import annotations

import builtins
import math
from typing import TYPE_CHECKING, Any

from harness.audit.interpreter.heap import (
    Bound,
    Class,
    Extern,
    Function,
    Instance,
    Mapping,
    Range,
    Scope,
    Sequence,
    Tensor,
    Text,
    View,
    Zipped,
)
from harness.audit.interpreter.machine_frame import LoopFrame
from harness.audit.interpreter.objects import instance_dict
from harness.audit.interpreter.special_methods import special
from harness.audit.interpreter.subscripts import element_at, joined_elements, overlaid
from harness.audit.interpreter.values import (
    ANYTHING,
    FALSE,
    NONE,
    TRUE,
    UNKNOWN,
    Source,
    Value,
    computed_from,
)
from harness.audit.libraries.registry import on_call

if TYPE_CHECKING:
    import ast
    from collections.abc import Callable

    from harness.audit.interpreter.machine import Machine
    from harness.audit.interpreter.positions import Index

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
            made = _CASTS[name](*(one.const for one in args if one.const is not UNKNOWN))
        except (TypeError, ValueError, OverflowError):
            return Value(source=value.source)
        return Value(made, None, value.source, value.line if name in {"int", "float"} else None)
    if name == "str":
        return value if isinstance(value.ref, Text) else Value(source=machine.source_of(value))
    if name == "bool":
        from harness.audit.interpreter.assignments import truth

        return truth(machine, value)
    return Value(UNKNOWN, None, machine.source_of(value), value.line)


_CASTS: dict[str, Callable[..., Any]] = {
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


def any_element(machine: Machine, value: Value) -> Value:
    """Any element, marked as different for each: as if taken in a loop that is over."""
    from harness.audit.interpreter import iteration

    machine.last_loop += 1
    loop = LoopFrame(id=machine.last_loop, number=0)
    machine.finished_loops.add(loop.id)
    first = iteration.element(machine, value, loop, 2)
    return Value(UNKNOWN, first.ref, first.source)


@on_call("builtins.enumerate")
def _enumerate(machine: Machine, _path: str, args: Args, kwargs: Kwargs, _node: ast.AST) -> Value:
    start = args[1] if len(args) > 1 else kwargs.get("start", Value(0))
    counter = Value(ref=Range(machine.heap.new_id(), start, ANYTHING, Value(1)))
    return Value(ref=Zipped(machine.heap.new_id(), (counter, args[0] if args else ANYTHING)))


@on_call("builtins.zip", "itertools.zip_longest", "itertools.product")
def _zip(machine: Machine, _path: str, args: Args, _kwargs: Kwargs, _node: ast.AST) -> Value:
    return Value(ref=Zipped(machine.heap.new_id(), tuple(args)))


@on_call("builtins.map", "builtins.filter")
def _map(machine: Machine, path: str, args: Args, _kwargs: Kwargs, node: ast.AST) -> Value:
    if len(args) < 2:
        return ANYTHING
    if path.endswith("filter"):
        if args[0].ref is not None:
            machine.call(args[0], [any_element(machine, args[1])], {}, node)
        return args[1]
    first = args[1].ref
    if isinstance(first, Sequence) and first.size is not None and first.size <= 8 and len(args) == 2:
        made = [
            machine.call(args[0], [overlaid(machine, one, args[1].source)], {}, node)
            for one in first.elements
        ]
        return machine.heap.sequence("list", made)
    return machine.heap.summary(
        "list", machine.call(args[0], [any_element(machine, one) for one in args[1:]], {}, node)
    )


@on_call("builtins.next")
def _next(machine: Machine, _path: str, args: Args, _kwargs: Kwargs, node: ast.AST) -> Value:
    if not args:
        return ANYTHING
    ref = args[0].ref
    if isinstance(ref, Instance) and ref.cls is not None:
        method = machine.attribute(args[0], "__next__", node)
        if isinstance(method.ref, Bound):
            return machine.call(method, [], {}, node)
    index: Index = {}
    if machine.loops:
        loop = machine.loops[-1]
        index = {loop.id: (loop.number, loop.number)}
    return element_at(machine, args[0], None, index)


@on_call("builtins.any", "builtins.all")
def _any(machine: Machine, path: str, args: Args, _kwargs: Kwargs, _node: ast.AST) -> Value:
    if args and isinstance(args[0].ref, Sequence) and args[0].ref.size is not None:
        consts = [one.const for one in args[0].ref.elements]
        stops = path.endswith("any")
        if any(const is not UNKNOWN and bool(const) is stops for const in consts):
            return TRUE if stops else FALSE
        if all(const is not UNKNOWN for const in consts):
            return FALSE if stops else TRUE
    return Value(source=machine.deep_source(args[0])) if args else ANYTHING


@on_call("builtins.getattr")
def _getattr(machine: Machine, _path: str, args: Args, _kwargs: Kwargs, node: ast.AST) -> Value:
    if len(args) < 2:
        return ANYTHING
    if not isinstance(args[1].const, str):
        if isinstance(args[0].ref, Extern) and args[0].ref.path in {"builtins", "os"}:
            machine.cannot_see("dynamic-attribute", args[0].ref.path, node, on_path=True)
        return Value(source=machine.deep_source(args[0]))
    if len(args) > 2 and not _has(args[0], args[1].const):
        return args[2]
    return machine.attribute(args[0], args[1].const, node)


def _has(value: Value, name: str) -> bool:
    ref = value.ref
    if isinstance(ref, Instance):
        if name in ref.slots:
            return True
        return (
            ref.cls is None
            or _class_has(ref.cls, name)
            or (ref.is_module and name in {"module", "weight", "bias"} and ref.cls is None)
        )
    if isinstance(ref, Class):
        return _class_has(ref, name)
    if isinstance(ref, Function | Bound | Scope):
        return name in ref.slots
    return True


def _class_has(cls: Class, name: str) -> bool:
    from harness.audit.interpreter.objects import find_in_class

    return find_in_class(cls, name) is not None


@on_call("builtins.hasattr")
def _hasattr(machine: Machine, _path: str, args: Args, _kwargs: Kwargs, _node: ast.AST) -> Value:
    del machine
    if len(args) < 2 or not isinstance(args[1].const, str):
        return ANYTHING
    if isinstance(args[0].ref, Instance | Class | Scope):
        if _has(args[0], args[1].const):
            return TRUE if isinstance(args[0].ref, Instance) and args[0].ref.cls is not None else ANYTHING
        return FALSE
    return ANYTHING


@on_call("builtins.setattr", "builtins.object.__setattr__")
def _setattr(machine: Machine, _path: str, args: Args, _kwargs: Kwargs, node: ast.AST) -> Value:
    if len(args) > 2 and isinstance(args[1].const, str):
        machine.set_attribute(args[0], args[1].const, args[2], node)
    return NONE


@on_call("builtins.vars", "builtins.globals", "builtins.locals")
def _vars(machine: Machine, path: str, args: Args, _kwargs: Kwargs, _node: ast.AST) -> Value:
    if args and isinstance(args[0].ref, Instance):
        return instance_dict(machine, args[0].ref)
    scope = machine.frame.scope
    if path.endswith("globals"):
        while scope.outer is not None:
            scope = scope.outer
    made = Mapping(machine.heap.new_id())
    for name, value in scope.slots.items():
        machine.heap.put(made, ("key", name), value)
    return Value(ref=made)


@on_call("builtins.isinstance")
def _isinstance(machine: Machine, _path: str, args: Args, _kwargs: Kwargs, _node: ast.AST) -> Value:
    del machine
    if len(args) < 2:
        return ANYTHING
    kinds = args[1].ref.elements if isinstance(args[1].ref, Sequence) else [args[1]]
    answers = [_is_of(args[0], kind) for kind in kinds]
    if any(answer is True for answer in answers):
        return TRUE
    if all(answer is False for answer in answers):
        return FALSE
    return ANYTHING


def _is_of(value: Value, kind: Value) -> bool | None:
    name = kind.ref.path.rsplit(".", 1)[-1] if isinstance(kind.ref, Extern) else ""
    ref = value.ref
    if isinstance(ref, Instance) and ref.cls is not None and isinstance(kind.ref, Class):
        todo = [ref.cls]
        for _ in range(40):
            if not todo:
                return False
            one = todo.pop()
            if one is kind.ref:
                return True
            todo.extend(base.ref for base in one.bases if isinstance(base.ref, Class))
        return None
    if isinstance(ref, Instance) and ref.library and name and name == ref.library.rsplit(".", 1)[-1]:
        return True
    if value.const is not UNKNOWN and name in _CASTS and ref is None:
        return isinstance(
            value.const, {"int": int, "float": float, "bool": bool, "str": str}.get(name, object)
        )
    if isinstance(ref, Sequence) and name in {"list", "tuple", "set"}:
        return ref.kind == name
    if isinstance(ref, Mapping) and name:
        return name in {"dict", "Mapping", "OrderedDict"}
    if isinstance(ref, Tensor | View) and name == "Tensor":
        return True
    return None


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


@on_call("builtins.type")
def _type(machine: Machine, _path: str, args: Args, _kwargs: Kwargs, _node: ast.AST) -> Value:
    ref = args[0].ref if len(args) == 1 else None
    if isinstance(ref, Instance) and ref.cls is not None:
        return Value(ref=ref.cls)
    if isinstance(ref, Sequence):
        return machine.extern(f"builtins.{ref.kind}")
    if isinstance(ref, Mapping):
        return machine.extern("builtins.dict")
    # `type(x)(y)` of an unknown x makes some container of y: nothing but provenance is in it.
    return machine.extern("builtins.type.made") if len(args) == 1 else ANYTHING


@on_call("types.SimpleNamespace", "argparse.Namespace")
def _namespace(machine: Machine, _path: str, _args: Args, kwargs: Kwargs, _node: ast.AST) -> Value:
    made = Instance(machine.heap.new_id(), None, "namespace")
    for name, value in kwargs.items():
        machine.heap.put(made, name, value)
    return Value(ref=made)


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
