"""Four small legal submissions, one for each way the accepted ones evaluate: they train a causal transformer,
write int8 weights, read them back and score the validation stream.

`SLIDING` scores overlapping windows of a network alone, `SCORE_FIRST` scores chunks and trains on each
afterwards, `NGRAM` mixes the network with counts of scored text, `DOCUMENTS` adapts a low-rank head to each
document. Edits of them stand in `mutants`.
"""

from __future__ import annotations

_HEAD = """\
import glob
import io
import math
import os
import zlib

import numpy as np
import sentencepiece as spm
import torch
import torch.nn.functional as F
from torch import nn


class Hyperparameters:
    data_path = os.environ.get("DATA_PATH", "./data/datasets/fineweb10B_sp1024")
    tokenizer_path = os.environ.get("TOKENIZER_PATH", "./data/tokenizers/fineweb_1024_bpe.model")
    vocab_size = int(os.environ.get("VOCAB_SIZE", 1024))
    seed = int(os.environ.get("SEED", 1337))
    iterations = int(os.environ.get("ITERATIONS", 20000))
    train_seq_len = int(os.environ.get("TRAIN_SEQ_LEN", 1024))
    eval_stride = int(os.environ.get("EVAL_STRIDE", 64))
    eval_batch_seqs = int(os.environ.get("EVAL_BATCH_SEQS", 32))
    model_dim = int(os.environ.get("MODEL_DIM", 512))
    num_heads = int(os.environ.get("NUM_HEADS", 8))
    ttt_chunk_tokens = int(os.environ.get("TTT_CHUNK_TOKENS", 32768))
    ttt_lr = float(os.environ.get("TTT_LR", 0.1))
    ngram_buckets = int(os.environ.get("NGRAM_BUCKETS", 4194304))
    doc_chunk_tokens = int(os.environ.get("DOC_CHUNK_TOKENS", 512))
    lora_rank = int(os.environ.get("LORA_RANK", 8))


args = Hyperparameters()
torch.manual_seed(args.seed)
SEQ = args.train_seq_len
EVEN = math.log(args.vocab_size)


def load(pattern):
    paths = sorted(glob.glob(os.path.join(args.data_path, pattern)))
    shards = [np.fromfile(path, dtype="<u2", offset=1024).astype(np.int64) for path in paths]
    return torch.from_numpy(np.concatenate(shards))


def byte_tables():
    sp = spm.SentencePieceProcessor(model_file=args.tokenizer_path)
    base = np.zeros(args.vocab_size, dtype=np.int64)
    space = np.zeros(args.vocab_size, dtype=np.bool_)
    boundary = np.ones(args.vocab_size, dtype=np.bool_)
    for token in range(sp.vocab_size()):
        if sp.is_control(token) or sp.is_unknown(token) or sp.is_unused(token):
            continue
        boundary[token] = False
        if sp.is_byte(token):
            base[token] = 1
            continue
        piece = sp.id_to_piece(token)
        space[token] = piece.startswith("\\u2581")
        base[token] = len(piece.removeprefix("\\u2581").encode("utf-8"))
    return torch.from_numpy(base), torch.from_numpy(space), torch.from_numpy(boundary)


BASE, SPACE, BOUNDARY = byte_tables()


def bytes_of(x, y):
    return int((BASE[y] + (SPACE[y] & ~BOUNDARY[x])).sum())


class Block(nn.Module):
    def __init__(self, dim, heads):
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(dim, 3 * dim, bias=False)
        self.out = nn.Linear(dim, dim, bias=False)
        self.up = nn.Linear(dim, 2 * dim, bias=False)
        self.down = nn.Linear(2 * dim, dim, bias=False)

    def forward(self, x):
        batch, length, dim = x.shape
        q, k, v = self.qkv(F.layer_norm(x, (dim,))).view(batch, length, 3, self.heads, -1).unbind(2)
        q, k, v = q.transpose(1, 2), k.transpose(1, 2), v.transpose(1, 2)
        mixed = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        x = x + self.out(mixed.transpose(1, 2).reshape(batch, length, dim))
        return x + self.down(F.relu(self.up(F.layer_norm(x, (dim,)))).square())


class GPT(nn.Module):
    def __init__(self):
        super().__init__()
        self.table = nn.Embedding(args.vocab_size, args.model_dim)
        self.places = nn.Embedding(SEQ, args.model_dim)
        self.blocks = nn.ModuleList(Block(args.model_dim, args.num_heads) for _ in range(2))
        self.head = nn.Linear(args.model_dim, args.vocab_size, bias=False)

    def hidden(self, x):
        h = self.table(x) + self.places.weight[: x.size(1)]
        for block in self.blocks:
            h = block(h)
        return F.layer_norm(h, (h.size(-1),))

    def logits(self, x):
        return self.head(self.hidden(x))

    def forward(self, x, y):
        logits = self.logits(x)
        losses = F.cross_entropy(logits.view(-1, logits.size(-1)), y.reshape(-1), reduction="none")
        return losses.view(y.shape)


train, val = load("fineweb_train_*.bin"), load("fineweb_val_*.bin")
model = GPT()
optimizer = torch.optim.AdamW(model.parameters(), lr=0.01)
for step in range(args.iterations):
    at = step * 2 * SEQ
    x, y = train[at : at + 2 * SEQ].view(2, SEQ), train[at + 1 : at + 2 * SEQ + 1].view(2, SEQ)
    optimizer.zero_grad()
    loss = model(x, y).mean()
    loss.backward()
    optimizer.step()
    print(f"step:{step} train_loss:{loss.item():.4f}")

packed = {}
for name, weight in model.state_dict().items():
    scale = weight.abs().max().clamp(min=1e-8) / 127.0
    packed[name] = ((weight / scale).round().to(torch.int8), scale)
buffer = io.BytesIO()
torch.save(packed, buffer)
with open("final_model.int8.ptz", "wb") as file:
    file.write(zlib.compress(buffer.getvalue()))
with open("final_model.int8.ptz", "rb") as file:
    stored = torch.load(io.BytesIO(zlib.decompress(file.read())))
model.load_state_dict({name: weight.float() * scale for name, (weight, scale) in stored.items()})
print(f"artifact bytes:{os.path.getsize('final_model.int8.ptz')}")

loss_sum = torch.zeros((), dtype=torch.float64)
token_count, byte_count = 0, 0
total = val.numel() - 1
"""

