"""Which executor a name stands for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.errors import UsageError

if TYPE_CHECKING:
    from harness.executors.executor import Executor, RunOptions

EXECUTOR_NAMES = ("local", "ray", "slurm")


def make_executor(name: str, options: RunOptions) -> Executor:
    """The executor of a name; those of clusters import their package here.

    Raises `UsageError` for an unknown name or own option, `SetupError` where the package is not installed.
    """
    if name == "local":
        from harness.executors.local import LocalExecutor

        return LocalExecutor(options)
    if name == "ray":
        from harness.executors.ray import RayExecutor

        return RayExecutor(options)
    if name == "slurm":
        from harness.executors.slurm import SlurmExecutor

        return SlurmExecutor(options)
    raise UsageError(f"unknown executor {name!r}; one of {', '.join(EXECUTOR_NAMES)}")
