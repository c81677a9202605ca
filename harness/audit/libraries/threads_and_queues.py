"""Work handed to other threads, and what they hand back through queues."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.audit.interpreter.choosing import element_at
from harness.audit.interpreter.heap import Bound, Extern, Function, Instance, Sequence
from harness.audit.interpreter.objects import find_in_class
from harness.audit.interpreter.values import ANYTHING, NONE, Value
from harness.audit.libraries.registry import on_call, on_method
from harness.audit.regions import Split

if TYPE_CHECKING:
    import ast

    from harness.audit.interpreter.machine import Machine

Args = list[Value]
Kwargs = dict[str, Value]
_QUEUE = "queue"  # the library of what a queue is here, whichever module it came from
_ITEMS = "<items>"


@on_call(
    "queue.Queue",
    "queue.SimpleQueue",
    "queue.LifoQueue",
    "queue.PriorityQueue",
    "multiprocessing.Queue",
    "multiprocessing.SimpleQueue",
    "torch.multiprocessing.Queue",
    "torch.multiprocessing.SimpleQueue",
    "asyncio.Queue",
)
def _queue(machine: Machine, _path: str, _args: Args, _kwargs: Kwargs, _node: ast.AST) -> Value:
    return Value(ref=Instance(machine.heap.new_id(), None, _QUEUE))


def _is_queue(value: Value) -> bool:
    return isinstance(value.ref, Instance) and value.ref.library == _QUEUE


@on_method("put", "put_nowait")
def _put(
    machine: Machine, receiver: Value, _name: str, args: Args, kwargs: Kwargs, _node: ast.AST
) -> Value | None:
    if not _is_queue(receiver) or receiver.ref is None:
        return None
    item = args[0] if args else kwargs.get("item", kwargs.get("obj", ANYTHING))
    held = receiver.ref.slots.get(_ITEMS)
    if held is None and receiver.ref.id in machine.facts.get("asked too early", ()):
        _which_pass(machine, item, _node)
    machine.heap.put(receiver.ref, _ITEMS, item if held is None else machine.join(held, item))
    return NONE


@on_method("get", "get_nowait")
def _get(
    machine: Machine, receiver: Value, _name: str, _args: Args, _kwargs: Kwargs, node: ast.AST
) -> Value | None:
    """Any item: which of them comes in which pass of a loop is for the threads to say."""
    if not _is_queue(receiver) or receiver.ref is None:
        return None
    item = receiver.ref.slots.get(_ITEMS, ANYTHING)
    if _ITEMS not in receiver.ref.slots:
        machine.facts.setdefault("asked too early", set()).add(receiver.ref.id)
    _which_pass(machine, item, node)
    return item


def _which_pass(machine: Machine, item: Value, node: ast.AST) -> None:
    splits = {region.split for region in machine.deep_source(item).reads}
    if splits & {Split.VALIDATION, Split.UNKNOWN}:
        machine.cannot_see("queue", "which tokens come out of a queue in which pass", node, on_path=True)


@on_method("empty", "full", "qsize")
def _asked(
    _machine: Machine, receiver: Value, _name: str, _args: Args, _kwargs: Kwargs, _node: ast.AST
) -> Value | None:
    return ANYTHING if _is_queue(receiver) else None


@on_call("concurrent.futures.*", "threading.Thread", "multiprocessing.*", "torch.multiprocessing.*")
def _concurrent(machine: Machine, path: str, args: Args, kwargs: Kwargs, node: ast.AST) -> Value | None:
    """Work handed to threads is done at once."""
    target = kwargs.get("target", args[0] if args else NONE)
    if isinstance(target.ref, Function | Bound):
        given = kwargs.get("args")
        elements = given.ref.elements if given is not None and isinstance(given.ref, Sequence) else []
        if path.endswith("spawn") and len(args) > 1 and isinstance(args[1].ref, Sequence):
            elements = [Value(0), *args[1].ref.elements]
        return machine.call(target, elements, {}, node)
    return None


@on_method("submit", "map", "apply", "apply_async", "start")
def _submitted(
    machine: Machine, receiver: Value, name: str, args: Args, kwargs: Kwargs, node: ast.AST
) -> Value | None:
    if isinstance(receiver.ref, Extern) or not args or not isinstance(args[0].ref, Function | Bound):
        return None
    if name == "map":
        result = machine.call(args[0], [element_at(machine, one, None) for one in args[1:]], {}, node)
        return machine.heap.summary("list", result)
    return machine.call(args[0], args[1:], kwargs, node)


@on_method("start")
def _started(
    machine: Machine, receiver: Value, _name: str, _args: Args, _kwargs: Kwargs, node: ast.AST
) -> Value | None:
    """A thread of a class of the script runs its `run`; here it does so at once."""
    ref = receiver.ref
    if not isinstance(ref, Instance) or ref.cls is None or find_in_class(ref.cls, "run") is None:
        return None
    machine.call_method(receiver, "run", [], {}, node)
    return NONE


@on_method("result", "join", "wait")
def _result(
    machine: Machine, receiver: Value, name: str, _args: Args, _kwargs: Kwargs, _node: ast.AST
) -> Value | None:
    del machine
    if name == "result":
        return receiver
    return None