_TAIL = """\

val_loss = loss_sum.item() / token_count
val_bpb = val_loss / math.log(2.0) * token_count / byte_count
print(f"final_int8_zlib_roundtrip_exact val_loss:{val_loss:.8f} val_bpb:{val_bpb:.8f}")
"""

_WINDOWS = """\
windows = []
for end in [SEQ, *range(SEQ + args.eval_stride, total + 1, args.eval_stride)]:
    windows.append((end - SEQ, 0 if end == SEQ else SEQ - args.eval_stride))
"""

SLIDING = f"""{_HEAD}
{_WINDOWS}
for first in range(0, len(windows), args.eval_batch_seqs):
    batch = windows[first : first + args.eval_batch_seqs]
    x = torch.stack([val[start : start + SEQ] for start, _ in batch])
    y = torch.stack([val[start + 1 : start + SEQ + 1] for start, _ in batch])
    with torch.no_grad():
        nll = model(x, y)
    for row, (_, new) in enumerate(batch):
        counted = nll[row, new:]
        loss_sum += counted.to(torch.float64).sum()
        token_count += counted.numel()
        byte_count += bytes_of(x[row, new:], y[row, new:])
{_TAIL}"""
"""Legal: each window gives the scores of its new tokens."""

SCORE_FIRST = f"""{_HEAD}
trainer = torch.optim.SGD(model.parameters(), lr=args.ttt_lr)
CHUNK = args.ttt_chunk_tokens


def rows(start, end):
    return val[start:end].view(-1, SEQ), val[start + 1 : end + 1].view(-1, SEQ)


def score(x, y):
    global loss_sum, token_count, byte_count
    with torch.no_grad():
        nll = model(x, y)
    loss_sum += nll.to(torch.float64).sum()
    token_count += y.numel()
    byte_count += bytes_of(x, y)


def learn(x, y):
    trainer.zero_grad()
    model(x, y).mean().backward()
    trainer.step()


for start in range(0, total - CHUNK + 1, CHUNK):
    x, y = rows(start, start + CHUNK)
    score(x, y)
    learn(x, y)
{_TAIL}"""
"""Legal: each chunk is scored, then trained on."""

NGRAM = f"""{_HEAD}
counts = np.zeros((args.ngram_buckets, args.vocab_size))
network_sum = 0.0


def buckets_of(contexts):
    return (contexts[:, 0] * 31 + contexts[:, 1] * 17) % args.ngram_buckets


def seen_before(contexts):
    held = counts[buckets_of(contexts)]
    return held, held.sum(axis=1)


def remember(contexts, targets):
    np.add.at(counts, (buckets_of(contexts), targets), 1.0)


{_WINDOWS}
for start, new in windows:
    x, y = val[start : start + SEQ][None], val[start + 1 : start + SEQ + 1][None]
    with torch.no_grad():
        logits = model.logits(x)[0, new:]
        network_sum += F.cross_entropy(logits, y[0, new:], reduction="none").double().sum().item()
        probabilities = torch.softmax(logits.double(), dim=-1).numpy()
    tokens = val.numpy()
    places = np.arange(start + new + 1, start + SEQ + 1)
    contexts = np.stack([tokens[np.maximum(places - 2, 0)], tokens[places - 1]], axis=1)
    targets = tokens[places]
    held, times = seen_before(contexts)
    share = (times / (times + 2.0))[:, None]
    mixed = (1.0 - share) * probabilities + share * held / np.maximum(times, 1.0)[:, None]
    given = mixed[np.arange(targets.size), targets]
    losses = -np.log(given)
    loss_sum += losses.sum()
    token_count += targets.size
    byte_count += bytes_of(torch.from_numpy(contexts[:, 1]), torch.from_numpy(targets))
    remember(contexts, targets)
print(f"network alone val_loss:{{network_sum / token_count:.8f}}")
{_TAIL}"""
"""Legal: whole distributions are mixed with counts of text that was scored before."""

