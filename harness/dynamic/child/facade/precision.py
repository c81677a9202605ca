"""Everything in float32: bfloat16 and autocast are off, so that runs agree to the last bit on any CPU.

The CPU's own bfloat16 differs from a GPU's anyway, and is slower than its float32. Switches that choose
kernels on a GPU would choose among the CPU's here, and do nothing.
"""

from __future__ import annotations

import functools
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import torch
import torch.nn.attention

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


class NoAutocast(torch.autocast):
    """`torch.autocast` that is always off, whatever device it was meant for."""

    def __init__(self, *_: Any, **__: Any) -> None:
        super().__init__("cpu", enabled=False)


class NoGradInference:
    """`torch.inference_mode` as `no_grad`: tensors made in it may be used in training here as anywhere.

    Scripts cache rotary tables and the like in a first pass; a GPU's compiled passes never see that such a
    tensor came from inference.
    """

    def __new__(cls, mode: Any = True) -> Any:
        """A context or, for `@torch.inference_mode` without brackets, the decorated function."""
        if callable(mode):
            return cls()(mode)
        return super().__new__(cls)

    def __init__(self, mode: bool = True) -> None:
        self._mode = mode
        self._before: list[bool] = []

    def __enter__(self) -> None:
        """Off, unless asked for `mode=False`, which changes nothing."""
        self._before.append(torch.is_grad_enabled())
        if self._mode:
            torch.set_grad_enabled(False)

    def __exit__(self, *_: object) -> None:
        """As before."""
        torch.set_grad_enabled(self._before.pop())

    def __call__(self, body: Callable[..., Any]) -> Callable[..., Any]:
        """`body` inside."""
        mode = self._mode

        @functools.wraps(body)
        def without_gradients(*args: Any, **kwargs: Any) -> Any:
            with torch.set_grad_enabled(torch.is_grad_enabled() and not mode):
                return body(*args, **kwargs)

        return without_gradients


class NoScaler:
    """`GradScaler` that scales by one."""

    def __init__(self, *_: Any, **__: Any) -> None:
        pass

    def scale(self, outputs: Any) -> Any:
        """As they are."""
        return outputs

    def unscale_(self, optimizer: Any) -> None:
        """Nothing was scaled."""

    def step(self, optimizer: Any, *args: Any, **kwargs: Any) -> Any:
        """The optimizer's step."""
        return optimizer.step(*args, **kwargs)

    def update(self, new_scale: Any = None) -> None:
        """Stays one."""

    def get_scale(self) -> float:
        """One."""
        return 1.0

    def is_enabled(self) -> bool:
        """No."""
        return False

    def state_dict(self) -> dict[str, Any]:
        """None."""
        return {}

    def load_state_dict(self, state: Any) -> None:
        """None."""


@contextmanager
def _context(*_: Any, **__: Any) -> Iterator[None]:
    yield


def _nothing(*_: Any, **__: Any) -> None:
    return None


def _remember_types() -> None:
    """Tables of torch that are made at first use and need the true types: for saving and loading."""
    torch.storage._dtype_to_storage_type_map()
    torch.storage._storage_type_to_dtype_map()
    torch._weights_only_unpickler._get_allowed_globals()


def install_precision() -> None:
    """Make float32 of all that is less, and nothing of switches between kernels."""
    _remember_types()
    # Without its type, for none of this is meant to be assigned.
    replaced: Any = torch
    replaced.bfloat16 = torch.float32
    replaced.Tensor.bfloat16 = torch.Tensor.float
    for module in (replaced, replaced.amp, replaced.amp.autocast_mode, replaced.cuda.amp, replaced.cpu.amp):
        module.autocast = NoAutocast
    replaced.amp.GradScaler = replaced.cuda.amp.GradScaler = NoScaler
    replaced.inference_mode = NoGradInference
    replaced.is_inference_mode_enabled = lambda: False
    replaced.set_float32_matmul_precision = _nothing
    for name in ("enable_flash_sdp", "enable_math_sdp", "enable_mem_efficient_sdp", "enable_cudnn_sdp"):
        setattr(torch.backends.cuda, name, _nothing)
    replaced.backends.cuda.sdp_kernel = _context
    replaced.nn.attention.sdpa_kernel = _context
