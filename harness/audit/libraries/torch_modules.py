"""Networks: layers, parameters, wrappers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.audit.interpreter import forward_state
from harness.audit.interpreter.heap import (
    CONTENT,
    LEARNED,
    PARTS_BY_NAME,
    Class,
    Instance,
    Mapping,
    Obj,
    Parameters,
    Sequence,
    Super,
    Tensor,
    View,
)
from harness.audit.interpreter.network_parts import adopt
from harness.audit.interpreter.values import ANYTHING, NONE, Source, Value, computed_from
from harness.audit.libraries.registry import on_attribute, on_call, on_method

if TYPE_CHECKING:
    import ast

    from harness.audit.interpreter.machine import Machine


@on_call("torch.nn.Parameter", "torch.nn.parameter.Parameter")
def _parameter(
    machine: Machine, _path: str, args: list[Value], kwargs: dict[str, Value], node: ast.AST
) -> Value:
    return new_state(machine, args[0] if args else kwargs.get("data", ANYTHING), node, is_parameter=True)


def new_state(machine: Machine, content: Value, node: ast.AST, is_parameter: bool = False) -> Value:
    """A new tensor that learns."""
    source = machine.deep_source(content)
    made = machine.heap.tensor(Value(source=source.changed(index={})), machine.spot(node))
    tensor = made.ref
    if isinstance(tensor, Tensor):
        tensor.is_state = True
        tensor.is_parameter = is_parameter
        machine.states[tensor.id] = tensor
        machine.heap.put(tensor, LEARNED, Value(source=Source(learned=source.learned)))
    return made


def _empty_parts(machine: Machine) -> Value:
    """A `ModuleDict` without parts: only lines that are walked can add some."""
    made = Mapping(machine.heap.new_id())
    parts: set[int] = machine.facts.setdefault(PARTS_BY_NAME, set())
    parts.add(made.id)
    return Value(ref=made)


@on_call("torch.nn.*", "flax.linen.*", "mlx.nn.*")
def _layer(
    machine: Machine, path: str, args: list[Value], kwargs: dict[str, Value], node: ast.AST
) -> Value | None:
    name = path.rsplit(".", 1)[-1]
    if path.startswith(("torch.nn.functional", "torch.nn.utils", "torch.nn.attention", "torch.nn.init")):
        return None
    if name in {"ModuleList", "ParameterList"}:
        given = args[0] if args else machine.heap.sequence("list", [])
        return given if isinstance(given.ref, Sequence) else machine.heap.summary("list", given)
    if name in {"ModuleDict", "ParameterDict"}:
        return args[0] if args else _empty_parts(machine)
    if name == "DataParallel" or name.endswith("DistributedDataParallel"):
        return args[0] if args else kwargs.get("module", ANYTHING)
    if not name[:1].isupper():
        return None
    made = Instance(machine.heap.new_id(), None, path)
    made.is_module = True
    for at, arg in enumerate(args[:40]):
        if isinstance(arg.ref, Instance):
            machine.heap.put(made, f"<{at}>", arg)
            adopt(machine, made, arg)
    del node
    return Value(ref=made)


@on_call(
    "torch.compile",
    "torch.jit.script",
    "torch.jit.trace",
    "torch.nn.parallel.DistributedDataParallel",
    "*.DistributedDataParallel",
    "*.FullyShardedDataParallel",
    "torch.compiler.disable",
    "torch._dynamo.disable",
    "torch.cuda.make_graphed_callables",
    "functools.wraps",
    "functools.lru_cache",
    "functools.cache",
    "torch.vmap",
    "numba.njit",
    "numba.jit",
)
def _wrapper(
    machine: Machine, path: str, args: list[Value], kwargs: dict[str, Value], node: ast.AST
) -> Value | None:
    """What is returned does what the wrapped thing does."""
    del machine, node
    if path == "functools.wraps":
        return Value()
    return args[0] if args else kwargs.get("module", Value())


def library_forward(
    machine: Machine,
    callee: Value,
    ref: Instance,
    args: list[Value],
    kwargs: dict[str, Value],
    node: ast.AST,
) -> Value | None:
    """`layer(x)` of a library layer; losses as layers."""
    del callee
    if ref.library.endswith(("CrossEntropyLoss", "NLLLoss")):
        return machine.registry.call(machine, "torch.nn.functional.cross_entropy", args, kwargs, node)
    return None


def subclass_made(
    machine: Machine, value: Value, path: str, args: list[Value], kwargs: dict[str, Value], node: ast.AST
) -> None:
    """An object of a class that only inherits a library's constructor."""
    del node, path
    if isinstance(value.ref, Instance):
        if value.ref.is_module:
            value.ref.library = "torch.nn.Module"
        given = [*args, *kwargs.values()]
        if given and not value.ref.is_module:
            machine.heap.put(value.ref, "<given>", machine.heap.sequence("tuple", given))
            machine.heap.put(value.ref, "args", machine.heap.sequence("tuple", given))  # of an error


def network_of(value: Value) -> Obj | None:
    """The network that the value is, or whose parameters it is; None for anything else."""
    ref = value.ref
    if isinstance(ref, Instance) and ref.is_module:
        return ref
    if isinstance(ref, Parameters):
        return ref.network
    return None


