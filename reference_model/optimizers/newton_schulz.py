"""Newton-Schulz iteration: the nearest orthogonal matrix by products alone, for batches of matrices.

Sources: quintic of Muon (Jordan et al. 2024) as in the challenge's `train_gpt.py`; Polar Express (arXiv
2505.16932). In bf16 the rounding order is that of the originals, so that their updates come out bit for bit
on a CPU.

Legend: N matrices of one shape, R rows, C columns, S the smaller of R and C.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from reference_model.config import NewtonSchulz

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

Triple = tuple[float, float, float]

# Jordan's quintic: fast growth of small singular values, ends between 0.7 and 1.2 rather than at 1.
QUINTIC_COEFFICIENTS = (3.4445, -4.7750, 2.0315)

# One triple per iteration, each the best for the interval the one before leaves (arXiv 2505.16932; values of
# PR #1344).
POLAR_EXPRESS_COEFFICIENTS = (
    (8.156554524902461, -22.48329292557795, 15.878769915207462),
    (4.042929935166739, -2.808917465908714, 0.5000178451051316),
    (3.8916678022926607, -2.772484153217685, 0.5060648178503393),
    (3.285753657755655, -2.3681294933425376, 0.46449024233003106),
    (2.3465413258596377, -1.7097828382687081, 0.42323551169305323),
)


def iteration_coefficients(kind: NewtonSchulz, steps: int) -> tuple[Triple, ...]:
    """The triple of every iteration; Polar Express repeats its last one beyond five."""
    if kind is NewtonSchulz.QUINTIC:
        return (QUINTIC_COEFFICIENTS,) * steps
    known = POLAR_EXPRESS_COEFFICIENTS
    return tuple(known[min(index, len(known) - 1)] for index in range(steps))


def newton_schulz(matrices_NRC: Tensor, coefficients: Sequence[Triple], dtype: torch.dtype) -> Tensor:
    """Nearest (semi-)orthogonal matrix of each, about: singular values are pulled to 1, directions stay.

    Each matrix is scaled to Frobenius norm 1, then X <- a X + (b A + c A A) X with A = X X^T once per triple.
    Zero matrices stay zero. Works in `dtype` and returns a contiguous N x R x C tensor of it.
    """
    tall = matrices_NRC.size(-2) > matrices_NRC.size(-1)
    x = matrices_NRC.to(dtype)
    if tall:  # the products are over the longer side, so A is S x S
        x = x.mT.contiguous()
    x = x / (torch.linalg.vector_norm(x, dim=(-2, -1), keepdim=True) + 1e-7)
    for a, b, c in coefficients:
        gram_NSS = x @ x.mT
        if dtype is torch.bfloat16:  # every term rounded on its own, as the originals round
            x = a * x + (b * gram_NSS + (c * gram_NSS) @ gram_NSS) @ x
        else:
            polynomial_NSS = torch.baddbmm(gram_NSS, gram_NSS, gram_NSS, beta=b, alpha=c)
            x = torch.baddbmm(x, polynomial_NSS, x, beta=a)
    return x.mT.contiguous() if tall else x
