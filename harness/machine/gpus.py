"""GPUs as nvidia-smi names them: read with a time limit, parsed without trust in a field being there.

Sources: `nvidia-smi --help-query-gpu`; README of openai/parameter-golf, 954a15810 (8x H100 SXM).
"""

from __future__ import annotations

import csv
import re
import shutil
import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from harness.errors import SetupError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

_FIELDS = (
    "index",
    "uuid",
    "name",
    "driver_version",
    "memory.total",
    "memory.used",
    "clocks.max.sm",
    "clocks_event_reasons.active",
    "power.limit",
    "power.default_limit",
    "mig.mode.current",
    "ecc.errors.uncorrected.volatile.total",
)
# Reasons of a slower clock that are no fault: idle, set by an application, sync boost (bits 0, 1, 4).
_HARMLESS_CLOCK_REASONS = 0x1 | 0x2 | 0x10
_SECONDS_AT_MOST = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Gpu:
    """One GPU. Numbers are None where nvidia-smi says [N/A]; memory in MiB, clock in MHz, power in W."""

    index: int
    uuid: str
    name: str
    driver: str
    memory_mib: float | None
    memory_used_mib: float | None
    max_clock_mhz: float | None
    slowed_by: int
    power_limit_w: float | None
    default_power_limit_w: float | None
    has_mig: bool
    uncorrected_errors: int

    def as_json(self) -> dict[str, Any]:
        """Plain data."""
        return {name: getattr(self, name) for name in self.__slots__}


@dataclass(frozen=True, slots=True, kw_only=True)
class GpuProcess:
    """A process that computes on a GPU."""

    gpu_uuid: str
    pid: int
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class GpuSet:
    """All GPUs of the machine, who computes on them, and the weakest link between any two.

    `links` is NV18, NV4, PIX, SYS ... as `nvidia-smi topo -m` has them; None with fewer than two GPUs or when
    the matrix cannot be read.
    """

    gpus: tuple[Gpu, ...] = ()
    processes: tuple[GpuProcess, ...] = ()
    links: tuple[str, ...] | None = None

    def only(self, visible: str) -> GpuSet:
        """Those that a CUDA_VISIBLE_DEVICES names, with their processes; all of them for an empty one.

        Parts of a GPU (MIG) are not told apart: then all are left.
        """
        names = {name.strip() for name in visible.split(",") if name.strip()}
        if not names or any(name.startswith("MIG-") for name in names):
            return self
        gpus = tuple(gpu for gpu in self.gpus if str(gpu.index) in names or gpu.uuid in names)
        uuids = {gpu.uuid for gpu in gpus}
        processes = tuple(process for process in self.processes if process.gpu_uuid in uuids)
        return GpuSet(gpus=gpus, processes=processes, links=self.links if len(gpus) > 1 else None)


def found_gpus(ask: Callable[[Sequence[str]], str] | None = None) -> GpuSet:
    """The GPUs nvidia-smi shows; none where there is no nvidia-smi.

    `ask` runs nvidia-smi with arguments and returns what it prints. Raises `SetupError` where it is there and
    fails: a broken driver must not look like a machine without a GPU.
    """
    if ask is None:
        if shutil.which("nvidia-smi") is None:
            return GpuSet()
        ask = _nvidia_smi
    gpus = parsed_gpus(ask([f"--query-gpu={','.join(_FIELDS)}", "--format=csv,noheader,nounits"]))
    if not gpus:
        return GpuSet()
    told = ask(["--query-compute-apps=gpu_uuid,pid,process_name", "--format=csv,noheader,nounits"])
    return GpuSet(
        gpus=gpus,
        processes=parsed_processes(told),
        links=parsed_links(ask(["topo", "-m"]), len(gpus)) if len(gpus) > 1 else None,
    )


def _nvidia_smi(arguments: Sequence[str]) -> str:
    try:
        done = subprocess.run(
            ["nvidia-smi", *arguments], capture_output=True, timeout=_SECONDS_AT_MOST, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise SetupError(f"nvidia-smi {arguments[0]} failed ({error}); is the driver loaded?") from error
    text = done.stdout.decode("utf-8", "replace")
    if done.returncode != 0:
        said = (text + done.stderr.decode("utf-8", "replace")).strip()[:300]
        raise SetupError(
            f"nvidia-smi {arguments[0]} ended with status {done.returncode}: {said or 'nothing said'}; mend "
            "the driver, or hide it from PATH to run without GPUs"
        )
    return text


def parsed_gpus(text: str) -> tuple[Gpu, ...]:
    """The rows of `--query-gpu`; rows that are no GPU are left out."""
    gpus = []
    for row in csv.reader(text.splitlines(), skipinitialspace=True):
        if len(row) != len(_FIELDS) or not row[0].isdigit():
            continue
        value = dict(zip(_FIELDS, (cell.strip() for cell in row), strict=True))
        reasons = value["clocks_event_reasons.active"]
        active = int(reasons, 16) if re.fullmatch(r"0x[0-9a-fA-F]{1,16}", reasons) else 0
        gpus.append(
            Gpu(
                index=int(value["index"]),
                uuid=value["uuid"],
                name=value["name"],
                driver=value["driver_version"],
                memory_mib=_number(value["memory.total"]),
                memory_used_mib=_number(value["memory.used"]),
                max_clock_mhz=_number(value["clocks.max.sm"]),
                slowed_by=active & ~_HARMLESS_CLOCK_REASONS,
                power_limit_w=_number(value["power.limit"]),
                default_power_limit_w=_number(value["power.default_limit"]),
                has_mig=value["mig.mode.current"].lower() == "enabled",
                uncorrected_errors=int(_number(value["ecc.errors.uncorrected.volatile.total"]) or 0),
            )
        )
    return tuple(gpus)


def parsed_processes(text: str) -> tuple[GpuProcess, ...]:
    """The rows of `--query-compute-apps`."""
    rows = csv.reader(text.splitlines(), skipinitialspace=True)
    return tuple(
        GpuProcess(gpu_uuid=row[0].strip(), pid=int(row[1]), name=row[2].strip())
        for row in rows
        if len(row) == 3 and row[0].startswith("GPU-") and row[1].strip().isdigit()
    )


def parsed_links(text: str, count: int) -> tuple[str, ...] | None:
    """The kinds of link between any two of `count` GPUs in `topo -m`, sorted; None for another matrix."""
    kinds: set[str] = set()
    rows = 0
    for line in text.splitlines():
        cells = line.split()
        if len(cells) > count and re.fullmatch(r"GPU\d+", cells[0]) and not re.fullmatch(r"GPU\d+", cells[1]):
            rows += 1
            kinds.update(cell for cell in cells[1 : count + 1] if cell != "X")
    return tuple(sorted(kinds)) if rows == count else None


def _number(text: str) -> float | None:
    return float(text) if re.fullmatch(r"\d{1,12}(\.\d{1,6})?", text) else None
