"""The machine of a run, and what keeps its runs from being record-eligible.

Nothing here judges a submission: a machine that is not the one the track names is a label on the record, one
that is broken or busy ends the run as "could not run". Numbers of the track are those of `rules/limits.toml`.
"""

from __future__ import annotations

import os
import platform
import shutil
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.machine.gpus import GpuSet, found_gpus

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from harness.ruleset import Limits

# An idle H100 holds up to about 600 MiB for its driver.
_IDLE_MEMORY_MIB = 1_024.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """What a run runs on. Memory and disk in bytes, 0 where the system does not say."""

    host_system: str
    cpu: str
    cpus: int
    memory_bytes: int
    free_disk_bytes: int
    gpu_set: GpuSet = field(default_factory=GpuSet)

    def as_json(self) -> dict[str, Any]:
        """Plain data for the record; no host name."""
        return {
            "system": self.host_system,
            "cpu": self.cpu,
            "cpus": self.cpus,
            "memory_bytes": self.memory_bytes,
            "free_disk_bytes": self.free_disk_bytes,
            "gpus": [gpu.as_json() for gpu in self.gpu_set.gpus],
            "gpu_links": list(self.gpu_set.links) if self.gpu_set.links is not None else None,
        }

    @property
    def summary(self) -> str:
        """One line for people."""
        gpus = self.gpu_set.gpus
        if not gpus:
            return f"no GPU, {self.cpus} CPUs ({self.cpu})"
        names = sorted({gpu.name for gpu in gpus})
        links = f", links {'/'.join(self.gpu_set.links)}" if self.gpu_set.links else ""
        return f"{len(gpus)}x {' and '.join(names)}, driver {gpus[0].driver}{links}"


@dataclass(frozen=True, slots=True, kw_only=True)
class MachineVerdict:
    """`not_eligible` says why no run here is a record, `cannot_run` why none may start; both may be empty."""

    not_eligible: tuple[str, ...]
    cannot_run: tuple[str, ...]


def this_machine(out: Path, gpus: Callable[[], GpuSet] = found_gpus) -> Machine:
    """The machine we are on, with the GPUs that are ours to use; `out` is the folder runs are written to."""
    pages = os.sysconf("SC_PHYS_PAGES") if "SC_PHYS_PAGES" in os.sysconf_names else 0
    try:
        free = shutil.disk_usage(_existing(out)).free
    except OSError:
        free = 0
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return Machine(
        host_system=f"{platform.system()} {platform.release()}",
        cpu=_cpu_name(),
        cpus=usable,
        memory_bytes=pages * os.sysconf("SC_PAGE_SIZE") if pages > 0 else 0,
        free_disk_bytes=free,
        gpu_set=gpus().only(os.environ.get("CUDA_VISIBLE_DEVICES", "")),
    )


def judged_machine(
    machine: Machine, limits: Limits, *, world_size: int, disk_needed_bytes: int, own: Sequence[int] = ()
) -> MachineVerdict:
    """What of the machine is not what `limits` ask for, and what forbids a start with `world_size` ranks.

    `own` are process ids that may be on the GPUs: our own.
    """
    gpus = machine.gpu_set.gpus
    wanted = limits.integer("hardware.world_size")
    name, form = limits.text("hardware.gpu_name"), limits.text("hardware.gpu_form")
    label = f"{wanted}x {name} {form}"
    odd: list[str] = []
    if world_size != wanted:
        odd.append(f"{world_size} rank{'s' if world_size != 1 else ''}, not the {wanted} of {label}")
    if len(gpus) != wanted:
        odd.append(f"{len(gpus) or 'no'} GPU{'s' if len(gpus) != 1 else ''}, not {label}")
    refused = [str(each).lower() for each in limits.get("hardware.refused_forms")]
    others = {gpu.name for gpu in gpus if name not in gpu.name or any(r in gpu.name.lower() for r in refused)}
    odd += [f"{other} is no {name} {form}" for other in sorted(others)]
    for gpu in gpus:
        if gpu.has_mig:
            odd.append(f"GPU {gpu.index} is split (MIG)")
        if gpu.power_limit_w and gpu.default_power_limit_w and gpu.power_limit_w != gpu.default_power_limit_w:
            odd.append(
                f"GPU {gpu.index} may draw {gpu.power_limit_w:g} W, not its usual "
                f"{gpu.default_power_limit_w:g} W"
            )
        if gpu.slowed_by:
            odd.append(f"GPU {gpu.index} is slowed down (clock event reasons {gpu.slowed_by:#x})")
    if len({gpu.max_clock_mhz for gpu in gpus}) > 1:
        odd.append("the GPUs have different top clocks")
    links = machine.gpu_set.links
    if len(gpus) > 1 and (links is None or any(not link.startswith("NV") for link in links)):
        told = "unknown" if links is None else "/".join(links)
        odd.append(f"the GPUs are not all linked by NVLink (links {told})")
    cannot = [
        f"process {process.pid} ({process.name[-60:]}) computes on a GPU; stop it or choose another machine"
        for process in machine.gpu_set.processes
        if process.pid not in own
    ]
    cannot += [
        f"GPU {gpu.index} has {gpu.memory_used_mib:,.0f} MiB in use before the run; free it"
        for gpu in gpus
        if (gpu.memory_used_mib or 0) > _IDLE_MEMORY_MIB
    ]
    cannot += [
        f"GPU {gpu.index} reports {gpu.uncorrected_errors:,} uncorrected memory errors; reset or replace it"
        for gpu in gpus
        if gpu.uncorrected_errors
    ]
    if gpus and world_size > len(gpus):
        cannot.append(f"{world_size} ranks need {world_size} GPUs; this machine has {len(gpus)}")
    if machine.free_disk_bytes < disk_needed_bytes:
        cannot.append(
            f"{machine.free_disk_bytes:,} bytes of disk are free; the run may write {disk_needed_bytes:,}: "
            "choose another --out"
        )
    return MachineVerdict(not_eligible=tuple(odd), cannot_run=tuple(cannot))


def _existing(path: Path) -> Path:
    path = path.resolve()
    return next(each for each in (path, *path.parents) if each.exists())


def _cpu_name() -> str:
    try:
        with Path("/proc/cpuinfo").open(encoding="utf-8", errors="replace") as lines:
            for line in lines:
                if line.startswith("model name"):
                    return line.partition(":")[2].strip()[:100]
    except OSError:
        pass
    return platform.processor() or platform.machine() or "unknown"
