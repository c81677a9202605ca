from __future__ import annotations

import torch

from reference_model.network.attention import AttentionContext, CausalSelfAttention, without_own_value
from reference_model.network.rotary import RotaryTables, normed_and_rotated, rotary_tables
from tests.reference_model.small_models import small_config

CPU = torch.device("cpu")


def tables(length: int, rotated: int = 4, trained: int = 1024) -> RotaryTables:
    return rotary_tables(length, rotated, 10_000.0, trained, CPU, torch.float64)


def test_output_without_own_value_is_orthogonal_to_the_value_of_its_group():
    y, v = torch.randn(2, 5, 4, 8).double(), torch.randn(2, 5, 2, 8).double()
    left = without_own_value(y, v)
    assert (left * v.repeat_interleave(2, dim=2)).sum(dim=-1).abs().max() < 1e-12
    assert (left - y).abs().max() > 0.1


def test_zero_values_leave_the_output_as_it_is():
    y = torch.randn(1, 3, 4, 8)
    torch.testing.assert_close(without_own_value(y, torch.zeros(1, 3, 2, 8)), y)


def test_attention_equals_the_written_out_softmax():
    torch.manual_seed(1)
    attention = CausalSelfAttention(small_config()).double()
    torch.nn.init.eye_(attention.proj.weight)
    x, scale = torch.randn(1, 6, 32).double(), torch.ones(32).double()
    found, _ = attention(x, AttentionContext(tables(6)), scale, torch.zeros_like(x))
    q = normed_and_rotated(attention.c_q(x).view(1, 6, 4, 8), tables(6), attention.q_gain)
    k = normed_and_rotated(attention.c_k(x).view(1, 6, 2, 8), tables(6)).repeat_interleave(2, dim=2)
    v = attention.c_v(x).view(1, 6, 2, 8).repeat_interleave(2, dim=2)
    weights = torch.einsum("bqhd,bkhd->bhqk", q, k) / 8**0.5
    hidden = torch.ones(6, 6).triu(1).bool()
    weights = weights.masked_fill(hidden, float("-inf")).softmax(dim=-1)
    expected = torch.einsum("bhqk,bkhd->bqhd", weights, v).flatten(2)
    torch.testing.assert_close(found, expected)


def test_first_value_enters_by_two_plain_numbers():
    attention = CausalSelfAttention(small_config(value_residual=True)).double()
    attention.vr_lambda.data = torch.tensor([2.0, -1.0]).double()
    x, first = torch.randn(1, 3, 32).double(), torch.randn(1, 3, 16).double()
    mixed, raw = attention._values(x, AttentionContext(tables(3), first_value=first))
    torch.testing.assert_close(raw, attention.c_v(x))
    torch.testing.assert_close(mixed, 2 * first - raw)


def test_rotation_keeps_lengths_and_depends_on_distance_only():
    q, k = torch.randn(1, 1, 1, 8).double(), torch.randn(1, 1, 1, 8).double()
    table = tables(9, rotated=8)

    def at(x: torch.Tensor, position: int) -> torch.Tensor:
        return normed_and_rotated(x, RotaryTables(table.cos[[position]], table.sin[[position]]))

    assert torch.isclose(at(q, 7).square().sum(), torch.tensor(8.0).double(), rtol=1e-6)
    torch.testing.assert_close((at(q, 3) * at(k, 1)).sum(), (at(q, 8) * at(k, 6)).sum())


def test_dimensions_beyond_the_rotated_ones_pass():
    x = torch.randn(1, 5, 2, 8).double()
    turned = normed_and_rotated(x, tables(5, rotated=4))
    normed = x / x.square().mean(dim=-1, keepdim=True).sqrt()
    torch.testing.assert_close(turned[..., 4:], normed[..., 4:])
    assert not torch.allclose(turned[:, 1:, :, :4], normed[:, 1:, :, :4])


def test_inputs_longer_than_trained_for_scale_the_base():
    longer = tables(2048, rotated=16)
    base = 10_000 * 2 ** (16 / 14)  # 22,081.8
    angle = 2047 / base ** (2 / 16)
    assert abs(longer.cos[2047, 0, 1].item() - torch.tensor(angle).double().cos().item()) < 1e-4
    assert tables(1024, rotated=16).cos[5, 0, 1].item() != longer.cos[5, 0, 1].item()
