"""A machine with one H100, an H100's packages and ten minutes, played on a CPU for an unmodified script."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    from harness.dynamic.child.facade.clock import VirtualClock
    from harness.dynamic.run_plan import RunPlan


def install_facade(plan: RunPlan) -> VirtualClock:
    """Install what `plan` asks for, before the script's first line; the clock that it will see."""
    import torch

    from harness.dynamic.child.facade.clock import VirtualClock, install_clock
    from harness.dynamic.child.facade.codecs import install_codecs
    from harness.dynamic.child.facade.network_packages import install_network_packages
    from harness.dynamic.child.facade.programs import install_programs

    torch.set_num_threads(1)
    if plan.device == "cpu":
        from harness.dynamic.child.facade.device_mode import calls_seen

        clock = VirtualClock(plan.train_backward_seconds, plan.val_backward_seconds, calls_seen)
        _play_gpu(plan, clock)
    else:
        clock = VirtualClock(plan.train_backward_seconds, plan.val_backward_seconds)
    _count_backward(clock)
    install_network_packages()
    install_codecs()
    install_programs()
    install_clock(clock)
    return clock


def _play_gpu(plan: RunPlan, clock: VirtualClock) -> None:
    from harness.dynamic.child.facade.accelerator import install_accelerator
    from harness.dynamic.child.facade.compilation import install_compilation
    from harness.dynamic.child.facade.cuda_module import install_cuda_module
    from harness.dynamic.child.facade.device_mode import install_device_mode
    from harness.dynamic.child.facade.gloo_ranks import install_gloo_ranks
    from harness.dynamic.child.facade.kernel_packages import install_kernel_packages
    from harness.dynamic.child.facade.one_rank import install_one_rank
    from harness.dynamic.child.facade.optimizers import install_optimizers
    from harness.dynamic.child.facade.precision import install_precision
    from harness.dynamic.child.facade.triton_package import install_triton

    install_triton()
    install_compilation()
    install_cuda_module(clock.query, plan.world_size)
    install_accelerator()
    install_precision()
    install_optimizers()
    if plan.world_size == 1:
        install_one_rank()
    else:
        install_gloo_ranks(plan)
    install_kernel_packages()
    install_device_mode()


def _count_backward(clock: VirtualClock) -> None:
    """Let backward passes move the clock."""
    from harness.dynamic.child.facade.device_mode import wrap_backward_engine

    def counting(run_backward: Callable[..., Any]) -> Callable[..., Any]:
        def counted(*args: Any, **kwargs: Any) -> Any:
            result = run_backward(*args, **kwargs)
            clock.backward()
            return result

        return counted

    wrap_backward_engine(counting)