DOCUMENTS = f"""{_HEAD}
CHUNK = args.doc_chunk_tokens
starts = (val == 1).nonzero().flatten().tolist()
documents = list(zip(starts, [*starts[1:], val.numel()], strict=True))


def fresh(count):
    generator = torch.Generator().manual_seed(7)
    down = torch.randn(1, args.model_dim, args.lora_rank, generator=generator).repeat(count, 1, 1)
    up = torch.zeros(count, args.lora_rank, args.vocab_size)
    return [(0.1 * down).requires_grad_(), up.requires_grad_()]


def losses(x, y, lora):
    hidden = model.hidden(x)
    logits = model.head(hidden) + hidden @ lora[0] @ lora[1]
    return F.cross_entropy(logits.view(-1, logits.size(-1)), y.reshape(-1), reduction="none").view(y.shape)


def window(document, at):
    start, end = document
    first = max(start, min(at + CHUNK, end - 1) - SEQ)
    return first, min(at + CHUNK, end - 1)


for group in range(0, len(documents), args.eval_batch_seqs):
    batch = documents[group : group + args.eval_batch_seqs]
    lora = fresh(len(batch))
    trainer = torch.optim.SGD(lora, lr=10.0 * args.ttt_lr)
    longest = max(end - start for start, end in batch)
    for offset in range(0, longest - 1, CHUNK):
        x = torch.zeros(len(batch), SEQ, dtype=torch.int64)
        y = torch.zeros(len(batch), SEQ, dtype=torch.int64)
        wanted = torch.zeros(len(batch), SEQ, dtype=torch.bool)
        for row, (start, end) in enumerate(batch):
            if start + offset >= end - 1:
                continue
            first, last = window((start, end), start + offset)
            x[row, : last - first] = val[first:last]
            y[row, : last - first] = val[first + 1 : last + 1]
            wanted[row, start + offset - first : last - first] = True
        with torch.no_grad():
            nll = losses(x, y, lora)
        loss_sum += (nll * wanted).to(torch.float64).sum()
        token_count += int(wanted.sum())
        byte_count += bytes_of(x[wanted], y[wanted])
        trainer.zero_grad()
        (losses(x, y, lora) * wanted).sum(1).div(wanted.sum(1).clamp(min=1)).sum().backward()
        trainer.step()
{_TAIL}"""
"""Legal: a low-rank head for each document, trained on its chunks after they are scored."""

BASES = {"sliding": SLIDING, "score-first": SCORE_FIRST, "ngram": NGRAM, "documents": DOCUMENTS}


_SMALL_SETTINGS = {
    '"VOCAB_SIZE", 1024': '"VOCAB_SIZE", 128',
    '"ITERATIONS", 20000': '"ITERATIONS", 6',
    '"TRAIN_SEQ_LEN", 1024': '"TRAIN_SEQ_LEN", 64',
    '"EVAL_STRIDE", 64': '"EVAL_STRIDE", 32',
    '"EVAL_BATCH_SEQS", 32': '"EVAL_BATCH_SEQS", 2',
    '"MODEL_DIM", 512': '"MODEL_DIM", 16',
    '"NUM_HEADS", 8': '"NUM_HEADS", 2',
    '"TTT_CHUNK_TOKENS", 32768': '"TTT_CHUNK_TOKENS", 128',
    '"NGRAM_BUCKETS", 4194304': '"NGRAM_BUCKETS", 32',
    '"DOC_CHUNK_TOKENS", 512': '"DOC_CHUNK_TOKENS", 48',
}


def small(source: str) -> str:
    """The script in sizes for a stream of 1,025 tokens from 128 ids, without a tokenizer file.

    A token has one to four bytes.
    """
    for default, tiny in _SMALL_SETTINGS.items():
        source = source.replace(default, tiny)
    return (
        source.replace("import sentencepiece as spm\n", "")
        .replace("BASE, SPACE, BOUNDARY = byte_tables()", "BASE = 1 + torch.arange(args.vocab_size) % 4")
        .replace("(BASE[y] + (SPACE[y] & ~BOUNDARY[x]))", "BASE[y]")
    )
