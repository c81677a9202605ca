"""Flash-attention's entry points on torch's own attention: windows, grouped heads, soft caps, documents.

Tensors are (batch, tokens, heads, size of a head), or (tokens, heads, size) with document borders.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import torch
from torch.nn import functional

Tensor = torch.Tensor
_NO_WINDOW = (-1, -1)


def attend(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    *,
    scale: float | None = None,
    causal: bool = False,
    window: tuple[int, int] | list[int] | None = _NO_WINDOW,
    softcap: float = 0.0,
) -> Tensor:
    """Attention of (B, T, H, D) tensors. `window` counts keys to the left and right, -1 is all.

    With fewer queries than keys the last query is at the last key, as flash-attention has it.
    """
    q, k, v = (each.transpose(1, 2) for each in (query, key, value))
    mask = _mask(q.shape[-2], k.shape[-2], causal=causal, window=tuple(window or _NO_WINDOW))
    grouped = q.shape[1] != k.shape[1]
    if softcap:
        return _softcapped(q, k, v, mask, causal=causal, scale=scale, softcap=softcap).transpose(1, 2)
    out = functional.scaled_dot_product_attention(
        q, k, v, attn_mask=mask, is_causal=causal and mask is None, scale=scale, enable_gqa=grouped
    )
    return out.transpose(1, 2).contiguous()


def _mask(queries: int, keys: int, *, causal: bool, window: tuple[int, ...]) -> Tensor | None:
    """Which keys a query sees, or None where a plain causal or full attention does."""
    left, right = (None if width is None or width < 0 else width for width in window)
    if causal:
        right = 0
    if left is not None and left >= keys - 1:
        left = None
    if left is None and (right is None or (right == 0 and queries == keys)):
        return None
    offset = torch.arange(keys)[None, :] - (torch.arange(queries)[:, None] + keys - queries)
    seen = torch.ones(queries, keys, dtype=torch.bool)
    if left is not None:
        seen &= offset >= -left
    if right is not None:
        seen &= offset <= right
    return seen


def _softcapped(
    q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None, *, causal: bool, scale: float | None, softcap: float
) -> Tensor:
    repeats = q.shape[1] // k.shape[1]
    k, v = (each.repeat_interleave(repeats, dim=1) for each in (k, v))
    scores = q @ k.transpose(-1, -2) * (q.shape[-1] ** -0.5 if scale is None else scale)
    scores = softcap * torch.tanh(scores / softcap)
    if causal and mask is None:
        mask = torch.ones(scores.shape[-2:], dtype=torch.bool).tril()
    if mask is not None:
        scores = scores.masked_fill(~mask, float("-inf"))
    return scores.softmax(dim=-1) @ v


def attend_documents(
    query: Tensor, key: Tensor, value: Tensor, borders_q: Tensor, borders_k: Tensor, **options: Any
) -> Tensor:
    """Attention of (T, H, D) tensors inside documents; `borders` are their starts and the last end."""
    starts_q, starts_k = borders_q.tolist(), borders_k.tolist()
    parts: list[Tensor] = []
    done = 0
    for (q0, q1), (k0, k1) in zip(pairwise(starts_q), pairwise(starts_k), strict=True):
        if q1 <= q0:
            continue
        parts.append(attend(query[None, q0:q1], key[None, k0:k1], value[None, k0:k1], **options)[0])
        done = q1
    if done < query.shape[0]:
        rest = query.shape[0] - done
        parts.append(query.new_zeros(rest, query.shape[1], value.shape[-1]))
    return torch.cat(parts)


def flash_attn_func(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    dropout_p: float = 0.0,
    softmax_scale: float | None = None,
    causal: bool = False,
    window_size: tuple[int, int] = _NO_WINDOW,
    softcap: float = 0.0,
    **_: Any,
) -> Tensor:
    """Version 2's order of arguments."""
    return attend(q, k, v, scale=softmax_scale, causal=causal, window=window_size, softcap=softcap)


def flash_attn_varlen_func(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    cu_seqlens_q: Tensor,
    cu_seqlens_k: Tensor | None = None,
    max_seqlen_q: int | None = None,
    max_seqlen_k: int | None = None,
    dropout_p: float = 0.0,
    softmax_scale: float | None = None,
    causal: bool = False,
    window_size: tuple[int, int] = _NO_WINDOW,
    softcap: float = 0.0,
    **_: Any,
) -> Tensor:
    """Version 2's order of arguments."""
    borders_k = cu_seqlens_q if cu_seqlens_k is None else cu_seqlens_k
    return attend_documents(
        q,
        k,
        v,
        cu_seqlens_q,
        borders_k,
        scale=softmax_scale,
        causal=causal,
        window=window_size,
        softcap=softcap,
    )


def flash_attn_qkvpacked_func(qkv: Tensor, *args: Any, **kwargs: Any) -> Tensor:
    """Of one (B, T, 3, H, D) tensor."""
    q, k, v = qkv.unbind(2)
    return flash_attn_func(q, k, v, *args, **kwargs)


def flash_attn_kvpacked_func(q: Tensor, kv: Tensor, *args: Any, **kwargs: Any) -> Tensor:
    """Of keys and values in one (B, T, 2, H, D) tensor."""
    k, v = kv.unbind(2)
    return flash_attn_func(q, k, v, *args, **kwargs)


def flash_attn_varlen_qkvpacked_func(
    qkv: Tensor, cu_seqlens: Tensor, max_seqlen: int | None = None, *args: Any, **kwargs: Any
) -> Tensor:
    """Of one (T, 3, H, D) tensor."""
    q, k, v = qkv.unbind(1)
    return flash_attn_varlen_func(q, k, v, cu_seqlens, cu_seqlens, max_seqlen, max_seqlen, *args, **kwargs)


def flash_attn_3_func(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    softmax_scale: float | None = None,
    causal: bool = False,
    *_: Any,
    window_size: tuple[int, int] = _NO_WINDOW,
    softcap: float = 0.0,
    **__: Any,
) -> Tensor:
    """Version 3's order of arguments; what is at positions further on is not for this model family."""
    return attend(q, k, v, scale=softmax_scale, causal=causal, window=window_size, softcap=softcap)


def flash_attn_3_varlen_func(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    cu_seqlens_q: Tensor,
    cu_seqlens_k: Tensor | None = None,
    max_seqlen_q: int | None = None,
    max_seqlen_k: int | None = None,
    seqused_q: Tensor | None = None,
    seqused_k: Tensor | None = None,
    softmax_scale: float | None = None,
    causal: bool = False,
    *_: Any,
    window_size: tuple[int, int] = _NO_WINDOW,
    softcap: float = 0.0,
    **__: Any,
) -> Tensor:
    """Version 3's order of arguments."""
    borders_k = cu_seqlens_q if cu_seqlens_k is None else cu_seqlens_k
    return attend_documents(
        q,
        k,
        v,
        cu_seqlens_q,
        borders_k,
        scale=softmax_scale,
        causal=causal,
        window=window_size,
        softcap=softcap,
    )
