from __future__ import annotations

import datetime
from typing import TYPE_CHECKING

import pytest

from harness.errors import SetupError
from harness.machine.gpus import found_gpus, parsed_gpus, parsed_links, parsed_processes
from harness.machine.machine_check import Machine, judged_machine, this_machine
from harness.ruleset import load_ruleset

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

LIMITS = load_ruleset().limits(datetime.date(2026, 5, 2))
NAME = "NVIDIA H100 80GB HBM3"


def row(index: int, name: str = NAME, **changed: str) -> str:
    cells = {
        "uuid": f"GPU-{index}", "driver": "570.124.06", "total": "81559", "used": "4", "clock": "1980",
        "slowed": "0x01", "limit": "700.00", "usual": "700.00", "mig": "Disabled", "errors": "0",
    }  # fmt: skip
    cells.update(changed)
    return ", ".join(
        (str(index), cells["uuid"], name, cells["driver"], cells["total"], cells["used"], cells["clock"],
         cells["slowed"], cells["limit"], cells["usual"], cells["mig"], cells["errors"])
    )  # fmt: skip


def matrix(count: int, link: str = "NV18") -> str:
    names = [f"GPU{index}" for index in range(count)]
    lines = ["\t" + "\t".join(names) + "\tCPU Affinity\tNUMA Affinity"]
    for at, name in enumerate(names):
        cells = ["X" if other == at else link for other in range(count)]
        lines.append("\t".join([name, *cells, "0-95", "0"]))
    return "\n".join([*lines, "", "Legend:", "  X    = Self"])


def smi(gpus: Sequence[str], processes: str = "", links: str | None = None):
    def ask(arguments: Sequence[str]) -> str:
        if arguments[0].startswith("--query-gpu"):
            return "\n".join(gpus)
        return processes if arguments[0].startswith("--query-compute") else links or matrix(len(gpus))

    return ask


def machine_of(gpus: Sequence[str], **more: str) -> Machine:
    return Machine(
        host_system="Linux 6", cpu="x", cpus=96, memory_bytes=1 << 40, free_disk_bytes=1 << 40,
        gpu_set=found_gpus(smi(gpus, **more)),
    )  # fmt: skip


def judged(gpus: Sequence[str], world_size: int = 8, **more: str):
    return judged_machine(machine_of(gpus, **more), LIMITS, world_size=world_size, disk_needed_bytes=1 << 30)


EIGHT = [row(index) for index in range(8)]


def test_eight_h100_sxm_on_nvlink_are_the_machine_of_the_track() -> None:
    verdict = judged(EIGHT)
    assert verdict.not_eligible == ()
    assert verdict.cannot_run == ()
    assert machine_of(EIGHT).summary == f"8x {NAME}, driver 570.124.06, links NV18"


@pytest.mark.parametrize(
    ("gpus", "said"),
    [
        (EIGHT[:4], "4 GPUs, not 8x H100 SXM"),
        ([*EIGHT[:7], row(7, "NVIDIA A100-SXM4-80GB")], "NVIDIA A100-SXM4-80GB is no H100 SXM"),
        ([row(index, "NVIDIA H100 PCIe") for index in range(8)], "NVIDIA H100 PCIe is no H100 SXM"),
        ([*EIGHT[:7], row(7, mig="Enabled")], "GPU 7 is split (MIG)"),
        ([*EIGHT[:7], row(7, limit="500.00")], "GPU 7 may draw 500 W, not its usual 700 W"),
        (
            [*EIGHT[:7], row(7, slowed="0x0000000000000020")],
            "GPU 7 is slowed down (clock event reasons 0x20)",
        ),
        ([*EIGHT[:7], row(7, clock="1755")], "the GPUs have different top clocks"),
    ],
)
def test_another_machine_is_a_label_and_never_a_refusal_to_run(gpus: list[str], said: str) -> None:
    verdict = judged(gpus, world_size=min(8, len(gpus)))
    assert said in verdict.not_eligible
    assert verdict.cannot_run == ()


def test_gpus_without_nvlink_are_not_the_machine_of_the_track() -> None:
    assert (
        "the GPUs are not all linked by NVLink (links SYS)"
        in judged(EIGHT, links=matrix(8, "SYS")).not_eligible
    )


