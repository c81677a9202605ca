"""What `torch.compile` gives back where nothing is compiled."""

from __future__ import annotations

import torch

from harness.dynamic.child.facade.compilation import same


def test_a_walk_to_the_module_inside_a_compiled_one_ends():
    inner = compiled = same(torch.nn.Linear(2, 3))
    steps = 0
    while hasattr(inner, "_orig_mod") and steps < 3:
        inner, steps = inner._orig_mod, steps + 1
    assert steps == 1
    assert inner.weight is compiled.weight


def test_the_module_inside_is_no_part_of_the_weights_that_are_saved():
    assert sorted(same(torch.nn.Linear(2, 3)).state_dict()) == ["bias", "weight"]
