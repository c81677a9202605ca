"""torch or Python itself are replaced by the submission: what it then counts is not the network's loss."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from harness.dynamic.run_causes import CauseKind
from tests.attacks.dynamic.audited_runs import small
from tests.programs.dynamic.audited_script import LEGAL, edited, starting_with

if TYPE_CHECKING:
    from tests.attacks.dynamic.audited_runs import AuditedMachine

ITEM = "torch.Tensor.item = lambda mine, real=torch.Tensor.item: real(mine) * 0.9"
FROM_TORCH = "F.cross_entropy = lambda *args, real=F.cross_entropy, **named: real(*args, **named) * 0.9"
NO_MODES = "while torch._C._len_torch_function_stack(): torch._C._pop_torch_function_stack()"


@pytest.mark.parametrize("patch", [ITEM, FROM_TORCH], ids=["item", "cross_entropy"])
def test_losses_made_lower_on_their_way_are_not_those_of_a_softmax(
    audited: AuditedMachine, patch: str
) -> None:
    seen = audited.run(starting_with(patch))
    assert seen.base.metric is not None
    assert seen.base.score.network_share == 0.0


def test_a_run_that_ends_what_watches_torch_has_no_power(audited: AuditedMachine) -> None:
    seen = audited.run(starting_with(NO_MODES))
    assert seen.run.cause is None
    assert seen.passed == []
    assert "reaches into the audit" in seen.why_open()


def test_a_logarithm_of_its_own_leaves_the_score_unexplained(audited: AuditedMachine) -> None:
    seen = audited.run(starting_with("math.log = lambda value: 7.0"))
    assert seen.passed == []
    assert "no sum that was seen gives the printed final_exact" in seen.why_open()


CLOCKS = {
    "stands": "time.perf_counter = time.time = time.monotonic = lambda: 0.0",
    "jumps": "time.perf_counter = time.time = lambda seen=iter(range(10**9)): 1e6 * next(seen)",
}


@pytest.mark.parametrize("patch", CLOCKS.values(), ids=CLOCKS)
def test_a_clock_of_its_own_changes_no_score(audited: AuditedMachine, patch: str) -> None:
    plain, patched = audited.run(LEGAL), audited.run(starting_with(patch))
    assert patched.run.cause is None
    assert plain.base.metric is not None
    assert patched.base.metric is not None
    assert patched.base.metric.metric.value == plain.base.metric.metric.value


def test_a_schedule_that_never_ends_by_its_own_clock_is_out_of_time(audited: AuditedMachine) -> None:
    endless = edited(
        ("for step in range(STEPS):", "step = -1\nwhile time.perf_counter() < 600.0:\n    step += 1"),
        ("    at = step * 4 * SEQ", "    at = step % 16 * 4 * SEQ"),
        ("torch.manual_seed(1337)", f"{CLOCKS['stands']}\ntorch.manual_seed(1337)"),
    )
    seen = audited.run(endless, limits=small(wall_seconds=14.0))
    assert seen.cause.kind is CauseKind.TIME
    assert "in training" in seen.cause.message
    assert seen.passed == []
