"""What all example scripts share: settings, shards, byte tables, a small GPT, training, export and reload."""

from __future__ import annotations

SETTINGS = '''\
"""Trains a small GPT, quantises it, reads it back and prints its bits per byte."""
import copy
import glob
import io
import math
import os
import random
import time
import zlib
from collections import defaultdict
from pathlib import Path

import numpy as np
import sentencepiece as spm
import torch
import torch.distributed as dist
import torch.nn.functional as F
from torch import Tensor, nn


class Hyperparameters:
    data_path = os.environ.get("DATA_PATH", "./data/datasets/fineweb10B_sp1024")
    train_files = os.path.join(data_path, "fineweb_train_*.bin")
    val_files = os.path.join(data_path, "fineweb_val_*.bin")
    tokenizer_path = os.environ.get("TOKENIZER_PATH", "./data/tokenizers/fineweb_1024_bpe.model")
    seed = int(os.environ.get("SEED", 1337))
    vocab_size = int(os.environ.get("VOCAB_SIZE", 1024))
    dim = int(os.environ.get("MODEL_DIM", 512))
    num_layers = int(os.environ.get("NUM_LAYERS", 9))
    train_seq_len = int(os.environ.get("TRAIN_SEQ_LEN", 1024))
    train_batch_tokens = int(os.environ.get("TRAIN_BATCH_TOKENS", 524_288))
    iterations = int(os.environ.get("ITERATIONS", 20_000))
    val_loss_every = int(os.environ.get("VAL_LOSS_EVERY", 1000))
    max_wallclock_seconds = float(os.environ.get("MAX_WALLCLOCK_SECONDS", 600.0))
    lr = float(os.environ.get("LR", 0.001))
    eval_stride = int(os.environ.get("EVAL_STRIDE", 64))
    ttt_lr = float(os.environ.get("TTT_LR", 0.002))
    ttt_epochs = int(os.environ.get("TTT_EPOCHS", 3))
    ttt_chunk_tokens = int(os.environ.get("TTT_CHUNK_TOKENS", 32_768))


'''

DATA = """\
def load_data_shard(file: Path) -> Tensor:
    header = np.fromfile(file, dtype="<i4", count=256)
    tokens = np.fromfile(file, dtype="<u2", count=int(header[2]), offset=256 * 4)
    return torch.from_numpy(tokens.astype(np.uint16, copy=False))


def load_validation_tokens(pattern: str, seq_len: int) -> Tensor:
    files = [Path(p) for p in sorted(glob.glob(pattern))]
    if not files:
        raise FileNotFoundError(f"No files found for pattern: {pattern}")
    tokens = torch.cat([load_data_shard(file) for file in files]).contiguous()
    usable = ((tokens.numel() - 1) // seq_len) * seq_len
    return tokens[: usable + 1]


class TokenStream:
    def __init__(self, pattern: str):
        self.files = [Path(p) for p in sorted(glob.glob(pattern))]
        self.file_idx = 0
        self.tokens = load_data_shard(self.files[0])
        self.pos = 0

    def take(self, n: int) -> Tensor:
        chunks = []
        remaining = n
        while remaining > 0:
            avail = self.tokens.numel() - self.pos
            if avail <= 0:
                self.file_idx = (self.file_idx + 1) % len(self.files)
                self.tokens = load_data_shard(self.files[self.file_idx])
                self.pos = 0
                continue
            k = min(remaining, avail)
            chunks.append(self.tokens[self.pos : self.pos + k])
            self.pos += k
            remaining -= k
        return chunks[0] if len(chunks) == 1 else torch.cat(chunks)


class TokenLoader:
    def __init__(self, pattern: str, rank: int, world_size: int, device: torch.device):
        self.rank, self.world_size, self.device = rank, world_size, device
        self.stream = TokenStream(pattern)

    def next_batch(self, batch_tokens: int, seq_len: int) -> tuple[Tensor, Tensor]:
        span = batch_tokens // self.world_size + 1
        chunk = self.stream.take(span * self.world_size)
        local = chunk[self.rank * span : (self.rank + 1) * span].to(dtype=torch.int64)
        x = local[:-1].reshape(-1, seq_len)
        y = local[1:].reshape(-1, seq_len)
        return x.to(self.device), y.to(self.device)


def build_sentencepiece_luts(sp, vocab_size: int, device: torch.device) -> tuple[Tensor, Tensor, Tensor]:
    table_size = max(int(sp.vocab_size()), vocab_size)
    base_bytes_np = np.zeros((table_size,), dtype=np.int16)
    has_leading_space_np = np.zeros((table_size,), dtype=np.bool_)
    is_boundary_token_np = np.ones((table_size,), dtype=np.bool_)
    for token_id in range(int(sp.vocab_size())):
        if sp.is_control(token_id) or sp.is_unknown(token_id) or sp.is_unused(token_id):
            continue
        is_boundary_token_np[token_id] = False
        if sp.is_byte(token_id):
            base_bytes_np[token_id] = 1
            continue
        piece = sp.id_to_piece(token_id)
        if piece.startswith("\\u2581"):
            has_leading_space_np[token_id] = True
            piece = piece[1:]
        base_bytes_np[token_id] = len(piece.encode("utf-8"))
    return (
        torch.tensor(base_bytes_np, dtype=torch.int16, device=device),
        torch.tensor(has_leading_space_np, dtype=torch.bool, device=device),
        torch.tensor(is_boundary_token_np, dtype=torch.bool, device=device),
    )


def count_bytes(prev_ids: Tensor, tgt_ids: Tensor, luts: tuple[Tensor, Tensor, Tensor]) -> Tensor:
    base_bytes_lut, has_leading_space_lut, is_boundary_token_lut = luts
    token_bytes = base_bytes_lut[tgt_ids].to(torch.float64)
    token_bytes += (has_leading_space_lut[tgt_ids] & ~is_boundary_token_lut[prev_ids]).to(torch.float64)
    return token_bytes


"""

