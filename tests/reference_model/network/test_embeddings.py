from __future__ import annotations

import pytest
import torch

from reference_model.config import Smear
from reference_model.network.embeddings import BigramHash, ConvexSmear, GatedSmear
from tests.reference_model.small_models import small_config, small_tokens

BOS_AT = 6


def tokens_with_bos() -> torch.Tensor:
    tokens = small_tokens(batch=1, length=12)
    tokens[0, BOS_AT] = 1
    return tokens


def smear(form: Smear, *, document_fix: bool) -> ConvexSmear | GatedSmear:
    made = (ConvexSmear if form is Smear.CONVEX else GatedSmear)(
        small_config(smear=form, document_fix=document_fix)
    )
    for parameter in made.parameters():
        parameter.data.fill_(0.7)
    return made


def test_bigram_bucket_is_the_published_hash():
    rows = BigramHash(small_config(bigram_buckets=2048)).buckets_of(torch.tensor([[5, 9, 1023]]))
    expected = [2047, ((36313 * 9) ^ (27191 * 5)) % 2047, ((36313 * 1023) ^ (27191 * 9)) % 2047]
    assert rows.tolist() == [expected]


def test_bigram_buckets_of_large_ids_stay_inside_the_table():
    ids = torch.tensor([[65535, 65534, 59999, 2]])  # int32 products wrap to negative numbers here
    rows = BigramHash(small_config(bigram_buckets=50)).buckets_of(ids)
    assert 0 <= rows.min() <= rows.max() <= 49


def test_document_fix_sends_bos_to_the_last_bucket_only():
    tokens = tokens_with_bos()
    fixed = BigramHash(small_config(bigram_buckets=50, document_fix=True)).buckets_of(tokens)
    plain = BigramHash(small_config(bigram_buckets=50)).buckets_of(tokens)
    assert fixed[0, BOS_AT] == 49
    assert (fixed != plain).nonzero()[:, 1].tolist() == [BOS_AT]


@pytest.mark.parametrize("form", [Smear.CONVEX, Smear.GATED])
def test_document_fix_cuts_the_smear_at_bos_and_nowhere_else(form):
    x, tokens = torch.randn(1, 12, 32), tokens_with_bos()
    fixed = smear(form, document_fix=True)(x, tokens)
    plain = smear(form, document_fix=False)(x, tokens)
    torch.testing.assert_close(fixed[0, BOS_AT], x[0, BOS_AT])
    assert (fixed != plain).any(dim=-1).nonzero()[:, 1].tolist() == [BOS_AT]


@pytest.mark.parametrize("form", [Smear.CONVEX, Smear.GATED])
def test_smear_takes_in_exactly_the_previous_position(form):
    x = torch.randn(1, 12, 32, requires_grad=True)
    smear(form, document_fix=False)(x, small_tokens(1, 12))[0, 5].sum().backward()
    assert x.grad.abs().sum(dim=-1).nonzero()[:, 1].tolist() == [4, 5]


def test_convex_smear_halves_at_the_start():
    x = torch.randn(1, 3, 32)
    mixed = ConvexSmear(small_config(smear=Smear.CONVEX))(x, small_tokens(1, 3))
    torch.testing.assert_close(mixed[:, 1], (x[:, 0] + x[:, 1]) / 2)
    torch.testing.assert_close(mixed[:, 0], x[:, 0] / 2)


def test_gated_smear_is_the_identity_at_the_start_and_its_strength_learns():
    x, gate = torch.randn(1, 3, 32), GatedSmear(small_config(smear=Smear.GATED))
    mixed = gate(x, small_tokens(1, 3))
    torch.testing.assert_close(mixed, x)
    mixed.square().sum().backward()
    assert gate.strength.grad.abs() > 0


@pytest.mark.parametrize(("dim", "channels"), [(32, 12), (8, 8)])
def test_gated_smear_looks_at_twelve_channels_or_all_of_a_narrower_model(dim, channels):
    config = small_config(model_dim=dim, smear=Smear.GATED, num_heads=2, rope_dims=4)
    assert GatedSmear(config).weight.shape == (channels,)
