"""A small language model for Parameter Golf: one causal convolution over token embeddings, int8 + zlib.

Synthetic example of golf-harness, written for its documentation: short enough to read in a minute, with the
log lines of the challenge. Usage: SEED=13 python train_gpt.py
"""

import glob
import io
import os
import time
import zlib
from pathlib import Path

import numpy as np
import sentencepiece as spm
import torch
import torch.nn.functional as F

SEED = int(os.environ.get("SEED", 13))
DATA = Path(os.environ.get("DATA_PATH", "data/datasets/fineweb10B_sp1024"))
TOKENIZER = os.environ.get("TOKENIZER_PATH", "data/tokenizers/fineweb_1024_bpe.model")
CAP_SECONDS = float(os.environ.get("MAX_WALLCLOCK_SECONDS", 600))
WIDTH = int(os.environ.get("WIDTH", 1536))
SEQ_LEN, BATCH, VOCAB, STEPS = 1024, 512, 1024, 20_000


class Model(torch.nn.Module):
    """Embedding, a causal depthwise convolution, an MLP and a tied output."""

    def __init__(self):
        super().__init__()
        self.embed = torch.nn.Embedding(VOCAB, WIDTH)
        self.mix = torch.nn.Conv1d(WIDTH, WIDTH, 16, groups=WIDTH)
        self.up = torch.nn.Linear(WIDTH, 3 * WIDTH, bias=False)
        self.down = torch.nn.Linear(3 * WIDTH, WIDTH, bias=False)

    def forward(self, tokens):
        x = self.embed(tokens)
        x = x + self.mix(F.pad(x.transpose(1, 2), (15, 0))).transpose(1, 2)
        x = x + self.down(F.relu(self.up(F.rms_norm(x, (WIDTH,)))).square())
        return 30 * torch.tanh(F.linear(F.rms_norm(x, (WIDTH,)), self.embed.weight) / 30)


def shard(path):
    """Tokens of one official shard: 256 int32 of header, then uint16 tokens."""
    return torch.from_numpy(np.fromfile(path, dtype=np.uint16, offset=1024).astype(np.int64))


def byte_table():
    """Bytes of each token, and whether it starts with the space mark."""
    sp = spm.SentencePieceProcessor(model_file=TOKENIZER)
    pieces = [sp.id_to_piece(i) for i in range(sp.vocab_size())]
    special = [sp.is_control(i) or sp.is_unknown(i) or sp.is_unused(i) for i in range(len(pieces))]
    space = [piece.startswith("\u2581") for piece in pieces]
    size = [
        0 if special[i] else 1 if sp.is_byte(i) else len(piece.lstrip("\u2581").encode())
        for i, piece in enumerate(pieces)
    ]
    return torch.tensor(size), torch.tensor(space), torch.tensor(special)


@torch.no_grad()
def evaluate(model, tokens):
    """Mean loss in nats per token, and bits per byte, over every whole sequence."""
    size, space, special = byte_table()
    nats, count, size_total = 0.0, 0, 0
    for start in range(0, len(tokens) - SEQ_LEN, SEQ_LEN):
        x, y = tokens[start : start + SEQ_LEN], tokens[start + 1 : start + SEQ_LEN + 1]
        nats += F.cross_entropy(model(x[None].cuda())[0].float(), y.cuda(), reduction="sum").item()
        count += len(y)
        size_total += int((size[y] + (space[y] & ~special[x])).sum())
    return nats / count, nats / size_total / float(np.log(2))


def main():
    torch.manual_seed(SEED)
    print(f"seed:{SEED}")
    model = Model().cuda()
    train = sorted(glob.glob(str(DATA / "fineweb_train_*.bin")))
    val = torch.cat([shard(path) for path in sorted(glob.glob(str(DATA / "fineweb_val_*.bin")))])
    print(f"train_loader:dataset:{DATA.name} train_shards:{len(train)}")
    print(f"val_loader:shards tokens:{len(val) // SEQ_LEN * SEQ_LEN}")
    print(f"model_params:{sum(p.numel() for p in model.parameters())}")
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
    start = time.perf_counter()
    for step in range(1, STEPS + 1):
        tokens = shard(train[step % len(train)])
        at = torch.randint(len(tokens) - SEQ_LEN - 1, (BATCH,))
        batch = torch.stack([tokens[i : i + SEQ_LEN + 1] for i in at]).cuda()
        loss = F.cross_entropy(model(batch[:, :-1]).flatten(0, 1).float(), batch[:, 1:].flatten())
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        spent = 1000 * (time.perf_counter() - start)
        if step <= 4 or step % 1000 == 0:
            print(f"step:{step}/{STEPS} train_loss:{loss.item():.4f} train_time:{spent:.0f}ms")
        if spent >= 1000 * CAP_SECONDS:
            print(f"stopping_early: wallclock_cap train_time:{spent:.0f}ms step:{step}/{STEPS}")
            break
    packed = io.BytesIO()
    scales = {k: v.abs().max() / 127 for k, v in model.state_dict().items()}
    torch.save({k: ((v / scales[k]).round().to(torch.int8), scales[k]) for k, v in model.state_dict().items()}, packed)
    Path("final_model.int8.ptz").write_bytes(zlib.compress(packed.getvalue(), 9))
    code_bytes, model_bytes = len(Path(__file__).read_bytes()), Path("final_model.int8.ptz").stat().st_size
    print(f"Serialized model int8+zlib: {model_bytes} bytes")
    print(f"Code size: {code_bytes} bytes")
    print(f"Total submission size int8+zlib: {model_bytes + code_bytes} bytes")
    blob = zlib.decompress(Path("final_model.int8.ptz").read_bytes())
    state = torch.load(io.BytesIO(blob), weights_only=True)
    model.load_state_dict({k: q.float() * scale for k, (q, scale) in state.items()})
    start = time.perf_counter()
    loss, bpb = evaluate(model, val)
    spent = 1000 * (time.perf_counter() - start)
    print(f"final_int8_zlib_roundtrip val_loss:{loss:.4f} val_bpb:{bpb:.4f} eval_time:{spent:.0f}ms")
    print(f"final_int8_zlib_roundtrip_exact val_loss:{loss:.8f} val_bpb:{bpb:.8f}")


if __name__ == "__main__":
    main()