MODEL = """\
class Block(nn.Module):
    def __init__(self, dim: int):
        super().__init__()
        self.norm = nn.LayerNorm(dim)
        self.qkv = nn.Linear(dim, 3 * dim, bias=False)
        self.proj = nn.Linear(dim, dim, bias=False)
        self.mlp = nn.Sequential(nn.Linear(dim, 4 * dim), nn.GELU(), nn.Linear(4 * dim, dim))

    def forward(self, x: Tensor) -> Tensor:
        q, k, v = self.qkv(self.norm(x)).chunk(3, dim=-1)
        x = x + self.proj(F.scaled_dot_product_attention(q, k, v, is_causal=True))
        return x + self.mlp(x)


class GPT(nn.Module):
    def __init__(self, args: Hyperparameters):
        super().__init__()
        self.tok_emb = nn.Embedding(args.vocab_size, args.dim)
        self.blocks = nn.ModuleList([Block(args.dim) for _ in range(args.num_layers)])
        self.head = nn.Linear(args.dim, args.vocab_size, bias=False)

    def hidden(self, ids: Tensor) -> Tensor:
        x = self.tok_emb(ids)
        for block in self.blocks:
            x = block(x)
        return F.rms_norm(x, (x.size(-1),))

    def forward_logits(self, ids: Tensor) -> Tensor:
        return 30.0 * torch.tanh(self.head(self.hidden(ids)) / 30.0)

    def forward(self, ids: Tensor, targets: Tensor) -> Tensor:
        logits = self.forward_logits(ids)
        return F.cross_entropy(logits.reshape(-1, logits.size(-1)).float(), targets.reshape(-1))


"""

