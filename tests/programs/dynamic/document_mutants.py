"""Edits of `DOCUMENTS`: order and company of documents."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.programs.dynamic.mutant import C1, C3, LEGAL, Mutant
from tests.programs.edits import Edit

if TYPE_CHECKING:
    from collections.abc import Iterator

_DOCUMENT_LEARNS = """\
        trainer.zero_grad()
        (losses(x, y, lora) * wanted).sum(1).div(wanted.sum(1).clamp(min=1)).sum().backward()
        trainer.step()
"""
_DOCUMENT_SCORES = """\
        with torch.no_grad():
            nll = losses(x, y, lora)
"""


def document_mutants() -> Iterator[Mutant]:
    """All of them."""

    def made(name: str, breaks: str, *edits: tuple[str, str]) -> Mutant:
        return Mutant(name=name, base="documents", breaks=breaks, edits=tuple(Edit(*each) for each in edits))

    counted = """\
        loss_sum += (nll * wanted).to(torch.float64).sum()
        token_count += int(wanted.sum())
        byte_count += bytes_of(x[wanted], y[wanted])
"""
    yield made(
        "a chunk of a document is learned before it is scored",
        C3,
        (_DOCUMENT_SCORES + counted + _DOCUMENT_LEARNS, _DOCUMENT_LEARNS + _DOCUMENT_SCORES + counted),
    )
    yield made(
        "rows of a batch see each other",
        C1,
        (
            "    hidden = model.hidden(x)\n",
            "    hidden = model.hidden(x)\n    hidden = hidden + 0.5 * hidden.mean(0, keepdim=True)\n",
        ),
    )
    yield made("one adapter for a batch of documents", LEGAL, ("lora = fresh(len(batch))", "lora = fresh(1)"))
    yield made(
        "longest documents first",
        LEGAL,
        (
            "starts[1:], val.numel()], strict=True))\n",
            "starts[1:], val.numel()], strict=True))\ndocuments.sort(key=lambda each: each[0] - each[1])\n",
        ),
    )
    yield made(
        "longest documents first, the adapter kept",
        LEGAL,
        (
            "starts[1:], val.numel()], strict=True))\n",
            "starts[1:], val.numel()], strict=True))\ndocuments.sort(key=lambda each: each[0] - each[1])\n",
        ),
        ("for group in range(", "kept = fresh(1)\nfor group in range("),
        ("lora = fresh(len(batch))", "lora = kept"),
        ("lr=10.0 * args.ttt_lr", "lr=args.ttt_lr"),
    )
    yield made(
        "easiest documents first, the adapter kept",
        C1,
        (
            "for group in range(",
            """\
kept = fresh(1)
with torch.no_grad():
    ease = {
        (start, end): losses(val[start : end - 1][None, :SEQ], val[start + 1 : end][None, :SEQ], kept).mean()
        for start, end in documents
    }
documents.sort(key=ease.get)
for group in range(""",
        ),
        ("lora = fresh(len(batch))", "lora = kept"),
        ("lr=10.0 * args.ttt_lr", "lr=args.ttt_lr"),
    )
    yield made(
        "whole documents are learned before they are scored",
        C3,
        (
            "    longest = max(",
            """\
    for row, (start, end) in enumerate(batch):
        last = min(end - 1, start + SEQ)
        trainer.zero_grad()
        own = [each[row : row + 1] for each in lora]
        losses(val[start:last][None], val[start + 1 : last + 1][None], own).mean().backward()
        trainer.step()
    longest = max(""",
        ),
    )
