"""Values a script's constants fold to, and the few pure operations that are computed on them.

Nothing of the script is executed: each operation here is our own, bounded, and without side effects.
"""

from __future__ import annotations

import base64
import binascii
import codecs
import lzma
import operator
import posixpath
import zlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    import ast
    from collections.abc import Callable, Mapping

# Folded text may not outgrow the largest layer.
TEXT_LIMIT = 16 * 2**20
# Where the submission folder and the scratch folders of its run are thought to be.
FOLDER = "/submission"
SCRATCH = "/scratch"


class CannotFoldError(Exception):
    """The expression depends on something only a run would know."""


@dataclass(frozen=True, slots=True)
class Value:
    """A known value and the layers undone to get it, outermost first ("base85", "lzma-raw")."""

    raw: Any
    layers: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Symbol:
    """A name of the standard library or of a package: "lzma.decompress", "builtins.exec"."""

    name: str


@dataclass(frozen=True, slots=True)
class Instance:
    """An object made by a known constructor: a decompressor, a module, a loader's spec."""

    kind: str
    arguments: tuple[Any, ...] = ()
    keywords: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Method:
    """A method of a known value."""

    owner: Value
    name: str


@dataclass(frozen=True, slots=True)
class Function:
    """A function or lambda of the script itself; calls are followed with its arguments known."""

    node: ast.FunctionDef | ast.Lambda


@dataclass(frozen=True, slots=True)
class Program:
    """What compile() returns: still only text."""

    source: Any


@dataclass(frozen=True, slots=True)
class FilePath:
    """A pathlib.Path."""

    path: str


@dataclass(frozen=True, slots=True)
class OpenFile:
    """What open() returns."""

    path: str
    mode: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Payload:
    """Text a script runs or writes. `how` is exec, module, write, data; `name` a module or file name."""

    raw: str | bytes
    layers: tuple[str, ...]
    how: str
    line: int
    name: str = ""


def longest(*values: Value) -> tuple[str, ...]:
    """The layers of what combines these values: those of the deepest one."""
    return max((value.layers for value in values), key=len, default=())


# Constants that programs pass to decoders.
CONSTANTS: dict[str, Any] = {
    **{
        f"lzma.{name}": getattr(lzma, name)
        for name in dir(lzma)
        if name.startswith(("F", "MF_", "MODE_", "PRESET_", "CHECK_"))
        and isinstance(getattr(lzma, name), int)
    },
    "zlib.MAX_WBITS": zlib.MAX_WBITS,
    "os.sep": "/",
    "os.path.sep": "/",
}


def _text(value: object) -> bytes:
    if isinstance(value, str):
        return value.encode("ascii", "replace")
    if isinstance(value, (bytes, bytearray, memoryview)):
        return bytes(value)
    raise CannotFoldError(f"a {type(value).__name__} where bytes are expected")


def _pad(data: bytes) -> bytes:
    """Base64 whose padding went missing with its newlines still decodes."""
    return data + b"=" * (-len(data.strip()) % 4)


def _b64(data: bytes, *_: object) -> bytes:
    return base64.b64decode(_pad(data))


_Z85 = b"0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ.-:+=^!/*?&<>()[]{}@%$#"
_B85 = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz!#$%&()*+-;<=>?@^_`{|}~"
_Z85_TO_B85 = bytes.maketrans(_Z85, _B85)

