"""The environment, command line and machine of a run, as the profile says."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from harness.audit.interpreter.heap import Extern, Instance, Mapping
from harness.audit.interpreter.values import (
    ANYTHING,
    ENVIRONMENT,
    FALSE,
    NONE,
    NOTHING,
    TRUE,
    UNKNOWN,
    Source,
    Value,
)
from harness.audit.libraries.builtin_functions import CASTS
from harness.audit.libraries.registry import HANDLERS, on_call, on_method

if TYPE_CHECKING:
    import ast

    from harness.audit.interpreter.heap import Scope
    from harness.audit.interpreter.machine import Machine
    from harness.audit.run_profile import RunProfile

_FROM = Source(labels=frozenset({ENVIRONMENT}))
_ENVIRON = "os.environ"
_TOLD = "tokens in the environment"
_RANKS = ("RANK", "LOCAL_RANK")
_PLAIN = (str, int, float, bool)


def lookup(machine: Machine, name: object) -> Value | None:
    """An environment variable as the profile sets it; None when unset."""
    if not isinstance(name, str):
        return None
    told = _told(machine, name)
    if told is not None:
        return told
    text = machine.ask(("environment", name), lambda profile: _variable(profile, name))
    return Value(text, None, _FROM) if text is not None else None


def _variable(profile: RunProfile, name: str) -> object:
    """The text of a variable; None when it is not set, UNKNOWN when only the shell knew to what."""
    if name in _RANKS:
        return "0"
    setting = profile.environment.get(name)
    if setting is not None:
        return setting.value
    if name == "WORLD_SIZE":
        return str(profile.world_size)
    return UNKNOWN if name in profile.unknown else None


@on_call("os.environ.get", "os.getenv", "os.environ.pop", "os.environ.setdefault")
def _get(machine: Machine, _path: str, args: list[Value], kwargs: dict[str, Value], node: ast.AST) -> Value:
    default = args[1] if len(args) > 1 else kwargs.get("default", NONE)
    name = args[0].const if args else UNKNOWN
    if not isinstance(name, str):
        return ANYTHING
    told = _told(machine, name)
    if told is not None:
        return told
    cast = _conversion(machine, node)
    if _is_bare(default, _PLAIN if cast else (str,)):
        # Set to its default or not set at all, "3" or "3.0" made a float: no difference to the script.
        const = default.const
        question = ("environment", name, cast, repr(const))
        return Value(machine.ask(question, lambda profile: _heard(profile, name, const, cast)), None, _FROM)
    found = lookup(machine, name)
    if found is not None:
        return found
    return Value(default.const, default.ref, default.source.labelled(ENVIRONMENT), default.line)


def _is_bare(value: Value, kinds: tuple[type, ...]) -> bool:
    """Whether all there is to the value is a constant of these types, perhaps from the environment itself."""
    if type(value.const) not in kinds or value.ref is not None or value.line is not None:
        return False
    source = value.source
    return source is NOTHING or (
        source.labels <= _FROM.labels
        and not (source.index or source.reads or source.learned or source.states or source.scores)
        and not source.shards
        and source.forward is None
    )


def _conversion(machine: Machine, node: ast.AST) -> str:
    """The builtin type of number that is made of a read at once, "" where something else is."""
    name = machine.program.facts(machine.frame.file).converted.get(id(node), "")
    scope: Scope | None = machine.frame.scope
    while name and scope is not None:
        if name in scope.slots:
            return ""
        scope = scope.outer
    return name


def _heard(profile: RunProfile, name: str, default: object, cast: str) -> object:
    """What the script makes of a variable; its text, or the default, where it makes an error of that."""
    found = _variable(profile, name)
    given: Any = default if found is None else found
    try:
        return CASTS[cast](given) if cast and given is not UNKNOWN else given
    except (TypeError, ValueError, OverflowError):
        return given


def _told(machine: Machine, name: str) -> Value | None:
    """What the script itself put into a variable, where that tells tokens."""
    told: dict[str, Source] = machine.facts.get(_TOLD, {})
    return Value(source=told[name]) if name in told else None


def _put(machine: Machine, owner: Value, key: Value, value: Value, node: ast.AST, is_update: bool) -> bool:
    """`os.environ[name] = text`: only text made of tokens is kept, settings are those of the profile."""
    del node, is_update
    source = machine.deep_source(value)
    if isinstance(owner.ref, Extern) and owner.ref.path == _ENVIRON and source.reads:
        if isinstance(key.const, str):
            machine.facts.setdefault(_TOLD, {})[key.const] = source.labelled(ENVIRONMENT)
        return True
    return False


HANDLERS.stores.append(_put)


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
        word = item.const
        return TRUE if machine.ask(("word", word), lambda profile: word in profile.argv) else FALSE
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
    return Value(machine.ask("world size", lambda profile: profile.world_size))


@on_call("torch.cuda.get_device_capability")
def _capability(
    machine: Machine, _path: str, _args: list[Value], _kwargs: dict[str, Value], _node: ast.AST
) -> Value:
    return machine.heap.sequence("tuple", [Value(9), Value(0)])


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
    text = machine.ask(("option", *names), lambda profile: _after_option(profile.argv, names))
    if text is None:
        return None
    if action in {"store_true", "store_false"}:
        return TRUE if action == "store_true" else FALSE
    value = Value(text, None, _FROM)
    return machine.call(kind, [value], {}, node) if kind is not None and kind.ref is not None else value


def _after_option(argv: tuple[str, ...], names: list[str]) -> str | None:
    """The word that belongs to the first of these options on the command line; None when none is there."""
    for at, word in enumerate(argv):
        name, _, after = word.partition("=")
        if name in names:
            return after or (argv[at + 1] if at + 1 < len(argv) else "")
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
