"""Legal scripts with evaluation-time tables, one per style: whole distributions, filled after scoring."""

from __future__ import annotations

from tests.programs.parts import script

_FRAME = """\
def {name}(args, model, device, val_tokens, luts):
    seq_len = args.train_seq_len
    vocab = args.vocab_size
    ids = val_tokens.to(torch.int64).numpy()
    loss_sum, token_count, byte_count = 0.0, 0, 0.0
{setup}
    for seq in range((val_tokens.numel() - 1) // seq_len):
        start = seq * seq_len
        local = val_tokens[start : start + seq_len + 1].to(device, torch.int64)
        x, y = local[:-1], local[1:]
        with torch.inference_mode():
            logits = model.forward_logits(x[None])[0].float()
{body}
        token_count += y.numel()
        byte_count += count_bytes(x, y, luts).sum().item()
{ending}    val_loss = loss_sum / token_count
    return val_loss, val_loss / math.log(2.0) * token_count / byte_count


"""

_DICT = _FRAME.format(
    name="eval_val_dict_cache",
    ending="",
    setup="""\
    order = 4
    counts = defaultdict(lambda: defaultdict(int))
    totals = defaultdict(int)""",
    body="""\
            probs = F.softmax(logits, dim=-1).cpu().numpy()
        for t in range(seq_len):
            pos = start + t + 1
            target = int(ids[pos])
            context = tuple(ids[max(0, pos - order) : pos].tolist())
            cached = np.zeros(vocab)
            seen = totals[context]
            for token, count in counts[context].items():
                cached[token] = count / seen
            weight = 0.3 if seen > 0 else 0.0
            mixed = (1.0 - weight) * probs[t] + weight * cached
            loss_sum += -math.log(max(mixed[target], 1e-12))
            counts[context][target] += 1
            totals[context] += 1""",
)

_HASH = _FRAME.format(
    name="eval_val_hashed_rows",
    ending="",
    setup="""\
    buckets = 1 << 16
    mask = np.uint64(buckets - 1)
    primes = np.array([36313, 27191, 51647], dtype=np.uint64)
    ctx_table = np.zeros((buckets,), dtype=np.uint32)
    full_table = np.zeros((buckets, vocab), dtype=np.uint32)""",
    body="""\
            model_p = F.softmax(logits, dim=-1).cpu().numpy()
        positions = np.arange(start + 1, start + seq_len + 1)
        targets = ids[positions]
        ctx_hash = np.zeros(seq_len, dtype=np.uint64)
        for k in range(3):
            ctx_hash ^= ids[np.maximum(positions - 1 - k, 0)].astype(np.uint64) * primes[k]
        ctx_key = (ctx_hash & mask).astype(np.int64)
        rows = (full_table[ctx_key] + 0.5) / (ctx_table[ctx_key][:, None] + 0.5 * vocab)
        alpha = 0.4 * (ctx_table[ctx_key] > 2)
        mixed = (1.0 - alpha[:, None]) * model_p + alpha[:, None] * rows
        scored_p = mixed[np.arange(seq_len), targets]
        loss_sum += -np.log(np.maximum(scored_p, 1e-12)).sum()
        np.add.at(ctx_table, ctx_key, 1)
        np.add.at(full_table, (ctx_key, targets), 1)""",
)

