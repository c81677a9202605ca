from __future__ import annotations

import torch

from harness.dynamic.child.facade.attention import (
    attend,
    attend_documents,
    flash_attn_3_func,
    flash_attn_func,
    flash_attn_varlen_func,
)

Tensor = torch.Tensor


def heads(tokens: int, count: int, seed: int) -> Tensor:
    return torch.randn(2, tokens, count, 8, generator=torch.Generator().manual_seed(seed))


def by_hand(q: Tensor, k: Tensor, v: Tensor, seen: Tensor, softcap: float = 0.0) -> Tensor:
    repeats = q.shape[2] // k.shape[2]
    k, v = (each.repeat_interleave(repeats, dim=2) for each in (k, v))
    scores = torch.einsum("bqhd,bkhd->bhqk", q, k) * q.shape[-1] ** -0.5
    if softcap:
        scores = softcap * torch.tanh(scores / softcap)
    weights = scores.masked_fill(~seen, float("-inf")).softmax(-1)
    return torch.einsum("bhqk,bkhd->bqhd", weights, v)


def distance(queries: int, keys: int) -> Tensor:
    return torch.arange(keys)[None] - (torch.arange(queries)[:, None] + keys - queries)


def test_causal_attention_with_grouped_heads_is_that_of_repeated_heads() -> None:
    q, k, v = heads(12, 4, 0), heads(12, 2, 1), heads(12, 2, 2)
    expected = by_hand(q, k, v, distance(12, 12) <= 0)
    torch.testing.assert_close(flash_attn_func(q, k, v, causal=True), expected)


def test_a_window_hides_keys_further_back() -> None:
    q, k, v = heads(12, 2, 0), heads(12, 2, 1), heads(12, 2, 2)
    seen = (distance(12, 12) <= 0) & (distance(12, 12) >= -3)
    out = flash_attn_3_func(q, k, v, causal=True, window_size=(3, 0))
    torch.testing.assert_close(out, by_hand(q, k, v, seen))


def test_a_soft_cap_bends_the_scores() -> None:
    q, k, v = 5 * heads(12, 2, 0), heads(12, 2, 1), heads(12, 2, 2)
    expected = by_hand(q, k, v, distance(12, 12) <= 0, softcap=2.0)
    torch.testing.assert_close(attend(q, k, v, causal=True, softcap=2.0), expected)


def test_the_last_of_few_queries_stands_at_the_last_key() -> None:
    q, k, v = heads(3, 2, 0), heads(12, 2, 1), heads(12, 2, 2)
    torch.testing.assert_close(attend(q, k, v, causal=True), by_hand(q, k, v, distance(3, 12) <= 0))


def test_documents_do_not_see_each_other() -> None:
    q, k, v = (heads(12, 2, seed)[0] for seed in range(3))
    out = flash_attn_varlen_func(q, k, v, torch.tensor([0, 5, 12], dtype=torch.int32), causal=True)
    second = attend(q[None, 5:], k[None, 5:], v[None, 5:], causal=True)[0]
    assert torch.equal(out[5:], second)


def test_later_tokens_change_no_bit_of_earlier_outputs() -> None:
    q, k, v = (heads(12, 2, seed) for seed in range(3))
    changed = k.clone()
    changed[:, 8:] += 1.0
    assert torch.equal(attend(q, k, v, causal=True)[:, :8], attend(q, changed, v, causal=True)[:, :8])


def test_tokens_behind_the_last_document_get_zeros() -> None:
    q = heads(12, 2, 0)[0]
    borders = torch.tensor([0, 10])
    assert attend_documents(q, q, q, borders, borders, causal=True)[10:].abs().sum() == 0