EVAL_VAL = """\
def eval_val(args, model, device, val_tokens, luts):
    loss_sum = torch.zeros((), device=device, dtype=torch.float64)
    token_count = torch.zeros((), device=device, dtype=torch.float64)
    byte_count = torch.zeros((), device=device, dtype=torch.float64)
    total_seqs = (val_tokens.numel() - 1) // args.train_seq_len
    model.eval()
    with torch.inference_mode():
        for seq in range(total_seqs):
            start = seq * args.train_seq_len
            local = val_tokens[start : start + args.train_seq_len + 1].to(device, torch.int64)
            x, y = local[:-1][None], local[1:][None]
            batch_loss = model(x, y)
            loss_sum += batch_loss.to(torch.float64) * y.numel()
            token_count += y.numel()
            byte_count += count_bytes(x, y, luts).sum()
    val_loss = (loss_sum / token_count).item()
    model.train()
    return val_loss, val_loss / math.log(2.0) * token_count.item() / byte_count.item()


"""

EXPORT = """\
def quantize_state_dict_int8(state_dict):
    packed = {}
    for name, tensor in state_dict.items():
        scale = tensor.abs().max() / 127.0 + 1e-12
        packed[name] = (torch.clamp((tensor / scale).round(), -127, 127).to(torch.int8), scale)
    return packed


def dequantize_state_dict_int8(packed):
    return {name: q.float() * scale for name, (q, scale) in packed.items()}


def export_and_reload(model, path: str = "final_model.int8.ptz") -> None:
    buffer = io.BytesIO()
    torch.save(quantize_state_dict_int8(model.state_dict()), buffer)
    with open(path, "wb") as f:
        f.write(zlib.compress(buffer.getvalue(), level=9))
    with open(path, "rb") as f:
        packed = torch.load(io.BytesIO(zlib.decompress(f.read())), map_location="cpu")
    model.load_state_dict(dequantize_state_dict_int8(packed), strict=True)


"""

TRAIN = """\
def train_model(args, model, loader, device, val_tokens, luts, log0) -> None:
    optimizer = torch.optim.AdamW(model.parameters(), lr=args.lr)
    started = time.perf_counter()
    step = 0
    while step < args.iterations:
        if args.val_loss_every and step % args.val_loss_every == 0:
            val_loss, val_bpb = eval_val(args, model, device, val_tokens, luts)
            log0(f"step:{step}/{args.iterations} val_loss:{val_loss:.4f} val_bpb:{val_bpb:.4f}")
        x, y = loader.next_batch(args.train_batch_tokens, args.train_seq_len)
        optimizer.zero_grad(set_to_none=True)
        loss = model(x, y)
        loss.backward()
        optimizer.step()
        step += 1
        if time.perf_counter() - started >= args.max_wallclock_seconds:
            log0(f"stopping_early: wallclock_cap step:{step}/{args.iterations}")
            break


"""

MAIN = """\
def main() -> None:
    args = Hyperparameters()
    rank = int(os.environ.get("RANK", "0"))
    world_size = int(os.environ.get("WORLD_SIZE", "1"))
    device = torch.device("cuda", int(os.environ.get("LOCAL_RANK", "0")))
    if world_size > 1:
        dist.init_process_group(backend="nccl", device_id=device)

    def log0(text: str) -> None:
        if rank == 0:
            print(text, flush=True)

    random.seed(args.seed)
    np.random.seed(args.seed)
    torch.manual_seed(args.seed)
    sp = spm.SentencePieceProcessor(model_file=args.tokenizer_path)
    val_tokens = load_validation_tokens(args.val_files, args.train_seq_len)
    luts = build_sentencepiece_luts(sp, args.vocab_size, device)
    model = GPT(args).to(device)
    loader = TokenLoader(args.train_files, rank, world_size, device)
    train_model(args, model, loader, device, val_tokens, luts, log0)
    export_and_reload(model)
    val_loss, val_bpb = {evaluation}
    log0(f"final_int8_zlib_roundtrip_exact val_loss:{{val_loss:.8f}} val_bpb:{{val_bpb:.8f}}")


if __name__ == "__main__":
    main()
"""


def script(evaluation: str, *sections: str) -> str:
    """A whole script: the shared parts, `sections` of its own, and a main that reports `evaluation`."""
    shared = (SETTINGS, DATA, MODEL, EVAL_VAL, EXPORT, TRAIN)
    return "".join((*shared, *sections, MAIN.format(evaluation=evaluation)))
