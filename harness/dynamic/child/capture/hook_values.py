"""What the hooks in a script's source do: they tell values and answer what the script would have got."""

from __future__ import annotations

import builtins
import math
import sys
from dataclasses import dataclass
from types import GeneratorType
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

if TYPE_CHECKING:
    from collections.abc import Callable

    from harness.dynamic.child.capture.recorder import Recorder
    from harness.dynamic.child.capture.source_hooks import HookNames
    from harness.dynamic.child.capture.torch_calls import TorchCalls

_MOST_ELEMENTS = 1 << 16
_MOST_FORMATTED = 64
_SUMS = (builtins.sum, math.fsum)
_FAST = (float, int)
_ITEM = torch.Tensor.item  # torch's own, whatever a script puts in its place


@dataclass(slots=True)
class _Folded:
    """Increments of a site that is full: only their sum is kept."""

    op: str
    count: int
    value: float
    before: float | None


class HookValues:
    """The hooks. They see values of the script and never change them, draw no random numbers, raise nothing
    of their own.
    """

    def __init__(self, recorder: Recorder, calls: TorchCalls) -> None:
        self._recorder = recorder
        self._calls = calls
        self._folded: dict[str, _Folded] = {}
        self.formatted_values: list[float] = []

    def by_name(self, names: HookNames) -> dict[str, Callable[..., Any]]:
        """The hooks under the names the source calls them by."""
        return {
            names.added: self.added,
            names.reduced: self.reduced,
            names.summed: self.summed,
            names.formatted: self.formatted,
            names.printed: self.printed,
        }

    def added(self, site: str, op: str, before: Any, value: Any) -> Any:
        """`target op= value`; `before` is what the target held, None where it could not be asked."""
        try:
            number = _number(value)
            if number is not None:
                self._tell_added(site, op, _number(before), number, isinstance(value, int))
        except Exception:  # the script goes on as if we were not there
            self._recorder.dropped("fault of the hook of +=")
        return value

    def _tell_added(self, site: str, op: str, before: float | None, value: float, whole: bool) -> None:
        if not self._recorder.is_full(site):
            self._recorder.event("aug", site=site, op=op, value=value, before=before, whole=whole)
            return
        folded = self._folded.get(site)
        if folded is None or folded.op != op or before == 0.0:
            if folded is not None:
                self._unfold(site, folded)
            folded = self._folded[site] = _Folded(op, 0, 0.0, before)
        folded.count += 1
        folded.value += value

    def unfold(self) -> None:
        """Tell what was only summed up since the last time; before every printed line and at the end."""
        for site, folded in self._folded.items():
            self._unfold(site, folded)
        self._folded.clear()

    def _unfold(self, site: str, folded: _Folded) -> None:
        self._recorder.dropped(site)
        self._recorder.event(
            "aug",
            op=folded.op,
            value=folded.value,
            before=folded.before,
            whole=False,
            folded=folded.count,
            of=site,
        )

    def reduced(self, site: str, obj: Any, name: str, /, *args: Any, **kwargs: Any) -> Any:
        """`obj.sum(...)` or `obj.mean(...)`, also where obj is a module: `np.sum(a)`, `torch.mean(a)`."""
        result = getattr(obj, name)(*args, **kwargs)
        try:
            array = obj if isinstance(obj, torch.Tensor | np.ndarray) else (args[0] if args else None)
            if isinstance(array, torch.Tensor | np.ndarray):
                self._tell_reduced(site, name, array, result)
        except Exception:
            self._recorder.dropped("fault of the hook of sums")
        return result

    def _tell_reduced(self, site: str, name: str, array: Any, result: Any) -> None:
        is_tensor = isinstance(array, torch.Tensor)
        if is_tensor and (self._calls.source == "train" or array.is_meta):
            return  # norms and averages of training
        value = _number(result)
        if value is None:
            return
        size = int(array.numel() if is_tensor else array.size)
        is_float = array.is_floating_point() if is_tensor else array.dtype.kind == "f"
        cited = None
        if is_float and size <= _MOST_ELEMENTS:
            data = array.detach().to(torch.float64).cpu().numpy() if is_tensor else array.astype(np.float64)
            cited = self._recorder.array(data.reshape(-1), site=site)
        self._recorder.event("red", site=site, op=name, value=value, size=size, array=cited)

    def summed(self, site: str, func: Any, values: Any, /, *args: Any, **kwargs: Any) -> Any:
        """`sum(values)` and `math.fsum(values)`; a generator is made a list first."""
        if func not in _SUMS:
            return func(values, *args, **kwargs)
        if isinstance(values, GeneratorType):
            values = list(values)
        result = func(values, *args, **kwargs)
        try:
            value = _number(result)
            if value is not None and isinstance(values, list | tuple) and 0 < len(values) <= _MOST_ELEMENTS:
                numbers = [_number(each) for each in values]
                if all(each is not None for each in numbers):
                    data = np.array(numbers, dtype=np.float64)
                    cited = self._recorder.array(data, site=site)
                    self._recorder.event("red", site=site, op="sum", value=value, size=data.size, array=cited)
        except Exception:
            self._recorder.dropped("fault of the hook of sums")
        return result

    def formatted(self, value: Any) -> Any:
        """A value about to be written into text: the exact number behind the printed digits."""
        if type(value) is float or isinstance(value, np.floating | torch.Tensor):
            number = _number(value)
            if number is not None and len(self.formatted_values) < _MOST_FORMATTED:
                self.formatted_values.append(number)
        return value

    def printed(self, func: Any, /, *args: Any, **kwargs: Any) -> Any:
        """`print(...)`; what goes to a file of the script is told too, standard output has its own way."""
        if func is builtins.print:
            file = kwargs.get("file")
            if file is not None and file is not sys.stdout and file is not sys.stderr:
                try:
                    text = str(kwargs.get("sep") or " ").join(map(str, args))
                    self.line(text, to="file")
                except Exception:
                    self._recorder.dropped("fault of the hook of print")
        return func(*args, **kwargs)

    def line(self, text: str, *, to: str) -> None:
        """A line was printed."""
        if not text.strip():
            return
        self.unfold()
        self._recorder.event("print", text=text, to=to, values=list(self.formatted_values))
        if to != "file":
            self.formatted_values.clear()
        self._recorder.flush()


def _number(value: Any) -> float | None:
    kind = type(value)
    if kind in _FAST:
        return float(value)
    if isinstance(value, torch.Tensor):
        if value.numel() != 1 or value.is_meta or value.dtype == torch.bool or value.is_complex():
            return None
        return float(_ITEM(value.detach()))
    if isinstance(value, np.number) and not isinstance(value, np.complexfloating):
        return float(value)
    return None
