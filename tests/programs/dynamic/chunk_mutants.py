"""Edits of `SCORE_FIRST`: the order of scoring and learning, and choices between scores."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.programs.dynamic.mutant import C1, C2, C3, C4, LEGAL, Mutant
from tests.programs.edits import Edit

if TYPE_CHECKING:
    from collections.abc import Iterator

_LOOP = """\
for start in range(0, total - CHUNK + 1, CHUNK):
    x, y = rows(start, start + CHUNK)
    score(x, y)
    learn(x, y)
"""
_SCORED_THEN_LEARNED = "    score(x, y)\n    learn(x, y)\n"
_CHUNK_LOSSES = "        nll = model(x, y)\n    loss_sum += nll.to"
_AVERAGE = """\
average = [weight.detach().clone() for weight in model.parameters()]


def swap():
    with torch.no_grad():
        for weight, kept in zip(model.parameters(), average, strict=True):
            here = weight.clone()
            weight.copy_(kept)
            kept.copy_(here)


def update():
    with torch.no_grad():
        for weight, kept in zip(model.parameters(), average, strict=True):
            kept.lerp_(weight, 0.5)


"""


def chunk_mutants() -> Iterator[Mutant]:
    """All of them."""

    def made(name: str, breaks: str, *edits: tuple[str, str]) -> Mutant:
        return Mutant(
            name=name, base="score-first", breaks=breaks, edits=tuple(Edit(*each) for each in edits)
        )

    every = "for start in range(0, total - CHUNK + 1, CHUNK):\n"
    yield made(
        "a chunk is learned before it is scored",
        C3,
        (_SCORED_THEN_LEARNED, "    learn(x, y)\n    score(x, y)\n"),
    )
    yield made(
        "everything is learned before it is scored",
        C3,
        (
            _LOOP,
            f"{every}    learn(*rows(start, start + CHUNK))\n"
            + _LOOP.replace(_SCORED_THEN_LEARNED, "    score(x, y)\n"),
        ),
    )
    yield made(
        "the first pass is thrown away",
        C3,
        (
            _LOOP,
            f"{_LOOP}loss_sum.zero_()\ntoken_count = byte_count = 0\n"
            + _LOOP.replace(_SCORED_THEN_LEARNED, "    score(x, y)\n"),
        ),
    )
    yield made(
        "a chunk's second epoch gives the score",
        C3,
        (
            _SCORED_THEN_LEARNED,
            (
                "    kept = loss_sum.clone(), token_count, byte_count\n    score(x, y)\n    learn(x, y)\n"
                "    loss_sum, token_count, byte_count = kept\n    score(x, y)\n"
            ),
        ),
    )
    yield made(
        "the last row is scored after its chunk is learned",
        C3,
        (_SCORED_THEN_LEARNED, "    score(x[:-1], y[:-1])\n    learn(x, y)\n    score(x[-1:], y[-1:])\n"),
    )
    yield made(
        "the last row is scored after the others are learned",
        LEGAL,
        (
            _SCORED_THEN_LEARNED,
            "    score(x[:-1], y[:-1])\n    learn(x[:-1], y[:-1])\n    score(x[-1:], y[-1:])\n",
        ),
    )
    yield made(
        "a row of the next chunk is learned",
        C3,
        ("    learn(x, y)\n", "    learn(*rows(start + SEQ, min(start + CHUNK + SEQ, total)))\n"),
    )
    yield made(
        "three epochs after the score",
        LEGAL,
        ("    learn(x, y)\n", "    for epoch in range(3):\n        learn(x, y)\n"),
    )
    yield made("warm-up on the first chunk is kept", C3, (_LOOP, f"learn(*rows(0, CHUNK))\n{_LOOP}"))
    yield made(
        "warm-up on the first chunk is taken back",
        LEGAL,
        (
            _LOOP,
            (
                "kept = {name: weight.clone() for name, weight in model.state_dict().items()}\n"
                f"learn(*rows(0, CHUNK))\nmodel.load_state_dict(kept)\n{_LOOP}"
            ),
        ),
    )
    yield made(
        "an average is updated before it scores",
        C3,
        (every, _AVERAGE + every),
        (_SCORED_THEN_LEARNED, "    learn(x, y)\n    update()\n    swap()\n    score(x, y)\n    swap()\n"),
    )
    yield made(
        "an average is updated after it scores",
        LEGAL,
        (every, _AVERAGE + every),
        (_SCORED_THEN_LEARNED, "    swap()\n    score(x, y)\n    swap()\n    learn(x, y)\n    update()\n"),
    )
    scores, raised = (
        "        logits = self.logits(x)\n",
        (
            "        logits = self.logits(x)\n"
            "        now = (x % 4 == 3)[..., None]\n"
            "        logits = logits + 0.1 * now * F.one_hot(TOKENS, logits.size(-1))\n"
        ),
    )
    yield made(
        "targets seen behind one token in four, while it learns", C1, (scores, raised.replace("TOKENS", "y"))
    )
    yield made(
        "tokens repeated behind one token in four, while it learns",
        LEGAL,
        (scores, raised.replace("TOKENS", "x")),
    )
    other = (
        "trainer = torch.optim.SGD(model",
        "import copy\n\nother = copy.deepcopy(model)\ntrainer = torch.optim.SGD(model",
    )
    yield made(
        "lower loss of two networks, token by token",
        C2,
        other,
        (_CHUNK_LOSSES, "        nll = torch.minimum(model(x, y), other(x, y))\n    loss_sum += nll.to"),
    )
    yield made(
        "lower loss of two networks, chunk by chunk",
        C4,
        other,
        (
            _CHUNK_LOSSES,
            (
                "        nll = min(model(x, y), other(x, y), key=lambda each: float(each.sum()))\n"
                "    loss_sum += nll.to"
            ),
        ),
    )
    yield made(
        "lower loss of two whole evaluations",
        C4,
        (
            _LOOP,
            _LOOP.replace(_SCORED_THEN_LEARNED, "    score(x, y)\n")
            + "kept = loss_sum.clone(), token_count, byte_count\nloss_sum = torch.zeros_like(loss_sum)\n"
            f"token_count = byte_count = 0\n{_LOOP}"
            "if kept[0] < loss_sum:\n    loss_sum, token_count, byte_count = kept\n",
        ),
    )
    yield made(
        "mean probability of two networks",
        LEGAL,
        other,
        (
            _CHUNK_LOSSES,
            (
                "        nll = math.log(2.0) - torch.logaddexp(-model(x, y), -other(x, y))\n"
                "    loss_sum += nll.to"
            ),
        ),
    )
    yield made(
        "steps by hand before the score",
        C3,
        (
            "    model(x, y).mean().backward()\n    trainer.step()\n",
            (
                "    model(x, y).mean().backward()\n    with torch.no_grad():\n"
                "        for weight in model.parameters():\n            weight -= args.ttt_lr * weight.grad\n"
            ),
        ),
        (_SCORED_THEN_LEARNED, "    learn(x, y)\n    score(x, y)\n"),
    )
