"""What calls of Python, numpy and torch give for the plain values of `sample_evaluation`."""

from __future__ import annotations

from typing import Any

from harness.audit.scans.sample_tokenizer import SampleTokenizer


class _Unknown:
    """A value the evaluator does not know."""

    def __repr__(self) -> str:
        return "UNKNOWN"


UNKNOWN = _Unknown()

_ITEMS_AT_MOST = 300
_SAME = frozenset(
    [
        "to",
        "cuda",
        "cpu",
        "contiguous",
        "long",
        "int",
        "clone",
        "numpy",
        "astype",
        "copy",
        "detach",
        "bool",
        "tolist",
        "float",
        "view",
        "reshape",
    ]
)
_COPIES = frozenset(["tensor", "as_tensor", "array", "asarray", "from_numpy", "list", "tuple"])
_TEXT = frozenset(
    [
        "startswith",
        "endswith",
        "encode",
        "decode",
        "lstrip",
        "rstrip",
        "strip",
        "replace",
        "removeprefix",
        "lower",
    ]
)


def call_named(name: str, arguments: list[Any], words: dict[str, Any]) -> Any:
    """The value of a call by the last part of its name."""
    first = arguments[0] if arguments else UNKNOWN
    if name in {"zeros", "ones", "full", "empty"}:
        filler = {"zeros": 0, "ones": 1, "full": arguments[1] if len(arguments) > 1 else UNKNOWN}
        return _filled(words.get("shape", words.get("size", first)), filler.get(name, 0))
    if first is UNKNOWN:
        return UNKNOWN
    if name in _COPIES:
        return list(first) if isinstance(first, list | tuple | range) else UNKNOWN
    if name == "len":
        if isinstance(first, SampleTokenizer):
            return first.answer("vocab_size", [])
        return len(first) if isinstance(first, list | str | bytes | tuple | dict | range) else UNKNOWN
    if name == "range":
        bounded = all(isinstance(one, int) and abs(one) <= 10**6 for one in arguments)
        return range(*arguments) if bounded and len(arguments) <= 3 else UNKNOWN
    if name == "enumerate":
        return (
            [[place, one] for place, one in enumerate(first)] if isinstance(first, list | range) else UNKNOWN
        )
    if name in {"max", "min"}:
        numbers = [one for one in arguments if isinstance(one, int)]
        return (max if name == "max" else min)(numbers) if len(numbers) == len(arguments) else UNKNOWN
    if name in {"int", "bool", "int16", "int32", "uint8", "int64"} and isinstance(first, int | bool):
        return bool(first) if name == "bool" else int(first)
    if name in {"str", "bytes"} and isinstance(first, str | bytes):
        return first
    return UNKNOWN


def call_method(held: Any, name: str, arguments: list[Any]) -> Any:
    """The value of a method of a known value."""
    if name in _SAME:
        return held if isinstance(held, list | int) else UNKNOWN
    if UNKNOWN in arguments:
        if isinstance(held, list) and name == "append" and len(held) < _ITEMS_AT_MOST:
            held.append(UNKNOWN)
        return UNKNOWN
    if isinstance(held, list) and name == "append" and arguments and len(held) < _ITEMS_AT_MOST:
        held.append(arguments[0])
        return None
    if isinstance(held, str | bytes) and name in _TEXT and len(arguments) <= 3:
        if name == "encode":
            return held.encode() if isinstance(held, str) and set(arguments) <= {"utf-8", "utf8"} else UNKNOWN
        if all(isinstance(one, str | bytes | tuple | int) and len(str(one)) < 100 for one in arguments):
            result = getattr(held, name)(*arguments)
            return result if not isinstance(result, str | bytes) or len(result) < 4_000 else UNKNOWN
    return UNKNOWN


def _filled(shape: Any, value: Any) -> Any:
    """A fresh table of one dimension."""
    if isinstance(shape, list | tuple) and len(shape) == 1:
        shape = shape[0]
    if not isinstance(shape, int) or not 0 <= shape <= _ITEMS_AT_MOST:
        return UNKNOWN
    return [value] * shape
