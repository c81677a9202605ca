"""Follows a script's constants to the text it hands to exec(), without running it.

An interpreter for the small part of Python that self-extracting scripts are made of: assignments, imports,
loops over constants, decoders and decompressors. Whatever it does not know stays unknown; it never guesses,
imports, opens or executes.
"""

from __future__ import annotations

import ast
import posixpath
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from harness.code.decompression import DecodeError, OutputBudget, decompress
from harness.code.folded_library import LIBRARY
from harness.code.folded_values import (
    CONSTANTS,
    CONSTRUCTORS,
    DECOMPRESSORS,
    FOLDER,
    TEXT_DECODERS,
    CannotFoldError,
    FilePath,
    Function,
    Instance,
    Method,
    OpenFile,
    Payload,
    Program,
    Symbol,
    Value,
    call_method,
    combine,
    compare,
    decode_by_codec,
    decode_text,
    join,
    longest,
    path_of,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from harness.code.folded_files import FoldedFiles

# A wrapper folds in a few dozen steps; a bundle of modules in a few hundred.
STEPS_AT_MOST = 100_000
CALL_DEPTH_AT_MOST = 12
ITEMS_AT_MOST = 100_000

_RUNNERS = {"builtins.exec", "builtins.eval"}
_PATH_RUNNERS = {
    "runpy.run_path", "builtins.execfile", "subprocess.run", "subprocess.call", "subprocess.check_call",
    "subprocess.Popen", "subprocess.check_output", "os.system", "os.execv", "os.execvp", "os.execvpe",
}  # fmt: skip


class _Return(Exception):  # noqa: N818
    def __init__(self, value: Value | None) -> None:
        super().__init__()
        self.value = value


@dataclass(slots=True)
class Folder:
    """One script's folding; `disk` holds the files it would find."""

    disk: FoldedFiles
    budget: OutputBudget
    payloads: list[Payload] = field(default_factory=list)
    unfolded: list[tuple[int, str]] = field(default_factory=list)  # exec() of something unknown: line, why
    trouble: list[tuple[int, str]] = field(default_factory=list)  # decoders that refused their input
    names: dict[str, Value | None] = field(default_factory=dict)
    steps: int = 0
    depth: int = 0

    def follow(self, tree: ast.Module) -> None:
        """Fold the whole script; `payloads`, `unfolded` and `trouble` hold what came out."""
        self.names = {
            "__file__": Value(f"{FOLDER}/{self.disk.script}"),
            "__name__": Value("__main__"),
        }
        try:
            self._block(tree.body)
        except (_Return, _OutOfStepsError):
            return

    # Statements

    def _block(self, body: Sequence[ast.stmt]) -> None:
        for statement in body:
            self._step()
            try:
                self._statement(statement)
            except CannotFoldError:
                for name in _assigned(statement):
                    self.names[name] = None

    def _step(self) -> None:
        self.steps += 1
        if self.steps > STEPS_AT_MOST:
            raise _OutOfStepsError

    def _statement(self, node: ast.stmt) -> None:
        match node:
            case ast.Import():
                for alias in node.names:
                    name = alias.name if alias.asname else alias.name.partition(".")[0]
                    self.names[alias.asname or name] = Value(Symbol(name))
            case ast.ImportFrom(module=str(module), level=0):
                for alias in node.names:
                    self.names[alias.asname or alias.name] = Value(Symbol(f"{module}.{alias.name}"))
            case ast.Assign():
                value = self.fold(node.value)
                for target in node.targets:
                    self._bind(target, value)
            case ast.AnnAssign(value=ast.expr() as right):
                self._bind(node.target, self.fold(right))
            case ast.AugAssign(target=ast.Name(id=name)):
                left = self._name(name)
                right_value = self.fold(node.value)
                raw = combine(type(node.op).__name__, left.raw, right_value.raw)
                self.names[name] = Value(raw, longest(left, right_value))
            case ast.Expr():
                self.fold(node.value)
            case ast.FunctionDef():
                self.names[node.name] = Value(Function(node))
            case ast.Return():
                raise _Return(self.fold(node.value) if node.value else Value(None))
            case ast.If():
                self._if(node)
            case ast.For():
                self._for(node)
            case ast.With():
                self._with(node)
            case ast.Try():
                for part in (node.body, node.orelse, node.finalbody):
                    self._block(part)
            case ast.While():
                for name in _assigned(node):
                    self.names[name] = None
            case _:
                for name in _assigned(node):
                    self.names[name] = None

    def _if(self, node: ast.If) -> None:
        try:
            known: bool | None = bool(self.fold(node.test).raw)
        except CannotFoldError:
            known = None
        if known is not False:
            self._block(node.body)
        if known is not True:
            self._block(node.orelse)

    def _for(self, node: ast.For) -> None:
        try:
            items = self.items(self.fold(node.iter))
        except CannotFoldError:
            for name in _assigned(node):
                self.names[name] = None
            self._block(node.body)
            return
        for item in items:
            self._bind(node.target, item)
            self._block(node.body)
        self._block(node.orelse)

    def _with(self, node: ast.With) -> None:
        for item in node.items:
            try:
                value: Value | None = self.fold(item.context_expr)
            except CannotFoldError:
                value = None
            if isinstance(item.optional_vars, ast.Name):
                self.names[item.optional_vars.id] = value
        self._block(node.body)

    def _bind(self, target: ast.expr, value: Value) -> None:
        match target:
            case ast.Name(id=name):
                self.names[name] = value
            case ast.Tuple(elts=elements) | ast.List(elts=elements):
                items = self.items(value)
                if len(items) != len(elements):
                    raise CannotFoldError("an unpacking of another length")
                for element, item in zip(elements, items, strict=True):
                    self._bind(element, item)
            case ast.Subscript(value=ast.Name(id=name)):
                owner = self.names.get(name)
                if owner is not None and isinstance(owner.raw, dict):
                    key = self.fold(target.slice).raw
                    self.names[name] = Value({**owner.raw, _key(key): value.raw}, longest(owner, value))
            case _:
                return  # an attribute, sys.modules[...]: no constant we need

    # Expressions

    def fold(self, node: ast.expr) -> Value:
        """The value of an expression; raises `CannotFoldError` when only a run would know it."""
        self._step()
        match node:
            case ast.Constant(value=raw):
                return Value(raw)
            case ast.Name(id=name):
                return self._name(name)
            case ast.Attribute():
                return self.attribute(self.fold(node.value), node.attr)
            case ast.Call():
                return self._call(node)
            case ast.BinOp():
                return self._binary(node)
            case ast.JoinedStr(values=parts) | ast.Tuple(elts=parts) | ast.List(elts=parts):
                return self._sequence(node, parts)
            case ast.FormattedValue(value=inner, conversion=-1, format_spec=None):
                folded = self.fold(inner)
                if not isinstance(folded.raw, (str, int)):
                    raise CannotFoldError("a formatted object")
                return Value(str(folded.raw), folded.layers)
            case ast.Dict():
                return self._dict(node)
            case ast.Subscript():
                return self._subscript(node)
            case ast.UnaryOp(op=ast.USub(), operand=inner):
                number = self.fold(inner).raw
                if isinstance(number, int):
                    return Value(-number)
            case ast.UnaryOp(op=ast.Not(), operand=inner):
                return Value(not self.fold(inner).raw)
            case ast.Compare(left=left, ops=[op], comparators=[right]):
                return Value(compare(type(op).__name__, self.fold(left).raw, self.fold(right).raw))
            case ast.IfExp():
                return self.fold(node.body if self.fold(node.test).raw else node.orelse)
            case ast.NamedExpr(target=ast.Name(id=name)):
                self.names[name] = value = self.fold(node.value)
                return value
            case ast.Lambda():
                return Value(Function(node))
            case ast.GeneratorExp(elt=item, generators=[one]) | ast.ListComp(elt=item, generators=[one]):
                return self._comprehension(item, one)
            case _:
                pass
        raise CannotFoldError(f"a {type(node).__name__} in line {getattr(node, 'lineno', 0)}")

    def _binary(self, node: ast.BinOp) -> Value:
        """Long sums of strings lean left: walk down instead of recursing."""
        spine = [node]
        while isinstance(spine[-1].left, ast.BinOp):
            spine.append(spine[-1].left)
        value = self.fold(spine[-1].left)
        for one in reversed(spine):
            self._step()
            right = self.fold(one.right)
            value = Value(combine(type(one.op).__name__, value.raw, right.raw), longest(value, right))
        return value

    def _name(self, name: str) -> Value:
        if name in self.names:
            value = self.names[name]
            if value is None:
                raise CannotFoldError(f"{name} is not constant")
            return value
        return Value(Symbol(f"builtins.{name}"))

    def _sequence(self, node: ast.expr, parts: Sequence[ast.expr]) -> Value:
        values: list[Value] = []
        for part in parts:
            if isinstance(part, ast.Starred):
                values.extend(self.items(self.fold(part.value)))
            else:
                values.append(self.fold(part))
        layers = longest(*values)
        raws = [value.raw for value in values]
        if isinstance(node, ast.JoinedStr):
            return Value(call_method("", "join", [raws], {}), layers)
        return Value(tuple(raws) if isinstance(node, ast.Tuple) else raws, layers)

    def _dict(self, node: ast.Dict) -> Value:
        raw: dict[Any, Any] = {}
        values = []
        for key, value_node in zip(node.keys, node.values, strict=True):
            value = self.fold(value_node)
            values.append(value)
            if key is None:
                raw |= dict(value.raw)
            else:
                raw[_key(self.fold(key).raw)] = value.raw
        return Value(raw, longest(*values))

    def _subscript(self, node: ast.Subscript) -> Value:
        owner = self.fold(node.value)
        if isinstance(node.slice, ast.Slice):
            ends = [
                self.fold(end).raw if end else None
                for end in (node.slice.lower, node.slice.upper, node.slice.step)
            ]
            key: Any = slice(*ends)
        else:
            key = self.fold(node.slice).raw
        if not isinstance(owner.raw, (str, bytes, list, tuple, dict)):
            raise CannotFoldError("a subscript of an object")
        try:
            return Value(owner.raw[key], owner.layers)
        except (LookupError, TypeError, ValueError) as error:
            raise CannotFoldError(str(error)) from error

    def _comprehension(self, item: ast.expr, one: ast.comprehension) -> Value:
        values = []
        for value in self.items(self.fold(one.iter)):
            self._bind(one.target, value)
            if all(self.fold(test).raw for test in one.ifs):
                values.append(self.fold(item))
        return Value([value.raw for value in values], longest(*values))

    def items(self, value: Value) -> list[Value]:
        """The items of a constant sequence."""
        if not isinstance(value.raw, (list, tuple, dict, range, str, bytes)):
            raise CannotFoldError("a loop over an object")
        if len(value.raw) > ITEMS_AT_MOST:
            raise CannotFoldError(f"a loop over {len(value.raw):,} items")
        return [Value(raw, value.layers) for raw in value.raw]

    def attribute(self, owner: Value, name: str) -> Value:
        """An attribute of a known value."""
        raw = owner.raw
        if isinstance(raw, Symbol):
            full = f"{raw.name}.{name}"
            return Value(CONSTANTS.get(full, Symbol(full)))
        if isinstance(raw, FilePath):
            parts = {
                "parent": FilePath(posixpath.dirname(raw.path)),
                "name": posixpath.basename(raw.path),
                "stem": posixpath.splitext(posixpath.basename(raw.path))[0],
                "suffix": posixpath.splitext(raw.path)[1],
            }
            return Value(parts.get(name, Method(owner, name)))
        if isinstance(raw, Instance) and name in {"__dict__", "loader", "__name__"}:
            return owner
        return Value(Method(owner, name), owner.layers)

    # Calls

    def _call(self, node: ast.Call) -> Value:
        function = self.fold(node.func).raw
        if isinstance(function, Symbol) and function.name in _RUNNERS and node.args:
            return self._run(node)
        arguments: list[Value] = []
        for argument in node.args:
            if isinstance(argument, ast.Starred):
                arguments.extend(self.items(self.fold(argument.value)))
            else:
                arguments.append(self.fold(argument))
        keywords = self._keywords(node, function)
        self.depth += 1
        try:
            if self.depth > CALL_DEPTH_AT_MOST * 4:
                raise CannotFoldError("calls nested too deep")
            if isinstance(function, Function):
                return self.call_own(function, arguments, keywords)
            if isinstance(function, Method):
                return self._method(function, arguments, keywords, node.lineno)
            if isinstance(function, Symbol):
                return self.call_library(function.name, arguments, keywords, node.lineno)
        finally:
            self.depth -= 1
        raise CannotFoldError("a call of an unknown object")

    def _keywords(self, node: ast.Call, function: object) -> dict[str, Value]:
        """Known keyword arguments; a decompressor may do without one (its filters can be guessed)."""
        may_miss = isinstance(function, Symbol) and function.name in DECOMPRESSORS
        keywords = {}
        for one in node.keywords:
            if one.arg is None:
                continue
            try:
                keywords[one.arg] = self.fold(one.value)
            except CannotFoldError:
                if not may_miss:
                    raise
        return keywords

    def _run(self, node: ast.Call) -> Value:
        """exec() and eval(): the text is noted, never run."""
        try:
            value = self.fold(node.args[0])
            raw = value.raw.source if isinstance(value.raw, Program) else value.raw
            if not isinstance(raw, (str, bytes)):
                raise CannotFoldError("exec() of something that is not text")
        except CannotFoldError as error:
            self.unfolded.append((node.lineno, str(error)))
            return Value(None)
        name = ""
        if len(node.args) > 1:
            try:
                space = self.fold(node.args[1]).raw
                name = str(space.arguments[0]) if isinstance(space, Instance) and space.arguments else ""
            except CannotFoldError:
                name = ""
        how = "module" if name and name != "__main__" else "exec"
        self.payloads.append(Payload(raw=raw, layers=value.layers, how=how, line=node.lineno, name=name))
        return Value(None)

    def call_own(self, function: Function, arguments: list[Value], keywords: dict[str, Value]) -> Value:
        """Follow a call of a function of the script with what is known of its arguments."""
        parameters = function.node.args
        names = [one.arg for one in [*parameters.posonlyargs, *parameters.args]]
        bound: dict[str, Value | None] = dict.fromkeys(
            [*names, *(one.arg for one in parameters.kwonlyargs)], None
        )
        for name, default in zip(names[::-1], parameters.defaults[::-1], strict=False):
            bound[name] = self.fold(default)
        bound.update(zip(names, arguments, strict=False))
        bound.update({name: value for name, value in keywords.items() if name in bound})
        outer = self.names
        self.names = {**outer, **bound}
        try:
            if isinstance(function.node, ast.Lambda):
                return self.fold(function.node.body)
            self._block(function.node.body)
        except _Return as returned:
            if returned.value is not None:
                return returned.value
        finally:
            self.names = outer
        return Value(None)

    def _method(self, method: Method, arguments: list[Value], keywords: dict[str, Value], line: int) -> Value:
        owner, raws = method.owner, [one.raw for one in arguments]
        layers = longest(owner, *arguments, *keywords.values())
        if isinstance(owner.raw, OpenFile):
            return self._file_method(owner.raw, method.name, arguments)
        if isinstance(owner.raw, FilePath):
            return self._path_method(owner.raw.path, method.name, arguments)
        if isinstance(owner.raw, Instance):
            return self._instance_method(owner.raw, method.name, arguments, line)
        if method.name == "decode" and isinstance(owner.raw, (bytes, bytearray)):
            codec = str(raws[0] if raws else "utf-8")
            layer, decoded = decode_by_codec(owner.raw, codec)
            return Value(decoded, (*layers, layer) if layer else layers)
        plain = {name: one.raw for name, one in keywords.items()}
        return Value(call_method(owner.raw, method.name, raws, plain), layers)

    def _instance_method(self, owner: Instance, name: str, arguments: list[Value], line: int) -> Value:
        full = f"{owner.kind}.{name}"
        if full in DECOMPRESSORS and arguments:
            names = ("format", "memlimit", "filters") if owner.kind.startswith("lzma") else ("wbits",)
            options = dict(zip(names, owner.arguments, strict=False)) | dict(owner.keywords)
            return self.decompress(DECOMPRESSORS[full], arguments[0], options, line)
        if owner.kind.startswith("io.") and name in {"read", "getvalue"} and owner.arguments:
            return Value(owner.arguments[0])
        if owner.kind == "spec" and name == "exec_module" and owner.arguments:
            return self._run_path(str(owner.arguments[0]), line, "")
        raise CannotFoldError(f"the method {full}")

    def _path_method(self, path: str, name: str, arguments: list[Value]) -> Value:
        first = arguments[0].raw if arguments else ""
        match name:
            case "read_bytes":
                return self.disk.contents(path, "rb")
            case "read_text":
                return self.disk.contents(path, "r")
            case "open":
                return Value(OpenFile(path, str(first or "r")))
            case "write_text" | "write_bytes":
                return self._write(path, arguments[0])
            case "resolve" | "absolute" | "expanduser":
                return Value(FilePath(path))
            case "joinpath":
                return Value(FilePath(join(path, *[path_of(one.raw) for one in arguments])))
            case "with_suffix":
                return Value(FilePath(posixpath.splitext(path)[0] + str(first)))
            case "with_name":
                return Value(FilePath(join(posixpath.dirname(path), str(first))))
            case "as_posix" | "__str__":
                return Value(path)
            case "exists" | "is_file":
                return Value(self.disk.exists(path))
            case _:
                raise CannotFoldError(f"Path.{name}")

    def _file_method(self, file: OpenFile, name: str, arguments: list[Value]) -> Value:
        if name == "read" and not arguments:
            return self.disk.contents(file.path, file.mode)
        if name == "write" and arguments:
            return self._write(file.path, arguments[0])
        if name in {"close", "flush"}:
            return Value(None)
        raise CannotFoldError(f"file.{name}")

    def call_library(self, name: str, arguments: list[Value], keywords: dict[str, Value], line: int) -> Value:
        """The result of a library function on known values."""
        layers = longest(*arguments, *keywords.values())
        raws = [one.raw for one in arguments]
        if name in TEXT_DECODERS and raws:
            layer, data = decode_text(name, raws[0])
            return Value(data, (*layers, layer))
        if name in DECOMPRESSORS and raws:
            options = {key: one.raw for key, one in keywords.items()}
            positional = ("wbits",) if DECOMPRESSORS[name] == "zlib" else ("format", "memlimit", "filters")
            options |= dict(zip(positional, raws[1:], strict=False))
            return self.decompress(DECOMPRESSORS[name], arguments[0], options, line)
        if name in CONSTRUCTORS:
            plain = {key: one.raw for key, one in keywords.items()}
            return Value(Instance(name, tuple(raws), plain), layers)
        if name in _PATH_RUNNERS and raws:
            return self._run_command(raws[0], line)
        known = LIBRARY.get(name)
        if known is None:
            raise CannotFoldError(f"a call of {name.removeprefix('builtins.')}")
        try:
            return known(self, arguments, keywords)
        except (TypeError, ValueError, LookupError, AttributeError, OverflowError) as error:
            raise CannotFoldError(f"{name}: {error}") from error

    def decompress(self, kind: str, data: Value, options: dict[str, Any], line: int) -> Value:
        """Undo one compression within the budget; a refusal is noted in `trouble`."""
        if not isinstance(data.raw, (bytes, bytearray)):
            raise CannotFoldError("decompression of something that is not bytes")
        options = {key: option for key, option in options.items() if not isinstance(option, Symbol)}
        try:
            layer, output = decompress(kind, bytes(data.raw), self.budget, options)
        except DecodeError as error:
            self.trouble.append((line, str(error)))
            raise CannotFoldError(str(error)) from error
        value = Value(output, (*data.layers, layer))
        self.payloads.append(Payload(raw=output, layers=value.layers, how="data", line=line))
        return value

    # Files

    def _write(self, path: str, value: Value) -> Value:
        if isinstance(value.raw, (str, bytes)):
            self.disk.write(path, value)
            self.payloads.append(Payload(raw=value.raw, layers=value.layers, how="write", line=0, name=path))
        return Value(None)

    def _run_command(self, command: object, line: int) -> Value:
        words = command if isinstance(command, (list, tuple)) else [command]
        for word in words:
            if isinstance(word, (str, FilePath)):
                for part in str(path_of(word)).split():
                    self._run_path(part, line, "")
        return Value(None)

    def _run_path(self, path: str, line: int, name: str) -> Value:
        written = self.disk.written_at(path)
        if written is not None:
            self.payloads.append(
                Payload(raw=written.raw, layers=written.layers, how="exec", line=line, name=name)
            )
        return Value(None)


class _OutOfStepsError(Exception):
    pass


def _key(raw: Any) -> Any:
    if isinstance(raw, (str, bytes, int, float, type(None))):
        return raw
    raise CannotFoldError("a key that is not constant")


def _assigned(node: ast.AST) -> list[str]:
    return [one.id for one in ast.walk(node) if isinstance(one, ast.Name) and isinstance(one.ctx, ast.Store)]
