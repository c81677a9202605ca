"""Turns one line of a record into an event: every field is checked, whoever wrote it."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from harness.dynamic.events import (
    BackwardEvent,
    CutEvent,
    Event,
    ExchangeEvent,
    ForkEvent,
    ForwardEvent,
    IncrementEvent,
    LossEvent,
    NetworkEvent,
    OpenEvent,
    PrintEvent,
    ProgramEvent,
    ReductionEvent,
    Segment,
    StepEvent,
    WriteEvent,
)

if TYPE_CHECKING:
    from collections.abc import Callable


_ROUNDED = 1e-4  # relative; sums of float16 values are rounded most
_MOST = 1 << 48  # sums and products of a few such counts stay exact
_MOST_LOSSES = 1 << 17  # as the child tells them at most


class Arrays(Protocol):
    """The arrays of a record."""

    def cited(self, at: Any) -> np.ndarray | None:
        """The array that `at` cites; KeyError when it was never announced."""


def _number(value: Any) -> float:
    if isinstance(value, str):
        if value not in {"nan", "inf", "-inf"}:
            raise ValueError(f"{value[:20]!r} is no number")
        return float(value)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError(f"{str(value)[:20]} is no number")
    return float(value)


def _maybe(value: Any) -> float | None:
    return None if value is None else _number(value)


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{str(value)[:20]} is no text")
    return value


def _count(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= _MOST:
        raise ValueError(f"{str(value)[:20]} is no count")
    return value


def _flag(value: Any) -> bool:
    if not isinstance(value, bool):
        raise TypeError(f"{str(value)[:20]} is neither true nor false")
    return value


def _segments(value: Any) -> tuple[Segment, ...]:
    result = []
    for split, start, length, offset in value:
        if split not in {"val", "train"}:
            raise ValueError(f"split {str(split)[:20]!r}")
        result.append(Segment(split=split, start=_count(start), length=_count(length), offset=_count(offset)))
    return tuple(result)


def _base(data: dict[str, Any]) -> dict[str, Any]:
    wall, virtual = _number(data["w"]), _number(data["vt"])
    if not (math.isfinite(wall) and math.isfinite(virtual)):
        raise ValueError("a time that is no number")
    return {"number": _count(data["n"]), "wall": wall, "virtual": virtual}


def _loss(data: dict[str, Any], kept: Arrays) -> LossEvent:
    nll, norm, size = kept.cited(data["nll"]), kept.cited(data["norm"]), _count(data["size"])
    if not 0 < size <= _MOST_LOSSES:
        raise ValueError(f"{size:,} losses")
    times, mean_times = kept.cited(data.get("times")), kept.cited(data.get("mean_times"))
    for each in (nll, norm, times, mean_times):
        if each is not None and each.size != size:
            raise ValueError(f"{each.size:,} losses of {size:,}")
    value, reduction = _maybe(data["value"]), _text(data["reduction"])
    if value is not None and nll is not None and not _gives(nll, reduction, value):
        value = None
    return LossEvent(
        **_base(data),
        function=_text(data["fn"]),
        rows=_segments(data["rows"]),
        size=size,
        grad=_flag(data["grad"]),
        reduction=reduction,
        value=value,
        nll=nll,
        norm=norm,
        times=times,
        mean_times=mean_times,
    )


_MOST_EXCHANGED = 64


def _exchange(data: dict[str, Any]) -> ExchangeEvent:
    given, got = (_numbers(data[name]) for name in ("given", "got"))
    return ExchangeEvent(
        **_base(data),
        op=_text(data["op"]),
        reduction=_text(data["reduction"]),
        size=_count(data["size"]),
        given=given,
        got=got,
        is_all=_flag(data["all"]),
    )


def _numbers(values: Any) -> tuple[float, ...] | None:
    if values is None:
        return None
    if not isinstance(values, list) or len(values) > _MOST_EXCHANGED:
        raise TypeError(f"{str(values)[:20]} are not a few numbers")
    return tuple(_number(each) for each in values)


def _reduction(data: dict[str, Any], kept: Arrays) -> ReductionEvent:
    array, value, op = kept.cited(data["array"]), _number(data["value"]), _text(data["op"])
    size = _count(data["size"])
    if array is not None and array.size != size:
        raise ValueError(f"{array.size:,} values of {size:,}")
    if array is not None and not _gives(array, op, value):
        array = None
    return ReductionEvent(**_base(data), site=_text(data["site"]), op=op, value=value, size=size, array=array)


def _gives(array: np.ndarray, op: str, value: float) -> bool:
    """Whether `value` is the sum or mean of `array`: a script may have put its own in the place of torch's.

    Losses of ignored targets are zero, and a mean leaves them out. Of no values there is no sum but the one
    that the script began with: `np.sum([], initial=2.0)`.
    """
    if not array.size:
        return False
    if op not in {"sum", "mean"} or not math.isfinite(value):
        return True
    total, scale = float(array.sum()), float(np.abs(array).sum())
    counts = {1} if op == "sum" else {array.size, int(np.count_nonzero(array)) or 1}
    return any(abs(value - total / count) <= _ROUNDED * scale / count for count in counts)


def _program(data: dict[str, Any]) -> ProgramEvent:
    command = data["command"]
    return ProgramEvent(
        **_base(data),
        call=_text(data.get("call", "subprocess")),
        command=" ".join(map(_text, command)) if isinstance(command, list) else _text(command),
        answered=_flag(data.get("answered", False)),
    )


BUILDERS: dict[str, Callable[[dict[str, Any], Arrays], Event]] = {
    "open": lambda d, _: OpenEvent(**_base(d), path=_text(d["path"]), split=_text(d["split"])),
    "write": lambda d, _: WriteEvent(**_base(d), path=_text(d["path"]), mode=_text(d["mode"])),
    "fw": lambda d, _: ForwardEvent(
        **_base(d),
        source=_text(d["source"]),
        shape=tuple(_count(each) for each in d["shape"]),
        rows=_segments(d["rows"]),
        rows_left_out=_count(d["rows_left_out"]),
        grad=_flag(d["grad"]),
        weights=None if d.get("weights") is None else _text(d["weights"]),
    ),
    "ce": _loss,
    "cut": lambda d, _: CutEvent(
        **_base(d), loss=_count(d["of"]), offset=_count(d["offset"]), size=_count(d["size"])
    ),
    "backward": lambda d, _: BackwardEvent(**_base(d), source=_text(d["source"])),
    "step": lambda d, _: StepEvent(
        **_base(d), optimizer=_text(d["optimizer"]), source=_text(d["source"]), rate=_maybe(d["rate"])
    ),
    "aug": lambda d, _: IncrementEvent(
        **_base(d),
        site=_text(d.get("of") or d["site"]),
        op=_text(d["op"]),
        value=_number(d["value"]),
        before=_maybe(d["before"]),
        whole=_flag(d["whole"]),
        folded=_count(d.get("folded", 1)),
    ),
    "red": _reduction,
    "print": lambda d, _: PrintEvent(
        **_base(d), text=_text(d["text"]), to=_text(d["to"]), values=tuple(_number(v) for v in d["values"])
    ),
    "spawn": lambda d, _: _program(d),
    "subprocess": lambda d, _: _program(d),
    "net": lambda d, _: NetworkEvent(
        **_base(d),
        call=_text(d["call"]),
        address=_text(d["address"] if "address" in d else f"{d['package']} {d['wanted']}"),
        is_package="package" in d,
    ),
    "exchange": lambda d, _: _exchange(d),
    "fork": lambda d, _: ForkEvent(**_base(d), copies=_count(d["copies"])),
}