@on_method("parameters", "buffers")
def _parameters(
    machine: Machine,
    receiver: Value,
    _name: str,
    _args: list[Value],
    _kwargs: dict[str, Value],
    _node: ast.AST,
) -> Value | None:
    network = network_of(receiver)
    if network is None:
        return None
    return machine.heap.summary("list", _one_of(machine, network))


def _one_of(machine: Machine, network: Obj) -> Value:
    return Value(ref=Parameters(machine.heap.new_id(), network))


@on_method("named_parameters", "named_buffers", "named_modules", "named_children")
def _named(
    machine: Machine,
    receiver: Value,
    name: str,
    _args: list[Value],
    _kwargs: dict[str, Value],
    _node: ast.AST,
) -> Value | None:
    network = network_of(receiver)
    if network is None:
        return None
    one = _one_of(machine, network) if "parameters" in name or "buffers" in name else Value(ref=network)
    return machine.heap.summary("list", machine.heap.sequence("tuple", [ANYTHING, one]))


@on_method("modules", "children")
def _modules(
    machine: Machine,
    receiver: Value,
    _name: str,
    _args: list[Value],
    _kwargs: dict[str, Value],
    _node: ast.AST,
) -> Value | None:
    network = network_of(receiver)
    return None if network is None else machine.heap.summary("list", Value(ref=network))


@on_method("register_buffer", "register_parameter", "add_module", "register_module")
def _register(
    machine: Machine, receiver: Value, _name: str, args: list[Value], kwargs: dict[str, Value], node: ast.AST
) -> Value | None:
    if network_of(receiver) is None:
        return None
    name = args[0] if args else kwargs.get("name", ANYTHING)
    value = args[1] if len(args) > 1 else kwargs.get("tensor", kwargs.get("param", ANYTHING))
    if isinstance(name.const, str):
        machine.set_attribute(receiver, name.const, value, node)
    return NONE


@on_method(
    "to",
    "cuda",
    "cpu",
    "bfloat16",
    "half",
    "float",
    "double",
    "eval",
    "train",
    "requires_grad_",
    "compile",
    "type",
)
def _same(
    machine: Machine, receiver: Value, name: str, args: list[Value], _kwargs: dict[str, Value], node: ast.AST
) -> Value | None:
    ref = receiver.ref
    if isinstance(ref, Instance) and ref.is_module:
        if name in {"train", "eval"}:
            is_training = name == "train" and not (args and args[0].const is False)
            forward_state.set_mode(machine, ref, is_training=is_training)
        return receiver
    if isinstance(ref, Parameters):
        return receiver
    if name == "requires_grad_" and isinstance(ref, Tensor):
        if not (args and args[0].const is False) and not ref.is_state:
            machine.states[ref.id] = ref
            ref.is_state = True
            content = ref.slots.get(CONTENT, ANYTHING).source
            machine.heap.put(ref, LEARNED, Value(source=Source(learned=content.learned)))
        return receiver
    if name == "requires_grad_" and not (args and args[0].const is False):
        return new_state(machine, receiver, node)
    if isinstance(ref, Tensor) and name in {"to", "cuda", "float", "double"}:
        return receiver
    return None


@on_attribute("module", "_orig_mod", "data")
def _inner(machine: Machine, value: Value, name: str, _node: ast.AST) -> Value | None:
    del machine
    ref = value.ref
    if name == "data":
        base = ref.base if isinstance(ref, View) else ref
        return value if isinstance(ref, Parameters) or isinstance(base, Tensor) else None
    return value if isinstance(ref, Instance) and ref.is_module else None


@on_attribute("weight", "bias", "in_proj_weight")
def _weight(machine: Machine, value: Value, _name: str, _node: ast.AST) -> Value | None:
    ref = value.ref
    if isinstance(ref, Instance) and ref.is_module:
        return Value(ref=Parameters(machine.heap.new_id(), ref))
    return None


@on_call("torch.func.functional_call", "torch.nn.utils.stateless.functional_call")
def _functional_call(
    machine: Machine, _path: str, args: list[Value], kwargs: dict[str, Value], node: ast.AST
) -> Value | None:
    if len(args) < 2:
        return None
    weights = machine.deep_source(args[1])
    inputs = args[2:3]
    if inputs and isinstance(inputs[0].ref, Sequence):
        inputs = inputs[0].ref.elements
    result = machine.call(args[0], inputs, kwargs, node)
    added = Source(learned=weights.learned, states=weights.states)
    return result.with_source(computed_from((machine.source_of(result), added)))


@on_call("builtins.super")
def _super(
    machine: Machine, _path: str, args: list[Value], _kwargs: dict[str, Value], _node: ast.AST
) -> Value:
    owner = machine.frame.owner
    function_owner = getattr(owner, "owner", None)
    receiver = args[1] if len(args) > 1 else machine.frame.self_value
    if isinstance(function_owner, Class) and receiver is not None:
        for base in function_owner.bases:
            if isinstance(base.ref, Class):
                return Value(ref=Super(machine.heap.new_id(), base.ref, receiver))
    return ANYTHING
