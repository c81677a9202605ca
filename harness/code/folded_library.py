"""Library functions that self-extracting scripts call, on constants: our own versions, without effects.

Each takes the folding, the positional and the keyword values; `CannotFoldError` (or any lookup, type or value
error) means that the result stays unknown.
"""

from __future__ import annotations

import json
import posixpath
from typing import TYPE_CHECKING, Any

from harness.code.folded_values import (
    COMPRESSED_CODECS,
    SCRATCH,
    CannotFoldError,
    FilePath,
    Function,
    Instance,
    OpenFile,
    Payload,
    Program,
    Symbol,
    Value,
    decode_by_codec,
    join,
    longest,
    path_of,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from harness.code.constant_folding import Folder


def _raw(arguments: list[Value], index: int = 0) -> Any:
    return arguments[index].raw


def _bytes(folder: Folder, arguments: list[Value], keywords: dict[str, Value]) -> Value:
    if not arguments:
        return Value(b"")
    source = _raw(arguments)
    if isinstance(source, str):
        return Value(source.encode(str(_raw(arguments, 1))), arguments[0].layers)
    if isinstance(source, int) and not isinstance(source, bool):
        raise CannotFoldError("bytes of a length")
    return Value(bytes(source), arguments[0].layers)


def _str(folder: Folder, arguments: list[Value], keywords: dict[str, Value]) -> Value:
    if not arguments:
        return Value("")
    source = _raw(arguments)
    if isinstance(source, (bytes, bytearray)) and (len(arguments) > 1 or "encoding" in keywords):
        codec = keywords["encoding"].raw if "encoding" in keywords else _raw(arguments, 1)
        return Value(source.decode(str(codec)), arguments[0].layers)
    if isinstance(source, FilePath):
        return Value(source.path)
    if isinstance(source, (str, int)):
        return Value(str(source), arguments[0].layers)
    raise CannotFoldError("str() of an object")


def _loads(folder: Folder, arguments: list[Value], keywords: dict[str, Value]) -> Value:
    raw = _raw(arguments)
    if not isinstance(raw, (str, bytes)):
        raise CannotFoldError("json of an object")
    value = Value(json.loads(raw), (*arguments[0].layers, "json"))
    if isinstance(value.raw, dict):
        for name, text in value.raw.items():
            if isinstance(text, str):
                folder.payloads.append(
                    Payload(raw=text, layers=value.layers, how="module", line=0, name=str(name))
                )
    return value


def _load(folder: Folder, arguments: list[Value], keywords: dict[str, Value]) -> Value:
    opened = _raw(arguments)
    if not isinstance(opened, OpenFile):
        raise CannotFoldError("json of an object")
    return _loads(folder, [folder.disk.contents(opened.path, "r")], {})


def _codec_decode(folder: Folder, arguments: list[Value], keywords: dict[str, Value]) -> Value:
    codec = str(_raw(arguments, 1)) if len(arguments) > 1 else "utf-8"
    if codec in COMPRESSED_CODECS:
        return folder.decompress(COMPRESSED_CODECS[codec], arguments[0], {}, 0)
    layer, decoded = decode_by_codec(_raw(arguments), codec)
    return Value(decoded, (*arguments[0].layers, layer) if layer else arguments[0].layers)


def _open(folder: Folder, arguments: list[Value], keywords: dict[str, Value]) -> Value:
    mode = keywords["mode"].raw if "mode" in keywords else _raw(arguments, 1) if len(arguments) > 1 else "r"
    return Value(OpenFile(path_of(_raw(arguments)), str(mode)))


def _opened(kind: str) -> Callable[[Folder, list[Value], dict[str, Value]], Value]:
    """gzip.open, lzma.open, bz2.open: the decompressed contents stand in for the file."""

    def opened(folder: Folder, arguments: list[Value], keywords: dict[str, Value]) -> Value:
        data = folder.disk.contents(path_of(_raw(arguments)), "rb")
        output = folder.decompress(kind, data, {}, 0)
        mode = (
            keywords["mode"].raw if "mode" in keywords else _raw(arguments, 1) if len(arguments) > 1 else "rb"
        )
        path = f"{SCRATCH}/opened-{len(folder.disk.written)}"
        folder.disk.written[path] = (
            Value(output.raw.decode("utf-8", "replace"), output.layers) if "t" in str(mode) else output
        )
        return Value(OpenFile(path, str(mode)))

    return opened


def _compile(folder: Folder, arguments: list[Value], keywords: dict[str, Value]) -> Value:
    source = keywords["source"] if "source" in keywords else arguments[0]
    return Value(Program(source.raw.source if isinstance(source.raw, Program) else source.raw), source.layers)


def _path(folder: Folder, arguments: list[Value], keywords: dict[str, Value]) -> Value:
    return Value(FilePath(join(*[path_of(one.raw) for one in arguments])))


def _text_path(change: Callable[..., str]) -> Callable[[Folder, list[Value], dict[str, Value]], Value]:
    def changed(folder: Folder, arguments: list[Value], keywords: dict[str, Value]) -> Value:
        return Value(change(*[path_of(one.raw) for one in arguments]))

    return changed


def _zip(folder: Folder, arguments: list[Value], keywords: dict[str, Value]) -> Value:
    columns = [[item.raw for item in folder.items(one)] for one in arguments]
    return Value(list(zip(*columns, strict=False)), longest(*arguments))


def _listed(change: Callable[[list[Any]], list[Any]]) -> Callable[..., Value]:
    def changed(folder: Folder, arguments: list[Value], keywords: dict[str, Value]) -> Value:
        return Value(change([item.raw for item in folder.items(arguments[0])]), arguments[0].layers)

    return changed


def _range(folder: Folder, arguments: list[Value], keywords: dict[str, Value]) -> Value:
    return Value(range(*[int(one.raw) for one in arguments]))


def _map(folder: Folder, arguments: list[Value], keywords: dict[str, Value]) -> Value:
    function = arguments[0].raw
    results = []
    for item in folder.items(arguments[1]):
        if isinstance(function, Symbol):
            results.append(folder.call_library(function.name, [item], {}, 0))
        elif isinstance(function, Function):
            results.append(folder.call_own(function, [item], {}))
        else:
            raise CannotFoldError("map of an object")
    return Value([one.raw for one in results], longest(*results))


def _scalar(change: Callable[..., Any]) -> Callable[..., Value]:
    def changed(folder: Folder, arguments: list[Value], keywords: dict[str, Value]) -> Value:
        raws = [one.raw for one in arguments]
        if not all(isinstance(raw, (str, bytes, int, list, tuple, dict)) for raw in raws):
            raise CannotFoldError("a function of an object")
        return Value(change(*raws), longest(*arguments))

    return changed


def _import(folder: Folder, arguments: list[Value], keywords: dict[str, Value]) -> Value:
    return Value(Symbol(str(_raw(arguments))))


def _getattr(folder: Folder, arguments: list[Value], keywords: dict[str, Value]) -> Value:
    return folder.attribute(arguments[0], str(_raw(arguments, 1)))


def _spec(folder: Folder, arguments: list[Value], keywords: dict[str, Value]) -> Value:
    return Value(Instance("spec", (path_of(_raw(arguments, 1)),)))


def _same(folder: Folder, arguments: list[Value], keywords: dict[str, Value]) -> Value:
    return arguments[0]


def _scratch(folder: Folder, arguments: list[Value], keywords: dict[str, Value]) -> Value:
    return Value(SCRATCH)


LIBRARY: dict[str, Callable[[Folder, list[Value], dict[str, Value]], Value]] = {
    "builtins.bytes": _bytes,
    "builtins.bytearray": _bytes,
    "builtins.memoryview": _same,
    "builtins.str": _str,
    "builtins.open": _open,
    "io.open": _open,
    "gzip.open": _opened("gzip"),
    "lzma.open": _opened("lzma"),
    "bz2.open": _opened("bz2"),
    "builtins.compile": _compile,
    "builtins.zip": _zip,
    "builtins.list": _listed(list),
    "builtins.tuple": _listed(list),
    "builtins.iter": _listed(list),
    "builtins.sorted": _listed(sorted),
    "builtins.reversed": _listed(lambda items: items[::-1]),
    "builtins.enumerate": _listed(lambda items: list(enumerate(items))),
    "builtins.range": _range,
    "builtins.map": _map,
    "builtins.len": _scalar(len),
    "builtins.int": _scalar(int),
    "builtins.chr": _scalar(chr),
    "builtins.ord": _scalar(ord),
    "builtins.dict": _scalar(dict),
    "builtins.__import__": _import,
    "importlib.import_module": _import,
    "builtins.getattr": _getattr,
    "importlib.util.spec_from_file_location": _spec,
    "importlib.util.module_from_spec": _same,
    "json.loads": _loads,
    "json.load": _load,
    "codecs.decode": _codec_decode,
    "textwrap.dedent": _same,
    "pathlib.Path": _path,
    "pathlib.PurePath": _path,
    "pathlib.PosixPath": _path,
    "os.path.join": _text_path(join),
    "os.path.dirname": _text_path(posixpath.dirname),
    "os.path.basename": _text_path(posixpath.basename),
    "os.path.abspath": _text_path(lambda path: path),
    "os.path.realpath": _text_path(lambda path: path),
    "os.path.normpath": _text_path(join),
    "os.fspath": _text_path(lambda path: path),
    "os.path.exists": lambda folder, arguments, _: Value(folder.disk.exists(path_of(_raw(arguments)))),
    "tempfile.mkdtemp": _scratch,
    "tempfile.gettempdir": _scratch,
}