_TORCH = _FRAME.format(
    name="eval_val_torch_tables",
    ending="",
    setup="""\
    order, buckets = 3, 1 << 16
    counts = torch.zeros(buckets, vocab, device=device)
    log_weights = torch.zeros(2, device=device)""",
    body="""\
        key = torch.zeros_like(x)
        for back in range(order):
            key = key * 31 + F.pad(x, (back, 0))[:seq_len]
        key = key % buckets
        rows = counts[key] + 0.1
        table_p = rows / rows.sum(dim=-1, keepdim=True)
        model_p = F.softmax(logits, dim=-1)
        weights = F.softmax(log_weights, dim=0)
        mixed = weights[0] * model_p + weights[1] * table_p
        nll = -torch.log(mixed.gather(1, y[:, None]).squeeze(1).clamp_min(1e-12))
        loss_sum += nll.to(torch.float64).sum().item()
        expert_nll = -torch.log(torch.stack([model_p, table_p]).gather(2, y[None, :, None].expand(2, -1, 1)))
        log_weights = log_weights - 0.1 * expert_nll.mean(dim=(1, 2))
        counts.view(-1).scatter_add_(0, key * vocab + y, torch.ones_like(y, dtype=torch.float32))""",
)

_PPM = '''\
class BytePredictor:
    """Counts of the next byte after the last four."""

    def __init__(self, order: int = 4):
        self.order = order
        self.counts = defaultdict(lambda: defaultdict(int))
        self.history = b""

    def probability(self, byte: int) -> float:
        seen = self.counts[self.history[-self.order :]]
        total = sum(seen.values())
        return (seen.get(byte, 0) + 0.5) / (total + 128.0)

    def learn(self, byte: int) -> None:
        self.counts[self.history[-self.order :]][byte] += 1
        self.history = (self.history + bytes([byte]))[-self.order :]


def token_bytes_of(args) -> list[bytes]:
    sp = spm.SentencePieceProcessor(model_file=args.tokenizer_path)
    return [sp.id_to_piece(i).replace("\\u2581", " ").encode("utf-8") for i in range(sp.vocab_size())]


''' + _FRAME.format(
    name="eval_val_bytes",
    setup="""\
    predictor = BytePredictor()
    pieces = token_bytes_of(args)
    byte_nats = 0.0""",
    body="""\
            token_nll = F.cross_entropy(logits, y, reduction="none").double().cpu().numpy()
        for t in range(seq_len):
            piece = pieces[int(ids[start + t + 1])]
            loss_sum += float(token_nll[t])
            for byte in piece:
                byte_nats += -math.log(predictor.probability(byte))
                predictor.learn(byte)""",
    ending="""\
    print(f"diagnostic byte_model_nats:{byte_nats:.4f}")\n""",
)

_TILT = _FRAME.format(
    name="eval_val_hint_tilt",
    ending="",
    setup="""\
    order, boost = 5, 2.0
    last_seen: dict[tuple[int, ...], int] = {}""",
    body="""\
        hints = np.full(seq_len, -1, dtype=np.int64)
        for t in range(seq_len):
            pos = start + t + 1
            context = tuple(ids[max(0, pos - order) : pos].tolist())
            hints[t] = last_seen.get(context, -1)
            last_seen[context] = int(ids[pos])
        hint = torch.from_numpy(hints).to(device)
        has_hint = hint >= 0
        logp = F.log_softmax(logits, dim=-1)
        hint_logp = logp.gather(1, hint.clamp_min(0)[:, None]).squeeze(1)
        log_z = torch.log1p(hint_logp.exp() * math.expm1(boost))
        gate = has_hint.to(logp.dtype)
        target_logp = logp.gather(1, y[:, None]).squeeze(1)
        is_hit = (hint == y).to(logp.dtype)
        tilted = target_logp + gate * (boost * is_hit - log_z)
        loss_sum += -tilted.to(torch.float64).sum().item()""",
)


def _called(name: str) -> str:
    return f"{name}(args, model, device, val_tokens, luts)"


NGRAM_SCRIPTS: dict[str, str] = {
    "dict-cache": script(_called("eval_val_dict_cache"), _DICT),
    "hash-rows": script(_called("eval_val_hashed_rows"), _HASH),
    "torch-tables": script(_called("eval_val_torch_tables"), _TORCH),
    "byte-ppm": script(_called("eval_val_bytes"), _PPM),
    "hint-tilt": script(_called("eval_val_hint_tilt"), _TILT),
}
