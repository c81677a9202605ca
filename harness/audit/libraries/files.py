"""Files and buffers: what is written is found again when it is read."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.audit.interpreter.heap import CONTENT, Alternatives, Instance, Stored, Text
from harness.audit.interpreter.values import (
    ANYTHING,
    COUNTER,
    NONE,
    NOTHING,
    UNKNOWN,
    Source,
    Value,
    computed_from,
)
from harness.audit.libraries import printing, saved_state
from harness.audit.libraries.registry import HANDLERS, on_call, on_method

if TYPE_CHECKING:
    import ast

    from harness.audit.interpreter.machine import Machine

Args = list[Value]
Kwargs = dict[str, Value]
PATH_AT_MOST = 400


def path_text(value: Value) -> str:
    """A path as far as known: unknown parts are `{}`."""
    if isinstance(value.const, str):
        return value.const[:PATH_AT_MOST]
    if isinstance(value.ref, Text):
        return value.ref.template[:PATH_AT_MOST]
    if isinstance(value.ref, Instance):
        held = value.ref.slots.get("<path>")
        return path_text(held) if held is not None else ""
    if isinstance(value.ref, Stored):
        return value.ref.path
    if isinstance(value.ref, Alternatives):
        return next((text for text in map(path_text, value.ref.options) if text), "")
    return ""


@on_call("builtins.open", "io.open", "gzip.open", "lzma.open", "bz2.open", "os.fdopen", "os.open")
def _open(machine: Machine, _path: str, args: Args, kwargs: Kwargs, _node: ast.AST) -> Value:
    mode = args[1] if len(args) > 1 else kwargs.get("mode", Value("r"))
    text = path_text(args[0]) if args else ""
    made = Stored(machine.heap.new_id(), text or "?", mode.const if isinstance(mode.const, str) else "")
    source = machine.deep_source(args[0]) if args else NOTHING
    return Value(ref=made, source=Source(index=source.index))


@on_call("io.BytesIO", "io.StringIO", "tempfile.*")
def _buffer(machine: Machine, _path: str, args: Args, _kwargs: Kwargs, _node: ast.AST) -> Value:
    made = Stored(machine.heap.new_id(), "", "buffer")
    if args:
        machine.heap.put(made, CONTENT, Value(args[0].const, None, machine.deep_source(args[0])))
    return Value(ref=made)


def held(machine: Machine, ref: Stored) -> Value:
    """What a file or buffer holds."""
    if ref.path:
        found = machine.disk.slots.get(ref.path)
        if found is None and ref.path in {"?", "{}"}:
            found = Value(source=computed_from(value.source for value in machine.disk.slots.values()))
        return found if found is not None else ANYTHING
    return ref.slots.get(CONTENT, ANYTHING)


def write(machine: Machine, ref: Stored, value: Value) -> None:
    """Add to a file or buffer."""
    source = machine.deep_source(value)
    if ref.path:
        now = machine.disk.slots.get(ref.path)
        if now is not None and ("a" in ref.mode or "+" in ref.mode or ref.path == "?"):
            source = computed_from((now.source, source))
        machine.heap.put(machine.disk, ref.path, Value(source=source))
        return
    now = ref.slots.get(CONTENT)
    if now is not None:
        source = computed_from((now.source, source))
    machine.heap.put(ref, CONTENT, Value(source=source))


@on_method("write", "write_bytes", "write_text", "writelines")
def _write(
    machine: Machine, receiver: Value, name: str, args: Args, _kwargs: Kwargs, node: ast.AST
) -> Value | None:
    ref = receiver.ref
    if isinstance(ref, Stored):
        for value in args:
            saved_state.exported(machine, machine.deep_source(value), Value(ref.path), node)
            write(machine, ref, value)
        printing.printed(machine, args, node)
        return NONE
    path = path_text(receiver)
    if args and (path or name != "write"):
        value = args[0]
        saved_state.exported(machine, machine.deep_source(value), Value(path), node)
        machine.heap.put(machine.disk, path or "?", Value(source=machine.deep_source(value)))
        return NONE
    printing.printed(machine, args, node)
    return NONE


@on_method("getvalue", "getbuffer", "read", "read_bytes", "read_text", "readline", "readlines")
def _read(
    machine: Machine, receiver: Value, name: str, _args: Args, _kwargs: Kwargs, node: ast.AST
) -> Value | None:
    from harness.audit.libraries import token_files

    ref = receiver.ref
    if isinstance(ref, Stored):
        tokens = token_files.tokens_of(machine, ref.path, node)
        if tokens is not None:
            return tokens
        value = held(machine, ref)
        if "+" in ref.mode and machine.loops and value.source.learned == frozenset():
            return Value(source=_handed_out(machine, value.source))
        return value
    path = path_text(receiver)
    if path and name.startswith("read_"):
        tokens = token_files.tokens_of(machine, path, node)
        if tokens is not None:
            return tokens
        return machine.disk.slots.get(path, ANYTHING)
    return None


def _handed_out(machine: Machine, source: Source) -> Source:
    """A counter in a file that is read and written under a lock gives each pass a value of its own."""
    loop = machine.loops[-1]
    return source.changed(
        index={loop.id: (loop.number, loop.number)}, labels=source.labels | {COUNTER}, reads=frozenset()
    )


@on_call("os.read", "os.pread", "fcntl.*")
def _os_read(machine: Machine, path: str, _args: Args, _kwargs: Kwargs, _node: ast.AST) -> Value | None:
    if path.startswith("os.") and machine.loops:
        return Value(source=_handed_out(machine, NOTHING))
    return NONE if path.startswith("fcntl") else None


@on_call("int.from_bytes", "builtins.int.from_bytes", "struct.unpack")
def _from_bytes(machine: Machine, _path: str, args: Args, _kwargs: Kwargs, _node: ast.AST) -> Value | None:
    return Value(source=computed_from(machine.deep_source(one) for one in args))


@on_call("torch.load", "pickle.load", "safetensors.torch.load_file", "json.load", "joblib.load", "numpy.load")
def _load(machine: Machine, path: str, args: Args, kwargs: Kwargs, node: ast.AST) -> Value | None:
    from harness.audit.libraries import token_files

    given = args[0] if args else kwargs.get("f", ANYTHING)
    if path == "numpy.load":
        tokens = token_files.tokens_of(machine, path_text(given), node)
        if tokens is not None:
            return tokens
    if isinstance(given.ref, Stored):
        return Value(source=held(machine, given.ref).source)
    found = machine.disk.slots.get(path_text(given) or "?")
    return Value(source=found.source if found is not None else machine.deep_source(given).changed(index={}))


@on_call("os.path.exists", "os.path.isfile", "os.path.getsize", "os.stat", "os.listdir", "os.path.isdir")
def _asked(machine: Machine, _path: str, _args: Args, _kwargs: Kwargs, _node: ast.AST) -> Value:
    del machine
    return ANYTHING


@on_call(
    "os.path.join",
    "pathlib.Path",
    "pathlib.PurePath",
    "pathlib.PosixPath",
    "os.fspath",
    "os.path.abspath",
    "os.path.expanduser",
    "os.path.realpath",
    "os.path.normpath",
)
def _path(machine: Machine, _path_: str, args: Args, _kwargs: Kwargs, node: ast.AST) -> Value:
    return joined_path(machine, args, node)


@on_call("os.path.dirname", "os.path.basename")
def _part_of_path(machine: Machine, path: str, args: Args, _kwargs: Kwargs, node: ast.AST) -> Value | None:
    """The folder, or the name of the file or the pattern."""
    from harness.audit.interpreter.operators import text

    whole = path_text(args[0]) if args else ""
    if not whole:
        return None
    head, _, tail = whole.rpartition("/")
    part = head if path.endswith("dirname") else tail
    if isinstance(args[0].const, str):
        return Value(part)
    return text(machine, part, [args[0]], args[0].source.changed(reads=frozenset()), node)


def joined_path(machine: Machine, parts: Args, node: ast.AST) -> Value:
    """Paths are texts; unknown parts are `{}`."""
    from harness.audit.interpreter.operators import text

    texts = [path_text(part) or "{}" for part in parts]
    joined = "/".join(one.rstrip("/") or "/" for one in texts).replace("//", "/")
    if all(part.const is not UNKNOWN for part in parts):
        return Value(joined)
    source = computed_from(part.source.changed(reads=frozenset()) for part in parts)
    return text(machine, joined, list(parts), source, node)


def _divided(machine: Machine, op: object, left: Value, right: Value, result: Value, node: ast.AST) -> Value:
    """`path / "name"`."""
    if (
        type(op).__name__ == "Div"
        and (isinstance(left.const, str) or isinstance(left.ref, Text))
        and (right.const is UNKNOWN or isinstance(right.const, str))
    ):
        return joined_path(machine, [left, right], node)
    return result


HANDLERS.computed.append(_divided)


@on_call("glob.glob", "glob.iglob")
def _glob(machine: Machine, _path: str, args: Args, _kwargs: Kwargs, node: ast.AST) -> Value:
    return found_files(machine, path_text(args[0]) if args else "", node)


@on_method("glob", "rglob", "iterdir")
def _glob_method(
    machine: Machine, receiver: Value, _name: str, args: Args, _kwargs: Kwargs, node: ast.AST
) -> Value | None:
    parts = [one for one in (path_text(receiver), path_text(args[0]) if args else "") if one]
    return found_files(machine, "/".join(parts), node)


def found_files(machine: Machine, pattern: str, node: ast.AST) -> Value:
    """Some files that match the pattern; each is known by the pattern."""
    from harness.audit.interpreter.operators import text

    return machine.heap.summary("list", text(machine, pattern, [], NOTHING, node))
