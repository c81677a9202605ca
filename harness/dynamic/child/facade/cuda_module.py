"""`torch.cuda` of one H100 that a script may ask, seed, time and wait for; it computes on the CPU.

Numbers are those an H100 SXM of 80 GB gives; memory in use is 1 GiB at all times.
"""

from __future__ import annotations

import types
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import torch

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

GPU_NAME = "NVIDIA H100 80GB HBM3"
_TOTAL_BYTES = 85_017_755_648
_USED_BYTES = 2**30
_GPU = torch.device("cuda", 0)


_WITHOUT_EFFECT = (
    *("init", "_lazy_init", "_sleep", "set_device", "set_stream", "synchronize", "empty_cache"),
    *("ipc_collect", "set_per_process_memory_fraction", "set_sync_debug_mode"),
    *("reset_peak_memory_stats", "reset_accumulated_memory_stats"),
    *("reset_max_memory_allocated", "reset_max_memory_cached"),
)


class _Properties(types.SimpleNamespace):
    """What `torch.cuda.get_device_properties` gives."""


PROPERTIES = _Properties(
    name=GPU_NAME,
    major=9,
    minor=0,
    total_memory=_TOTAL_BYTES,
    multi_processor_count=132,
    warp_size=32,
    max_threads_per_block=1024,
    max_threads_per_multi_processor=2048,
    regs_per_multiprocessor=65_536,
    shared_memory_per_block=49_152,
    shared_memory_per_block_optin=232_448,
    shared_memory_per_multiprocessor=233_472,
    L2_cache_size=52_428_800,
    is_integrated=False,
    is_multi_gpu_board=False,
    gcnArchName=GPU_NAME,
    uuid="00000000-0000-0000-0000-000000000000",
)


class Stream:
    """All work is done when it is asked for, so there is nothing to order."""

    def __init__(self, device: Any = None, priority: int = 0, **_: Any) -> None:
        self.device, self.device_index, self.priority = _GPU, 0, priority
        self.cuda_stream = self.stream_id = 0

    def __enter__(self) -> Stream:
        """The current stream."""
        return self

    def __exit__(self, *_: object) -> None:
        """Nothing to wait for."""

    def query(self) -> bool:
        """All done."""
        return True

    def record_event(self, event: Event | None = None) -> Event:
        """An event of now."""
        event = event or Event()
        event.record(self)
        return event

    def synchronize(self) -> None:
        """Nothing to wait for."""

    def wait_event(self, event: object) -> None:
        """Nothing to wait for."""

    def wait_stream(self, stream: object) -> None:
        """Nothing to wait for."""


class Event:
    """A time on the clock that the script sees."""

    now: Callable[[], float]

    def __init__(self, *_: Any, **__: Any) -> None:
        self._at: float | None = None

    def record(self, stream: object = None) -> None:
        """Take the time."""
        self._at = type(self).now()

    def elapsed_time(self, end: Event) -> float:
        """Milliseconds from this event to `end`."""
        if self._at is None or end._at is None:
            raise RuntimeError("Both events must be recorded before calculating elapsed time.")
        return (end._at - self._at) * 1000.0

    def query(self) -> bool:
        """Done."""
        return True

    def synchronize(self) -> None:
        """Nothing to wait for."""

    def wait(self, stream: object = None) -> None:
        """Nothing to wait for."""


class _CudaGraph:
    def __init__(self, *_: Any, **__: Any) -> None:
        raise NotImplementedError("a CUDA graph is replayed by the GPU; the audit on a CPU cannot replay one")


@contextmanager
def _context(*_: Any, **__: Any) -> Iterator[None]:
    yield


def _nothing(*_: Any, **__: Any) -> None:
    return None


def _answer(value: Any) -> Callable[..., Any]:
    return lambda *_, **__: value


def _seed(seed: int) -> None:
    torch.default_generator.manual_seed(int(seed))


def _memory_stats(device: Any = None) -> dict[str, int]:
    keys = ("allocated_bytes.all", "reserved_bytes.all", "active_bytes.all")
    return {f"{key}.{what}": _USED_BYTES for key in keys for what in ("current", "peak")}


def install_cuda_module(now: Callable[[], float], devices: int) -> None:
    """Let `torch.cuda` answer as `devices` GPUs; `now` is the script's clock in seconds."""
    Event.now = staticmethod(now)
    current = Stream()
    for name, value in {
        "is_available": _answer(True),
        "is_initialized": _answer(True),
        "is_bf16_supported": _answer(True),
        "device_count": _answer(devices),
        "current_device": _answer(0),
        "get_device_name": _answer(GPU_NAME),
        "get_device_capability": _answer((9, 0)),
        "get_device_properties": _answer(PROPERTIES),
        "get_arch_list": _answer(["sm_90"]),
        "mem_get_info": _answer((_TOTAL_BYTES - _USED_BYTES, _TOTAL_BYTES)),
        "memory_stats": _memory_stats,
        "memory_summary": _answer(""),
        "utilization": _answer(100),
        "initial_seed": torch.initial_seed,
        "current_stream": _answer(current),
        "default_stream": _answer(current),
        "stream": lambda stream: stream if isinstance(stream, Stream) else _context(),
        "device": _context,
        "device_of": _context,
        "Stream": Stream,
        "ExternalStream": Stream,
        "Event": Event,
        "CUDAGraph": _CudaGraph,
        "get_rng_state": lambda device=None: torch.get_rng_state(),
        "set_rng_state": lambda state, device=None: torch.set_rng_state(state),
        "get_rng_state_all": lambda: [torch.get_rng_state()],
        "set_rng_state_all": lambda states: torch.set_rng_state(states[0]),
        "manual_seed": _seed,
        "manual_seed_all": _seed,
        "seed": torch.seed,
        "seed_all": torch.seed,
    }.items():
        setattr(torch.cuda, name, value)
    for kind in ("allocated", "reserved", "cached"):
        for prefix in ("", "max_"):
            setattr(torch.cuda, f"{prefix}memory_{kind}", _answer(_USED_BYTES))
    for name in _WITHOUT_EFFECT:
        setattr(torch.cuda, name, _nothing)
    for name in ("range_push", "range_pop", "mark"):
        setattr(torch.cuda.nvtx, name, _nothing)
    torch.cuda.nvtx.range = _context
    for name, value in vars(torch.cuda).copy().items():
        # torch.cuda.memory, .random and .streams hold the same names.
        for module in (torch.cuda.memory, torch.cuda.random, torch.cuda.streams):
            if (
                hasattr(module, name)
                and not name.startswith("__")
                and not isinstance(value, types.ModuleType)
            ):
                setattr(module, name, value)
    torch.Stream = Stream  # type: ignore[misc,assignment]
    torch.Event = Event  # type: ignore[misc,assignment]
    torch.version.cuda = "12.8"
    torch.cuda.nccl = types.SimpleNamespace(version=_answer((2, 27, 5)))  # type: ignore[assignment]
