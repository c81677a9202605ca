"""Which device nodes a GPU run gets, on a /dev that looks like a GPU machine's."""

from __future__ import annotations

from pathlib import Path

from harness.sandbox.gpu_devices import bwrap_gpu_arguments, gpu_nodes


def dev_with(folder: Path, *names: str) -> Path:
    for name in names:
        (folder / name).touch()
    return folder


def test_every_gpu_and_its_control_nodes_are_found(tmp_path: Path) -> None:
    dev = dev_with(
        tmp_path, "nvidia0", "nvidia7", "nvidiactl", "nvidia-uvm", "nvidia-uvm-tools", "nvidia-caps", "sda"
    )
    names = [Path(node).name for node in gpu_nodes(dev)]
    assert names == ["nvidia-caps", "nvidia-uvm", "nvidia-uvm-tools", "nvidia0", "nvidia7", "nvidiactl"]


def test_control_nodes_without_a_gpu_are_nothing(tmp_path: Path) -> None:
    assert gpu_nodes(dev_with(tmp_path, "nvidiactl", "nvidia-uvm")) == ()


def test_missing_dev_is_no_gpu(tmp_path: Path) -> None:
    assert gpu_nodes(tmp_path / "none") == ()


def test_nodes_are_bound_as_devices_and_sys_is_readable() -> None:
    arguments = bwrap_gpu_arguments(("/dev/nvidia0",))
    assert arguments == ["--ro-bind", "/sys", "/sys", "--dev-bind", "/dev/nvidia0", "/dev/nvidia0"]