# Text to bytes. The output is never longer than the input.
TEXT_DECODERS: dict[str, tuple[str, Callable[..., bytes]]] = {
    "base64.b85decode": ("base85", base64.b85decode),
    "base64.a85decode": ("ascii85", base64.a85decode),
    "base64.z85decode": ("z85", lambda data: base64.b85decode(data.translate(_Z85_TO_B85))),
    "base64.b64decode": ("base64", _b64),
    "base64.standard_b64decode": ("base64", _b64),
    "base64.decodebytes": ("base64", _b64),
    "base64.urlsafe_b64decode": ("base64", lambda data: base64.urlsafe_b64decode(_pad(data))),
    "base64.b32decode": ("base32", base64.b32decode),
    "base64.b16decode": ("hex", lambda data, *_: bytes.fromhex(data.decode("ascii"))),
    "binascii.a2b_base64": ("base64", binascii.a2b_base64),
    "binascii.unhexlify": ("hex", binascii.unhexlify),
    "binascii.a2b_hex": ("hex", binascii.unhexlify),
    "builtins.bytes.fromhex": ("hex", lambda data: bytes.fromhex(data.decode("ascii"))),
    "builtins.bytearray.fromhex": ("hex", lambda data: bytes.fromhex(data.decode("ascii"))),
}
# Functions that decompress, by the name of the format.
DECOMPRESSORS = {
    "lzma.decompress": "lzma",
    "lzma.LZMADecompressor.decompress": "lzma",
    "zlib.decompress": "zlib",
    "zlib.decompressobj.decompress": "zlib",
    "gzip.decompress": "gzip",
    "bz2.decompress": "bz2",
    "bz2.BZ2Decompressor.decompress": "bz2",
    "brotli.decompress": "brotli",
    "brotli.Decompressor.process": "brotli",
    "brotli.Decompressor.decompress": "brotli",
    "brotlicffi.decompress": "brotli",
    "zstandard.decompress": "zstd",
    "zstandard.ZstdDecompressor.decompress": "zstd",
    "zstd.decompress": "zstd",
    "pyzstd.decompress": "zstd",
    "compression.zstd.decompress": "zstd",
    "compression.lzma.decompress": "lzma",
    "compression.zlib.decompress": "zlib",
}
CONSTRUCTORS = {
    "lzma.LZMADecompressor", "zlib.decompressobj", "bz2.BZ2Decompressor", "brotli.Decompressor",
    "zstandard.ZstdDecompressor", "types.ModuleType", "io.BytesIO", "io.StringIO",
}  # fmt: skip
_CODECS = {"base64": "base64.b64decode", "base64_codec": "base64.b64decode", "hex": "binascii.unhexlify",
           "hex_codec": "binascii.unhexlify"}  # fmt: skip
COMPRESSED_CODECS = {"zlib": "zlib", "zlib_codec": "zlib", "zip": "zlib", "bz2": "bz2", "bz2_codec": "bz2"}


def decode_text(name: str, data: object) -> tuple[str, bytes]:
    """Undo a text encoding by the function's full name; the layer's name and the bytes."""
    layer, decoder = TEXT_DECODERS[name]
    try:
        return layer, decoder(_text(data))
    except (ValueError, binascii.Error, TypeError) as error:
        raise CannotFoldError(f"not valid {layer}: {error}") from error


def decode_by_codec(data: object, codec: str) -> tuple[str, object]:
    """codecs.decode for the codecs that need no decompression; the layer ("" for plain text)."""
    codec = codec.lower().replace("-", "_")
    if codec in _CODECS:
        return decode_text(_CODECS[codec], data)
    if codec in {"rot13", "rot_13"}:
        return "rot13", codecs.decode(str(data), "rot13")
    try:
        return "", _text(data).decode(codec)
    except (LookupError, ValueError) as error:
        raise CannotFoldError(str(error)) from error


def bounded(raw: object) -> object:
    """The value itself, unless it is text beyond the cap."""
    if isinstance(raw, (str, bytes, bytearray, list, tuple)) and len(raw) > TEXT_LIMIT:
        raise CannotFoldError(f"a constant of {len(raw):,} characters")
    return raw


_OPERATORS: dict[str, Callable[[Any, Any], Any]] = {
    "Sub": operator.sub,
    "FloorDiv": operator.floordiv,
    "Mod": operator.mod,
    "BitAnd": operator.and_,
    "BitOr": operator.or_,
    "BitXor": operator.xor,
}
_COMPARISONS: dict[str, Callable[[Any, Any], Any]] = {
    "Eq": operator.eq,
    "NotEq": operator.ne,
    "Lt": operator.lt,
    "LtE": operator.le,
    "Gt": operator.gt,
    "GtE": operator.ge,
    "Is": operator.is_,
    "IsNot": operator.is_not,
    "In": lambda a, b: a in b,
    "NotIn": lambda a, b: a not in b,
}
_PLAIN = (str, bytes, int, float, type(None), list, tuple, dict)


def combine(name: str, left: object, right: object) -> object:
    """A binary operation on constants, bounded in size."""
    if name == "Div" and isinstance(left, FilePath) and isinstance(right, (str, FilePath)):
        return FilePath(join(left.path, right if isinstance(right, str) else right.path))
    if name == "Add" and type(left) is type(right) and isinstance(left, (str, bytes, list, tuple, int)):
        return bounded(cast("Any", left) + right)
    if name == "Mult":
        return _repeat(left, right)
    if name == "Mod" and isinstance(left, str):
        return _percent(left, right)
    if isinstance(left, int) and isinstance(right, int):
        if name == "LShift" and 0 <= right <= 4096 and left.bit_length() <= 4096:
            return left << right
        if name == "RShift" and right >= 0:
            return left >> right
        if name == "Pow" and 0 <= right <= 64 and left.bit_length() <= 64:
            return left**right
        if name in _OPERATORS and (right or name not in {"FloorDiv", "Mod"}):
            return _OPERATORS[name](left, right)
    raise CannotFoldError(f"{name} of {type(left).__name__} and {type(right).__name__}")


