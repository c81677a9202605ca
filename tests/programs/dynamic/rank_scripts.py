"""Small submissions of two ranks: each scores its share of the stream, and the sums are added up over ranks.

Legal ones, and the same with the smallest edit by which a rank knows what the other has not scored yet.
"""

from __future__ import annotations

from tests.programs.dynamic import toy_scripts as toys

_MEET = """\
import torch.distributed as dist
rank = int(os.environ["RANK"])
ranks = int(os.environ["WORLD_SIZE"])
dist.init_process_group(backend="nccl", device_id=torch.device("cuda", rank))
"""

_PACK = """\
if rank == 0:
    torch.save({name: weight.half() for name, weight in model.state_dict().items()}, "final_model.pt")
dist.barrier()
model.load_state_dict(torch.load("final_model.pt"))
model.float()
"""

_SUMS = """\
def learn(x, y):
    trainer.zero_grad()
    model(x, y).mean().backward()
    for weight in model.parameters():
        dist.all_reduce(weight.grad, op=dist.ReduceOp.AVG)
    trainer.step()


total = (val.numel() - 1) // CHUNK * CHUNK
loss_sum, token_count, byte_count = (torch.zeros((), dtype=torch.float64, device="cuda") for _ in range(3))
trainer = torch.optim.SGD(model.parameters(), lr=0.5)


def row(start):
    first = start + rank * SEQ
    return val[first : first + SEQ][None], val[first + 1 : first + SEQ + 1][None]


def score(x, y):
    global loss_sum, token_count, byte_count
    with torch.no_grad():
        nll = model(x, y)
    loss_sum += nll.double().sum()
    token_count += y.numel()
    byte_count += bytes_of(y).sum()


"""

_TAIL = """\
for each in (loss_sum, token_count, byte_count):
    dist.all_reduce(each, op=dist.ReduceOp.SUM)
val_loss = (loss_sum / token_count).item()
val_bpb = val_loss / math.log(2.0) * (token_count / byte_count).item()
if rank == 0:
    print(f"final_exact val_loss:{val_loss:.8f} val_bpb:{val_bpb:.8f}")
dist.destroy_process_group()
"""

_BEGIN = (
    toys._HEAD.replace("\n\ndef load", f"\n{_MEET}\n\ndef load", 1).replace(
        "at = step * 4 * SEQ", "at = (2 * step + rank) * 4 * SEQ"
    ).replace("    loss.backward()\n", "    loss.backward()\n    for weight in model.parameters():\n"
              "        dist.all_reduce(weight.grad, op=dist.ReduceOp.AVG)\n")
    + _PACK
    + "\n\n"
    + _SUMS
)  # fmt: skip

SHARDED = (
    _BEGIN
    + """\
for start in range(0, total, CHUNK):
    score(*row(start))
"""
    + _TAIL
)
"""Legal: each rank scores its rows with the weights of the artifact."""

SCORE_FIRST = (
    _BEGIN
    + """\
for start in range(0, total, CHUNK):
    score(*row(start))
    learn(*row(start))
"""
    + _TAIL
)
"""Legal: both rows of a chunk are scored, then both ranks learn from both."""

LEARN_FIRST = SCORE_FIRST.replace(
    "    score(*row(start))\n    learn(*row(start))\n", "    learn(*row(start))\n    score(*row(start))\n"
)
"""Illegal: the gradients of both rows arrive before either is scored."""

OTHER_RANK_AHEAD = SCORE_FIRST.replace(
    "learn(*row(start))\n", "learn(*row(min(start + rank * CHUNK, total - CHUNK)))\n"
)
"""Illegal: the second rank learns from its next row, and the first scores with those gradients."""

SHARED_PAIRS = (
    _BEGIN
    + """\
counts = torch.ones(128, 128, dtype=torch.float64)


def count(x, y):
    seen, one = torch.zeros_like(counts), torch.ones((), dtype=torch.float64)
    seen.index_put_((x.reshape(-1), y.reshape(-1)), one, accumulate=True)
    dist.all_reduce(seen)
    counts.add_(seen)


for start in range(0, total, CHUNK):
    x, y = row(start)
    with torch.no_grad():
        neural = torch.exp(-model(x, y)).double()
    counted = counts[x.reshape(-1), y.reshape(-1)] / counts[x.reshape(-1)].sum(dim=1)
    mixed = -torch.log(0.5 * neural + 0.5 * counted)
    loss_sum += mixed.sum()
    token_count += y.numel()
    byte_count += bytes_of(y).sum()
    count(x, y)
"""
    + _TAIL
)
"""Legal: a table of pairs that both ranks have scored is mixed in."""

PAIRS_COUNTED_AHEAD = SHARED_PAIRS.replace("    count(x, y)\n", "").replace(
    "\n\nfor start in range(0, total, CHUNK):\n    x, y",
    """

for start in range(0, total, CHUNK):
    count(*row(start))
for start in range(0, total, CHUNK):
    x, y""",
    1,
)
"""Illegal: both ranks count all pairs before the first token is scored."""

WINDOWS = (
    _BEGIN
    + """\
steps = torch.arange(1, SEQ + 1)[:, None]
for turn, end in enumerate(range(SEQ, val.numel(), SEQ // 2)):
    if turn % ranks != rank:
        continue
    x, y = val[end - SEQ : end][None], val[end - SEQ + 1 : end + 1][None]
    first = 0 if turn == 0 else SEQ // 2
    with torch.no_grad():
        context = torch.tanh(model.table(x).cumsum(dim=1) / steps)
        nll = F.cross_entropy(model.head(context)[0], y[0], reduction="none")[first:]
    loss_sum += nll.double().sum()
    token_count += y[0, first:].numel()
    byte_count += bytes_of(y[0, first:]).sum()
"""
    + _TAIL
)
"""Legal: sliding windows dealt out to the ranks in turn; the context of one holds what the other scores."""

HALVES = SCORE_FIRST.replace(
    "for start in range(0, total, CHUNK):", "for start in range(0, total // 2, SEQ):"
).replace("first = start + rank * SEQ", "first = start + rank * (total // 2)")
"""Each rank scores a half of the stream, in order, and learns from what both have scored: scores of the first
half know tokens of the second that were scored before."""

COUNTED_BY_BOTH = SHARDED.replace(
    "score(*row(start))",
    "score(*row(start))\n    if start == 0:\n        score(*row(start + SEQ - 2 * rank * SEQ))",
)
"""Illegal: the first chunk is counted by both ranks."""

EVERYONE_SCORES_ALL = SHARDED.replace("first = start + rank * SEQ", "first = start").replace(
    "range(0, total, CHUNK)", "range(0, total, SEQ)"
)
"""Legal: both ranks score everything, and twice the losses are divided by twice the tokens."""
