"""The environment, command line and machine of a run, as the profile says."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.audit.interpreter.heap import Extern, Instance, Mapping
from harness.audit.interpreter.values import (
    ANYTHING,
    ENVIRONMENT,
    FALSE,
    NONE,
    TRUE,
    Source,
    Value,
)
from harness.audit.libraries.registry import HANDLERS, on_call, on_method

if TYPE_CHECKING:
    import ast

    from harness.audit.interpreter.machine import Machine

_FROM = Source(labels=frozenset({ENVIRONMENT}))
_ENVIRON = "os.environ"
_ALWAYS = ("RANK", "LOCAL_RANK", "WORLD_SIZE")


def lookup(machine: Machine, name: object) -> Value | None:
    """An environment variable as the profile sets it; None when unset."""
    if not isinstance(name, str):
        return None
    setting = machine.profile.environment.get(name)
    if setting is not None and name not in {"RANK", "LOCAL_RANK"}:
        return Value(setting.value, None, _FROM)
    if name == "WORLD_SIZE":
        return Value(str(machine.profile.world_size), None, _FROM)
    if name in _ALWAYS:
        return Value("0", None, _FROM)
    if name in machine.profile.unknown:
        return Value(source=_FROM)  # set to what only the shell knew: not the script's default
    return None


@on_call("os.environ.get", "os.getenv", "os.environ.pop", "os.environ.setdefault")
def _get(machine: Machine, _path: str, args: list[Value], kwargs: dict[str, Value], _node: ast.AST) -> Value:
    default = args[1] if len(args) > 1 else kwargs.get("default", NONE)
    if not args or not isinstance(args[0].const, str):
        return ANYTHING
    found = lookup(machine, args[0].const)
    if found is not None:
        return found
    return Value(default.const, default.ref, default.source.labelled(ENVIRONMENT), default.line)


def _subscript(machine: Machine, owner: Value, key: Value, _node: ast.AST) -> Value | None:
    if not isinstance(owner.ref, Extern) or owner.ref.path not in {_ENVIRON, "sys.argv"}:
        return None
    if owner.ref.path == "sys.argv":
        return ANYTHING
    return lookup(machine, key.const) or ANYTHING


HANDLERS.subscripts.append(_subscript)


def contains(machine: Machine, container: Value, item: Value) -> Value | None:
    """`"RANK" in os.environ`."""
    if isinstance(container.ref, Extern) and container.ref.path == _ENVIRON and isinstance(item.const, str):
        return TRUE if lookup(machine, item.const) is not None else FALSE
    if isinstance(container.ref, Extern) and container.ref.path == "sys.argv" and isinstance(item.const, str):
        return TRUE if item.const in machine.profile.argv else FALSE
    return None


@on_call(
    "torch.cuda.is_available",
    "torch.distributed.is_available",
    "torch.distributed.is_initialized",
    "torch.cuda.is_bf16_supported",
    "torch.distributed.is_nccl_available",
)
def _yes(
    machine: Machine, _path: str, _args: list[Value], _kwargs: dict[str, Value], _node: ast.AST
) -> Value:
    del machine
    return TRUE


@on_call("torch.distributed.get_rank", "torch.cuda.current_device")
def _rank(
    machine: Machine, _path: str, _args: list[Value], _kwargs: dict[str, Value], _node: ast.AST
) -> Value:
    del machine
    return Value(0)


@on_call("torch.distributed.get_world_size")
def _world(
    machine: Machine, _path: str, _args: list[Value], _kwargs: dict[str, Value], _node: ast.AST
) -> Value:
    return Value(machine.profile.world_size)


@on_call("torch.cuda.get_device_capability")
def _capability(
    machine: Machine, _path: str, _args: list[Value], _kwargs: dict[str, Value], _node: ast.AST
) -> Value:
    return machine.heap.sequence("tuple", [Value(9), Value(0)])


def is_logged(machine: Machine, name: str) -> bool:
    """Whether a log prints a hyperparameter of this name."""
    return name in machine.profile.attributes


def as_logged(machine: Machine, name: str, value: Value) -> Value:
    """An attribute as the log printed it, where it comes from the environment."""
    from harness.audit.interpreter.assignments import as_logged as in_class

    return in_class(machine, name, value)


@on_call("argparse.ArgumentParser")
def _parser(
    machine: Machine, _path: str, _args: list[Value], _kwargs: dict[str, Value], _node: ast.AST
) -> Value:
    made = Instance(machine.heap.new_id(), None, "argparse")
    machine.heap.put(made, "<options>", Value(ref=Mapping(machine.heap.new_id())))
    return Value(ref=made)


@on_method("add_argument")
def _add_argument(
    machine: Machine, receiver: Value, _name: str, args: list[Value], kwargs: dict[str, Value], node: ast.AST
) -> Value | None:
    ref = receiver.ref
    if not isinstance(ref, Instance) or ref.library != "argparse":
        return None
    names = [one.const for one in args if isinstance(one.const, str)]
    options = ref.slots["<options>"].ref
    if not names or options is None:
        return NONE
    long = next((name for name in names if name.startswith("--")), names[0])
    dest = kwargs.get("dest", NONE).const
    dest = dest if isinstance(dest, str) else long.lstrip("-").replace("-", "_")
    action = kwargs.get("action", NONE).const
    default = kwargs.get(
        "default", FALSE if action == "store_true" else TRUE if action == "store_false" else NONE
    )
    given = _on_command_line(machine, names, action, kwargs.get("type"), node)
    value = given if given is not None else default.with_source(default.source.labelled(ENVIRONMENT))
    machine.heap.put(options, ("key", dest), value)
    return NONE


def _on_command_line(
    machine: Machine, names: list[str], action: object, kind: Value | None, node: ast.AST
) -> Value | None:
    argv = machine.profile.argv
    for at, word in enumerate(argv):
        name, _, after = word.partition("=")
        if name not in names:
            continue
        if action in {"store_true", "store_false"}:
            return TRUE if action == "store_true" else FALSE
        text = after or (argv[at + 1] if at + 1 < len(argv) else "")
        value = Value(text, None, _FROM)
        return machine.call(kind, [value], {}, node) if kind is not None and kind.ref is not None else value
    return None


@on_method("parse_args", "parse_known_args")
def _parse(
    machine: Machine,
    receiver: Value,
    name: str,
    _args: list[Value],
    _kwargs: dict[str, Value],
    _node: ast.AST,
) -> Value | None:
    ref = receiver.ref
    if not isinstance(ref, Instance) or ref.library != "argparse":
        return None
    made = Instance(machine.heap.new_id(), None, "namespace")
    options = ref.slots["<options>"].ref
    if options is not None:
        for key, value in options.slots.items():
            if isinstance(key, tuple):
                machine.heap.put(made, str(key[1]), value)
    namespace = Value(ref=made)
    if name == "parse_known_args":
        return machine.heap.sequence("tuple", [namespace, machine.heap.sequence("list", [])])
    return namespace