def test_a_single_gpu_is_not_asked_for_links() -> None:
    assert not any("NVLink" in said for said in judged(EIGHT[:1], world_size=1).not_eligible)


@pytest.mark.parametrize(
    ("gpus", "more", "said"),
    [
        (
            EIGHT,
            {"processes": "GPU-0, 4711, python train.py"},
            "process 4711 (python train.py) computes on a GPU",
        ),
        ([row(0, used="40000"), *EIGHT[1:]], {}, "GPU 0 has 40,000 MiB in use before the run"),
        ([row(0, errors="2"), *EIGHT[1:]], {}, "GPU 0 reports 2 uncorrected memory errors"),
    ],
)
def test_a_busy_or_broken_machine_cannot_run(gpus: list[str], more: dict[str, str], said: str) -> None:
    assert any(each.startswith(said) for each in judged(gpus, **more).cannot_run)


def test_more_ranks_than_gpus_cannot_run() -> None:
    assert any("8 ranks need 8 GPUs; this machine has 2" in each for each in judged(EIGHT[:2]).cannot_run)


def test_too_little_disk_cannot_run() -> None:
    full = Machine(host_system="", cpu="", cpus=1, memory_bytes=0, free_disk_bytes=5)
    verdict = judged_machine(full, LIMITS, world_size=1, disk_needed_bytes=10)
    assert verdict.cannot_run == ("5 bytes of disk are free; the run may write 10: choose another --out",)


def test_fields_that_a_driver_does_not_tell_are_unknown() -> None:
    [gpu] = parsed_gpus(row(0, used="[N/A]", clock="[Not Supported]", slowed="[N/A]", errors="[N/A]"))
    assert (gpu.memory_used_mib, gpu.max_clock_mhz, gpu.slowed_by, gpu.uncorrected_errors) == (
        None,
        None,
        0,
        0,
    )


@pytest.mark.parametrize(
    "text", ["", "No devices were found", "1,2,3", "\x00\xff", "a, b, c, d, e, f, g, h, i, j, k, l"]
)
def test_what_is_no_list_of_gpus_holds_none(text: str) -> None:
    assert parsed_gpus(text) == ()
    assert parsed_processes(text) == ()


def test_a_matrix_for_other_gpus_is_not_read() -> None:
    assert parsed_links(matrix(4), 8) is None


def test_a_broken_driver_is_no_machine_without_gpus(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    broken = tmp_path / "nvidia-smi"
    broken.write_text(
        "#!/bin/sh\necho 'Failed to initialize NVML: Driver/library version mismatch'\nexit 18\n"
    )
    broken.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    with pytest.raises(SetupError, match="ended with status 18: Failed to initialize NVML"):
        found_gpus()


def test_without_nvidia_smi_there_are_no_gpus(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    assert found_gpus().gpus == ()


def test_this_machine_tells_its_size_and_not_its_name(tmp_path: Path) -> None:
    machine = this_machine(tmp_path / "runs" / "later", gpus=lambda: machine_of([]).gpu_set)
    assert machine.cpus >= 1
    assert machine.free_disk_bytes > 0
    assert set(machine.as_json()) == {
        "system", "cpu", "cpus", "memory_bytes", "free_disk_bytes", "gpus", "gpu_links",
    }  # fmt: skip


def test_gpus_that_a_scheduler_gave_to_others_are_not_looked_at(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "4,5,6,7")
    processes = "GPU-0, 4711, python\nGPU-6, 4712, python"
    found = found_gpus(smi([row(index) for index in range(8)], processes=processes))
    machine = this_machine(tmp_path, lambda: found)
    assert [gpu.index for gpu in machine.gpu_set.gpus] == [4, 5, 6, 7]
    verdict = judged_machine(machine, LIMITS, world_size=4, disk_needed_bytes=0)
    assert len(verdict.cannot_run) == 1
    assert "process 4712" in verdict.cannot_run[0]
    assert any("4 GPUs" in why for why in verdict.not_eligible)


@pytest.mark.parametrize(
    ("visible", "left"), [("", 8), ("GPU-3", 1), ("MIG-1", 8), ("-1", 0), ("0,1,2,3,4,5,6,7", 8)]
)
def test_visible_gpus_are_those_that_are_named(visible: str, left: int) -> None:
    found = found_gpus(smi([row(index) for index in range(8)]))
    assert len(found.only(visible).gpus) == left
