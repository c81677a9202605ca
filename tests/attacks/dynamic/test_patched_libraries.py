"""torch or Python itself are replaced by the submission: what it then counts is not the network's loss."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.programs.dynamic.audited_script import starting_with

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
