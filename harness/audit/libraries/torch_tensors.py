"""Tensors and arrays: how provenance and positions pass through their functions and methods."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.audit.interpreter.heap import CONTENT, Instance, Parameters, Sequence, Tensor, View
from harness.audit.interpreter.positions import slice_index
from harness.audit.interpreter.subscripts import KERNEL, position
from harness.audit.interpreter.values import (
    ANYTHING,
    LOGITS,
    NONE,
    NOTHING,
    PLACES,
    PROBABILITY,
    UNKNOWN,
    Source,
    Value,
    computed_from,
)
from harness.audit.libraries import callbacks, learning, weight_writes
from harness.audit.libraries.registry import on_attribute, on_call, on_method
from harness.audit.libraries.tensor_positions import both_libraries

if TYPE_CHECKING:
    import ast

    from harness.audit.interpreter.machine import Machine

Args = list[Value]
Kwargs = dict[str, Value]
_FROM_NUMBERS = "array asarray tensor as_tensor from_numpy arange linspace ascontiguousarray"
_NAMES = "zeros empty ones full zeros_like empty_like ones_like full_like new_zeros new_empty new_full eye"


@on_call(
    *both_libraries(_NAMES),
    *both_libraries("array asarray tensor as_tensor from_numpy arange linspace ascontiguousarray"),
)
def _new(machine: Machine, path: str, args: Args, kwargs: Kwargs, node: ast.AST) -> Value:
    """A fresh tensor; of given data it has their provenance."""
    name = path.rsplit(".", 1)[-1]
    source = NOTHING
    const: object = UNKNOWN
    if name in {"array", "asarray", "tensor", "as_tensor", "from_numpy", "ascontiguousarray"} and args:
        if name in {"asarray", "as_tensor", "from_numpy", "ascontiguousarray"} and isinstance(
            args[0].ref, Tensor
        ):
            return args[0]
        source = machine.deep_source(args[0])
        const = args[0].const if isinstance(args[0].const, int | float) else UNKNOWN
    elif name in {"arange", "linspace"}:
        source = computed_from(one.source.changed(reads=frozenset()) for one in args)
        if len(args) > 1 and args[0].line is not None and args[0].line.slopes:
            spans = slice_index(position(args[0]), position(args[1]))[0]
            source = source.changed(index=spans).labelled(PLACES)
    elif name in {"full", "full_like"} and len(args) > 1:
        source = machine.deep_source(args[1])
    if kwargs.get("requires_grad", NONE).const is True:
        from harness.audit.libraries.torch_modules import new_state

        return new_state(machine, Value(source=source), node)
    if name in {"array", "tensor", "asarray", "as_tensor"} and isinstance(const, int | float):
        return Value(const, None, source)
    return machine.heap.tensor(Value(source=source), machine.spot(node))


@on_method("new_zeros", "new_empty", "new_full", "new_ones")
def _new_like(
    machine: Machine, _receiver: Value, _name: str, _args: Args, _kwargs: Kwargs, node: ast.AST
) -> Value:
    return machine.heap.tensor(ANYTHING, machine.spot(node))


@on_attribute(
    "shape", "device", "dtype", "ndim", "size_in_bytes", "is_cuda", "nbytes", "itemsize", "requires_grad"
)
def _shape(machine: Machine, value: Value, _name: str, _node: ast.AST) -> Value | None:
    del machine
    if isinstance(value.ref, Instance):
        return None
    return ANYTHING


@on_attribute("size")
def _size(machine: Machine, value: Value, _name: str, _node: ast.AST) -> Value | None:
    del machine, value
    return None


@on_attribute("T", "mT", "real", "H", "flat")
def _same_data(machine: Machine, value: Value, _name: str, _node: ast.AST) -> Value | None:
    if isinstance(value.ref, Instance):
        return None
    return view(machine, value)


@on_method(
    "size", "numel", "dim", "element_size", "data_ptr", "get_device", "is_contiguous", "storage", "nelement"
)
def _measured(
    machine: Machine, receiver: Value, _name: str, _args: Args, _kwargs: Kwargs, _node: ast.AST
) -> Value:
    """A size says nothing about content."""
    del machine
    index = receiver.source.index
    return Value(source=Source(index=index)) if index else ANYTHING


_VIEWS = """view reshape squeeze unsqueeze expand transpose permute flatten contiguous narrow unfold detach
 to cuda cpu long int float double half bfloat16 type bool short byte numpy clone astype ravel tolist item
 pin_memory view_as expand_as type_as repeat swapaxes chunk split t unbind copy clamp clip nan_to_num abs"""


@on_method(*_VIEWS.split())
def _viewed(
    machine: Machine, receiver: Value, name: str, args: Args, kwargs: Kwargs, node: ast.AST
) -> Value | None:
    """The same elements in another form."""
    ref = receiver.ref
    if isinstance(ref, Sequence) and name == "tolist":
        return receiver
    if isinstance(ref, Sequence) or (isinstance(ref, Instance) and ref.library != "random"):
        return None
    if ref is not None and not isinstance(ref, Tensor | View | Parameters):
        return None
    del args, kwargs, node
    if isinstance(ref, Parameters) and name in {"view", "reshape", "detach", "flatten", "to", "contiguous"}:
        return receiver
    if name == "copy" and ref is None and receiver.is_known:
        return receiver
    if name in {"clone", "copy", "numpy", "cpu", "astype", "repeat", "clamp", "clip", "abs", "nan_to_num"}:
        source = machine.source_of(receiver)
        if name in {"clone", "copy"}:
            return machine.heap.tensor(Value(source=source.changed(states=source.states)))
        if name == "numpy" and source.labels & {LOGITS, PROBABILITY}:
            source = source.changed(states=frozenset())  # torch gives no array of what has a gradient
        return Value(receiver.const if ref is None else UNKNOWN, None, source, receiver.line)
    if name in {"item", "tolist", "int", "long", "float", "double"}:
        return Value(
            receiver.const if ref is None else UNKNOWN, None, machine.source_of(receiver), receiver.line
        )
    return view(machine, receiver)


def view(machine: Machine, value: Value) -> Value:
    """Another form of the same tensor: in-place writes reach it."""
    ref = value.ref
    if isinstance(ref, Tensor):
        source = machine.source_of(value)
        const = ref.slots.get(CONTENT, ANYTHING).const
        return Value(const, View(machine.heap.new_id(), ref), source, value.line)
    return value


@on_call(
    "torch.cat",
    "torch.stack",
    "torch.concat",
    "torch.hstack",
    "torch.vstack",
    "numpy.concatenate",
    "numpy.stack",
)
def _joined(machine: Machine, _path: str, args: Args, _kwargs: Kwargs, node: ast.AST) -> Value:
    source = computed_from(machine.deep_source(one) for one in args[:1])
    return machine.heap.tensor(Value(source=source), machine.spot(node))


@on_call(
    "torch.distributed.all_reduce",
    "torch.distributed.broadcast",
    "torch.distributed.reduce",
    "torch.distributed.barrier",
    "torch.distributed.broadcast_object_list",
)
def _reduce(machine: Machine, _path: str, _args: Args, _kwargs: Kwargs, _node: ast.AST) -> Value:
    """The tensor keeps its provenance: what other ranks add is of the same passes."""
    del machine
    return NONE


@on_call(
    "torch.distributed.all_gather_object",
    "torch.distributed.all_gather",
    "torch.distributed.gather_object",
    "torch.distributed.all_gather_into_tensor",
    "torch.distributed.reduce_scatter_tensor",
)
def _gather(machine: Machine, _path: str, args: Args, kwargs: Kwargs, node: ast.AST) -> Value:
    """Every element of the list becomes what each rank gives, which is like what this one gives."""
    given = [*args, *kwargs.values()]
    if len(given) < 2:
        return NONE
    target, what = given[0], given[1]
    if isinstance(target.ref, Sequence):
        for slot in list(target.ref.slots):
            machine.heap.put(target.ref, slot, what)
    else:
        weight_writes.write_in_place(machine, target, what, "copy_", node)
    return NONE


@on_method(KERNEL)
def _kernel(
    machine: Machine, _receiver: Value, _name: str, args: Args, kwargs: Kwargs, node: ast.AST
) -> Value:
    """A GPU kernel may write what it reads into every tensor it is given."""
    given = [*args, *kwargs.values()]
    source = computed_from(machine.deep_source(one) for one in given)
    for one in given:
        if isinstance(one.ref, Tensor) and not one.ref.is_state:
            machine.heap.put(one.ref, CONTENT, Value(source=source))
    machine.cannot_see("kernel", "a GPU kernel", node)
    return NONE


@on_method("*")
def _in_place(
    machine: Machine, receiver: Value, name: str, args: Args, kwargs: Kwargs, node: ast.AST
) -> Value | None:
    """Methods whose name ends in an underscore write what they are called on."""
    if not name.endswith("_") or name.startswith("_") or name == "requires_grad_":
        return None
    made = callbacks.offered(machine, args, kwargs, node, receiver)  # `apply_` calls what it is given
    given = (*args, *kwargs.values(), *made)
    operand = Value(source=computed_from(machine.deep_source(one) for one in given))
    if name == "fill_" and args:
        operand = args[0]
    if isinstance(receiver.ref, Tensor | View) or learning.is_parameter(receiver):
        weight_writes.write_in_place(machine, receiver, operand, name, node)
        return receiver
    if isinstance(receiver.ref, (Instance, Sequence)):
        return None
    return Value(source=computed_from((machine.deep_source(receiver), operand.source)))


@on_call("torch.nn.init.*")
def _initialised(machine: Machine, path: str, args: Args, _kwargs: Kwargs, node: ast.AST) -> Value:
    if args:
        weight_writes.write_in_place(machine, args[0], NONE, path.rsplit(".", 1)[-1], node)
    return args[0] if args else NONE


@on_call(
    "torch.no_grad",
    "torch.inference_mode",
    "torch.set_grad_enabled",
    "torch.autograd.no_grad",
    "torch.autograd.grad_mode.*",
    "torch.enable_grad",
    "torch.autograd.enable_grad",
)
def _without_gradient(machine: Machine, path: str, args: Args, _kwargs: Kwargs, _node: ast.AST) -> Value:
    del machine
    if path.endswith("set_grad_enabled") and not (args and args[0].const is False):
        return Value(source=Source(labels=frozenset({"with-grad", "set-grad"})))
    if path.endswith(("no_grad", "inference_mode", "enable_grad")) and args and args[0].ref is not None:
        return args[0]
    if path.endswith("enable_grad") or (args and args[0].const is False and path.endswith("inference_mode")):
        return Value(source=Source(labels=frozenset({"with-grad"})))
    return Value(source=Source(labels=frozenset({"no-grad"})))
