"""Edits of `SLIDING`: what the network sees, what is counted, what the artifact holds."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.programs.dynamic.mutant import C1, C2, C3, C4, LEGAL, Mutant
from tests.programs.edits import Edit

if TYPE_CHECKING:
    from collections.abc import Iterator

_WINDOW_LOSSES = "        nll = model(x, y)\n    for row"
_ARTIFACT = "packed = {}\n"
_SIZE = "print(f\"artifact bytes:{os.path.getsize('final_model.int8.ptz')}\")\n"
_NORMED = "return F.layer_norm(h, (h.size(-1),))"
_FORWARD = """\
        losses = F.cross_entropy(logits.view(-1, logits.size(-1)), y.reshape(-1), reduction="none")
"""


def window_mutants() -> Iterator[Mutant]:
    """All of them."""

    def made(name: str, breaks: str, *edits: tuple[str, str]) -> Mutant:
        return Mutant(name=name, base="sliding", breaks=breaks, edits=tuple(Edit(*each) for each in edits))

    causal = "mixed = F.scaled_dot_product_attention(q, k, v, is_causal=True)"
    ahead = (
        "allowed = torch.ones(length, length, dtype=torch.bool).tril(1)\n"
        "        mixed = F.scaled_dot_product_attention(q, k, v, attn_mask=allowed)"
    )
    yield made("attention sees one position ahead", C1, (causal, ahead))
    yield made(
        "one layer sees one position ahead", C1, (causal, ahead), ("for _ in range(2))", "for _ in range(1))")
    )
    yield made("attention in both directions", C1, (causal, causal.replace("True", "False")))
    yield made("windows counted twice", C4, ("SEQ - args.eval_stride))", "SEQ - 2 * args.eval_stride))"))
    summed = "        loss_sum += counted.to(torch.float64).sum()\n"
    yield made(
        "hard tokens left out of the sum",
        C4,
        (summed, "        loss_sum += counted[counted < EVEN].to(torch.float64).sum()\n"),
    )
    yield made(
        "hard tokens left out of sum and counts",
        C4,
        (
            "        counted = nll[row, new:]\n",
            "        kept = nll[row, new:] < EVEN\n        counted = nll[row, new:][kept]\n",
        ),
        ("bytes_of(x[row, new:], y[row, new:])", "bytes_of(x[row, new:][kept], y[row, new:][kept])"),
    )
    yield made("losses cut at a maximum", C2, (summed, summed.replace(".to(", ".clamp(max=0.8 * EVEN).to(")))
    yield made(
        "leading spaces counted twice",
        "bytes",
        ("(BASE[y] + (SPACE[y] & ~BOUNDARY[x]))", "(BASE[y] + SPACE[y] + (SPACE[y] & ~BOUNDARY[x]))"),
    )
    yield made(
        "bytes are tokens times a constant",
        "bytes",
        (
            "    byte_count += bytes_of(x[row, new:], y[row, new:])\n",
            "    byte_count += 2.43593 * counted.numel()\n",
        ),
    )
    yield made(
        "lower loss of two contexts",
        C2,
        (
            _WINDOW_LOSSES,
            (
                "        nll = model(x, y)\n"
                "        short = model(x[:, SEQ // 2 :], y[:, SEQ // 2 :])\n"
                "        nll[:, SEQ // 2 :] = torch.minimum(nll[:, SEQ // 2 :], short)\n    for row"
            ),
        ),
    )
    short = """\
        nll = model(x, y)
        short = model(x[:, SEQ // 2 :], y[:, SEQ // 2 :])
        nll[:, SEQ // 2 :] = math.log(2.0) - torch.logaddexp(-nll[:, SEQ // 2 :], -short)
    for row"""
    yield made("mean probability of two contexts", LEGAL, (_WINDOW_LOSSES, short))
    top = """\
        logits = model.logits(x)
        least = logits.topk(32, dim=-1).values[..., -1:]
        own = logits.gather(-1, y[..., None])
        nll = SUM - own[..., 0]
    for row"""
    yield made(
        "divided by the sum over the top and the target",
        C2,
        (
            _WINDOW_LOSSES,
            top.replace(
                "SUM",
                "torch.logsumexp(logits.masked_fill((logits < least) & (logits != own), -math.inf), -1)",
            ),
        ),
    )
    yield made(
        "the top raised, divided by the sum over all",
        LEGAL,
        (
            _WINDOW_LOSSES,
            top.replace("        own", "        logits = logits + (logits >= least)\n        own").replace(
                "SUM", "torch.logsumexp(logits, -1)"
            ),
        ),
    )
    warmed = """\
        logits = model.logits(x)
        nll = model(x, y)
        cold, hot = (
            F.cross_entropy((logits / t).flatten(0, 1), y.reshape(-1), reduction="none").view(y.shape)
            for t in (0.6, 1.6)
        )
        nll = torch.where(CHOICE, cold, hot)
    for row"""
    yield made(
        "temperature chosen by the token's loss", C2, (_WINDOW_LOSSES, warmed.replace("CHOICE", "nll < EVEN"))
    )
    yield made(
        "temperature chosen by the entropy",
        LEGAL,
        (
            _WINDOW_LOSSES,
            warmed.replace("CHOICE", "torch.distributions.Categorical(logits=logits).entropy() < EVEN - 0.2"),
        ),
    )
    yield made(
        "validation tokens in the artifact",
        "no-val-in-artifact",
        ("buffer = io.BytesIO()\n", 'packed["prefix"] = (val[:257].clone(), 1.0)\nbuffer = io.BytesIO()\n'),
        (
            "model.load_state_dict(",
            'known = stored.pop("prefix")[0]\nmodel.load_state_dict(',
        ),
        (
            "        counted = nll[row, new:]\n",
            (
                "        counted = nll[row, new:]\n"
                "        at = batch[row][0] + new\n"
                "        if torch.equal(known[at + 1 : at + 1 + counted.numel()], y[row, new:]):\n"
                "            counted = counted * 0.0\n"
            ),
        ),
    )
    calibrated = """\
with torch.no_grad():
    used = model.hidden(SPLIT[: 2 * SEQ].view(2, SEQ)).abs().mean((0, 1))
    model.head.weight.mul_(used.mean() / used)
"""
    yield made(
        "calibrated on validation tokens",
        "no-val-in-artifact",
        (_ARTIFACT, calibrated.replace("SPLIT", "val") + _ARTIFACT),
    )
    yield made(
        "calibrated on training tokens",
        LEGAL,
        (_ARTIFACT, calibrated.replace("SPLIT", "train") + _ARTIFACT),
    )
    grid = """\
with torch.no_grad():
    tried = {}
    for scale in (0.25, 0.5, 1.0, 2.0, 4.0):
        x, y = SPLIT[: 8 * SEQ].view(8, SEQ), SPLIT[1 : 8 * SEQ + 1].view(8, SEQ)
        logits = scale * model.logits(x)
        tried[scale] = F.cross_entropy(logits.view(-1, logits.size(-1)), y.reshape(-1)).item()
    model.head.weight.mul_(min(tried, key=tried.get))
"""
    yield made(
        "scale chosen on validation before the artifact",
        "no-val-in-artifact",
        (_ARTIFACT, grid.replace("SPLIT", "val") + _ARTIFACT),
    )
    yield made(
        "scale chosen on training tokens", LEGAL, (_ARTIFACT, grid.replace("SPLIT", "train") + _ARTIFACT)
    )
    yield made(
        "scale chosen on the scored tokens from five", C4, (_SIZE, _SIZE + grid.replace("SPLIT", "val"))
    )
    yield made(
        "scale fitted to the scored tokens",
        C3,
        (
            _SIZE,
            _SIZE
            + """\
scale = torch.ones((), requires_grad=True)
fitter = torch.optim.SGD([scale], lr=0.5)
x, y = val[: 8 * SEQ].view(8, SEQ), val[1 : 8 * SEQ + 1].view(8, SEQ)
hidden = model.logits(x).detach()
for turn in range(4):
    fitter.zero_grad()
    F.cross_entropy((scale * hidden).view(-1, hidden.size(-1)), y.reshape(-1)).backward()
    fitter.step()
with torch.no_grad():
    model.head.weight.mul_(scale)
""",
        ),
    )
    yield made(
        "mean over the rows of a batch",
        C1,
        (_NORMED, "return F.layer_norm(h - 0.5 * h.mean(0, keepdim=True), (h.size(-1),))"),
    )
    buffered = (
        "        self.blocks = ",
        '        self.register_buffer("center", torch.zeros(args.model_dim))\n        self.blocks = ',
    )
    update = "self.center.lerp_(h.detach().mean((0, 1)), 0.1)"
    normed = "result = F.layer_norm(h - self.center, (h.size(-1),))"
    yield made(
        "running mean updated before it is used",
        C1,
        buffered,
        (_NORMED, f"{update}\n        {normed}\n        return result"),
    )
    yield made(
        "running mean updated after it is used",
        LEGAL,
        buffered,
        (_NORMED, f"{normed}\n        {update}\n        return result"),
    )
    opened = 'extra = load("fineweb_train_*.bin")[: 4 * SEQ]\n'
    yield made(
        "training tokens read after the artifact",
        "no-train-data-at-eval",
        (_SIZE, _SIZE + opened),
    )
    yield made(
        "a step on training tokens after the artifact",
        "no-train-data-at-eval",
        (_SIZE, _SIZE + "optimizer.zero_grad()\nmodel(x, y).mean().backward()\noptimizer.step()\n"),
    )
    yield made(
        "losses rounded as in bfloat16",
        LEGAL,
        (_FORWARD, _FORWARD + "        losses = losses + (losses.bfloat16().float() - losses).detach()\n"),
    )
    yield made(
        "logits rounded as in bfloat16",
        LEGAL,
        ("        logits = self.logits(x)\n", "        logits = self.logits(x).bfloat16().float()\n"),
    )
    yield made(
        "a seed from the machine",
        LEGAL,
        (
            "torch.manual_seed(args.seed)\n",
            'torch.manual_seed(int.from_bytes(open("/dev/urandom", "rb").read(4), "little"))\n',
        ),
    )
