from __future__ import annotations

import torch

from reference_model.network.sidecar import SharedSidecar
from tests.reference_model.small_models import small_config


def sidecar() -> SharedSidecar:
    return SharedSidecar(small_config(sidecar_layers=(1, 2), sidecar_dim=8))


def test_output_depends_on_its_position_and_the_two_before():
    x = torch.randn(1, 9, 32, requires_grad=True)
    (sidecar()(x, 0, torch.ones(32)) - x)[0, 6].sum().backward()
    assert x.grad.abs().sum(dim=-1).nonzero()[:, 1].tolist() == [4, 5, 6]


def test_a_zero_factor_leaves_the_stream_as_it_is():
    x = torch.randn(1, 4, 32)
    torch.testing.assert_close(sidecar()(x, 0, torch.zeros(32)), x)


def test_sites_differ_by_their_gate_offset():
    shared, x = sidecar(), torch.randn(1, 4, 32)
    torch.testing.assert_close(shared(x, 0, torch.ones(32)), shared(x, 1, torch.ones(32)))
    shared.site_gate.weight.data[1] = 1.0
    assert not torch.allclose(shared(x, 0, torch.ones(32)), shared(x, 1, torch.ones(32)))
