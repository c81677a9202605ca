from __future__ import annotations

import torch

from reference_model.artifacts.prune import prune_smallest


def large(dtype: torch.dtype = torch.float32) -> torch.Tensor:
    return torch.randn(300, 300, generator=torch.Generator().manual_seed(3)).to(dtype)


def test_the_fraction_of_a_large_matrix_becomes_zero() -> None:
    pruned = prune_smallest({"w": large()}, 0.03)["w"]
    assert abs(float((pruned == 0).float().mean()) - 0.03) < 1e-4


def test_the_smallest_weights_go_and_the_others_stay() -> None:
    weight = large()
    pruned = prune_smallest({"w": weight}, 0.03)["w"]
    gone = pruned == 0
    assert float(weight[gone].abs().max()) < float(weight[~gone].abs().min())
    assert torch.equal(pruned[~gone], weight[~gone])


def test_small_matrices_vectors_and_integers_stay_whole() -> None:
    state = {
        "small": torch.ones(256, 256),
        "vector": torch.ones(70_000),
        "count": torch.zeros(300, 300).long(),
    }
    pruned = prune_smallest(state, 0.5)
    assert all(torch.equal(pruned[name], tensor) for name, tensor in state.items())


def test_the_state_given_is_not_changed() -> None:
    weight = large()
    before = weight.clone()
    prune_smallest({"w": weight}, 0.5)
    assert torch.equal(weight, before)


def test_the_dtype_stays() -> None:
    assert prune_smallest({"w": large(torch.bfloat16)}, 0.03)["w"].dtype == torch.bfloat16
