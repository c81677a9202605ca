"""Flat buffers step exactly like separate tensors."""

from __future__ import annotations

import torch
from torch import nn

from reference_model.optimizers.flat_parameters import FlatParameters


def small_model(seed: int = 0) -> nn.Sequential:
    torch.manual_seed(seed)
    return nn.Sequential(nn.Linear(3, 5), nn.Tanh(), nn.Linear(5, 2).to(torch.float32))


def loss_of(model: nn.Module) -> torch.Tensor:
    return model(torch.arange(12.0).view(4, 3) / 12).square().sum()


def test_sgd_on_flat_buffers_equals_sgd_on_tensors_bit_for_bit() -> None:
    separate, flattened = small_model(), small_model()
    flat = FlatParameters(flattened.parameters())
    plain = torch.optim.SGD(separate.parameters(), lr=0.1, momentum=0.9)
    joint = torch.optim.SGD(flat.buffers, lr=0.1, momentum=0.9)
    for _ in range(3):
        plain.zero_grad()
        flat.zero_gradients()
        loss_of(separate).backward()
        loss_of(flattened).backward()
        plain.step()
        joint.step()
    for a, b in zip(separate.parameters(), flattened.parameters(), strict=True):
        assert torch.equal(a, b)


def test_clipping_agrees_with_torch() -> None:
    separate, flattened = small_model(), small_model()
    flat = FlatParameters(flattened.parameters())
    loss_of(separate).backward()
    loss_of(flattened).backward()
    nn.utils.clip_grad_norm_(separate.parameters(), 0.01)
    flat.clip_gradients(0.01)
    for a, b in zip(separate.parameters(), flattened.parameters(), strict=True):
        torch.testing.assert_close(a.grad, b.grad, rtol=1e-6, atol=0)


def test_release_gives_the_old_values_and_gradients_back() -> None:
    model, untouched = small_model(), small_model()
    flat = FlatParameters(model.parameters())
    with torch.no_grad():
        for buffer in flat.buffers:
            buffer.add_(1)
    flat.release()
    for a, b in zip(model.parameters(), untouched.parameters(), strict=True):
        assert torch.equal(a, b)
        assert a.grad is None


def test_each_number_format_has_its_own_buffer() -> None:
    model = small_model()
    model[2].to(torch.bfloat16)
    flat = FlatParameters(model.parameters())
    assert [buffer.dtype for buffer in flat.buffers] == [torch.float32, torch.bfloat16]