def _repeat(left: object, right: object) -> object:
    if isinstance(left, int) and isinstance(right, int):
        if left.bit_length() + right.bit_length() <= 8192:
            return left * right
    elif isinstance(left, (str, bytes, list, tuple)) and isinstance(right, int):
        if len(left) * right <= TEXT_LIMIT:
            return left * right
    elif isinstance(right, (str, bytes, list, tuple)):
        return _repeat(right, left)
    raise CannotFoldError("a repetition beyond the cap")


def _percent(form: str, values: object) -> str:
    """Only plain %s and %d: widths could ask for a terabyte."""
    listed = values if isinstance(values, tuple) else (values,)
    pieces = form.replace("%d", "%s").split("%s")
    if "%" in "".join(pieces) or len(pieces) != len(listed) + 1:
        raise CannotFoldError("a % format")
    if not all(isinstance(one, (str, int)) for one in listed):
        raise CannotFoldError("a % format of objects")
    filled = pieces[0] + "".join(str(one) + piece for one, piece in zip(listed, pieces[1:], strict=True))
    return cast("str", bounded(filled))


def compare(name: str, left: object, right: object) -> bool:
    """A comparison of constants."""
    if not isinstance(left, _PLAIN) or not isinstance(right, _PLAIN):
        raise CannotFoldError("a comparison of objects")
    try:
        return bool(_COMPARISONS[name](left, right))
    except TypeError as error:
        raise CannotFoldError(str(error)) from error


def join(*parts: str) -> str:
    """os.path.join, tidied, with relative paths left relative."""
    return posixpath.normpath(posixpath.join(*parts)) if any(parts) else ""


def path_of(raw: object) -> str:
    """The path a str, bytes or Path names; raises where it is none."""
    if isinstance(raw, FilePath):
        return raw.path
    if isinstance(raw, str):
        return raw
    raise CannotFoldError("a path that is not constant")


# str, bytes, list and dict methods whose result cannot outgrow their input much.
_SAFE_METHODS = {
    "strip", "lstrip", "rstrip", "split", "rsplit", "splitlines", "partition", "rpartition", "lower", "upper",
    "swapcase", "removeprefix", "removesuffix", "startswith", "endswith", "find", "rfind", "index", "count",
    "keys", "values", "items", "get", "copy", "isdigit", "isspace", "to_bytes", "tobytes", "hex", "translate",
}  # fmt: skip


def call_method(owner: object, name: str, arguments: list[Any], keywords: dict[str, Any]) -> object:
    """A method of a constant; raises `CannotFoldError` for any that is not known to be pure and small."""
    try:
        if name == "join" and isinstance(owner, (str, bytes)) and len(arguments) == 1:
            return _join(owner, arguments[0])
        if name == "replace" and isinstance(owner, (str, bytes)) and len(arguments) in {2, 3}:
            return _replace(owner, *arguments[:2])
        if name == "encode" and isinstance(owner, str):
            return owner.encode(*[str(one) for one in [*arguments, *keywords.values()]][:2])
        if name == "to_bytes" and (not arguments or int(arguments[0]) > TEXT_LIMIT):
            raise CannotFoldError("to_bytes beyond the cap")
        if name in _SAFE_METHODS and isinstance(owner, (str, bytes, bytearray, list, tuple, dict, int)):
            result = getattr(owner, name)(*arguments, **keywords)
            return bounded(list(result) if name in {"keys", "values", "items"} else result)
    except (TypeError, ValueError, AttributeError, LookupError, OverflowError) as error:
        raise CannotFoldError(f"{name}: {error}") from error
    raise CannotFoldError(f"the method {name} of a {type(owner).__name__}")


def _join(owner: str | bytes, parts: Any) -> str | bytes:
    listed = list(parts)
    if sum(len(part) for part in listed) + len(owner) * len(listed) > TEXT_LIMIT:
        raise CannotFoldError("a join beyond the cap")
    return cast("Any", owner).join(listed)  # type: ignore[no-any-return]


def _replace(owner: Any, old: Any, new: Any) -> str | bytes:
    if len(owner) + owner.count(old) * max(len(new) - len(old), 0) > TEXT_LIMIT:
        raise CannotFoldError("a replacement beyond the cap")
    return owner.replace(old, new)  # type: ignore[no-any-return]
