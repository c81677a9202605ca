"""Edits that let a probability depend on the token it predicts, and edits that do not."""

from __future__ import annotations

from tests.programs.edits import Edit, Expected, Twin

TARGET_KEY = "ngram-target-key"
TARGET_GATE = "target-gated-mixing"
TARGET_ONLY = "ngram-target-only"
ORACLE = "oracle-selection"
TWO_PASSES = "two-pass-rescore"
PPM = "byte-ppm-unnormalised"

_DICT_BLEND = """\
            weight = 0.3 if seen > 0 else 0.0
            mixed = (1.0 - weight) * probs[t] + weight * cached
            loss_sum += -math.log(max(mixed[target], 1e-12))
"""
_DICT_UPDATE = """\
            counts[context][target] += 1
            totals[context] += 1
"""
_DICT_CACHED = """\
            cached = np.zeros(vocab)
            seen = totals[context]
            for token, count in counts[context].items():
                cached[token] = count / seen
"""
_WINDOWS = "    for seq in range((val_tokens.numel() - 1) // seq_len):\n"
_HASH_MIX = """\
        rows = (full_table[ctx_key] + 0.5) / (ctx_table[ctx_key][:, None] + 0.5 * vocab)
        alpha = 0.4 * (ctx_table[ctx_key] > 2)
        mixed = (1.0 - alpha[:, None]) * model_p + alpha[:, None] * rows
        scored_p = mixed[np.arange(seq_len), targets]
"""
_HASH_UPDATE = """\
        np.add.at(ctx_table, ctx_key, 1)
        np.add.at(full_table, (ctx_key, targets), 1)
"""
_FULL_TABLE = "full_table = np.zeros((buckets, vocab), dtype=np.uint32)"
_PAIR_KEY = """\
        pair_hash = ctx_hash ^ (targets.astype(np.uint64) * np.uint64(92821))
        full_key = (pair_hash & mask).astype(np.int64)
"""
_PAIR_MIX = (
    _PAIR_KEY
    + """\
        ngram_p = np.minimum(full_table[full_key], ctx_table[ctx_key]) / np.maximum(ctx_table[ctx_key], 1)
        target_p = model_p[np.arange(seq_len), targets]
        alpha = 0.4 * (ctx_table[ctx_key] > 2)
        scored_p = (1.0 - alpha) * target_p + alpha * ngram_p
"""
)
_PAIR_UPDATE = "        np.add.at(ctx_table, ctx_key, 1)\n        np.add.at(full_table, full_key, 1)\n"
_TORCH_MIX = """\
        table_p = rows / rows.sum(dim=-1, keepdim=True)
        model_p = F.softmax(logits, dim=-1)
        weights = F.softmax(log_weights, dim=0)
        mixed = weights[0] * model_p + weights[1] * table_p
        nll = -torch.log(mixed.gather(1, y[:, None]).squeeze(1).clamp_min(1e-12))
"""
_TORCH_UPDATE = (
    "        counts.view(-1).scatter_add_(0, key * vocab + y, torch.ones_like(y, dtype=torch.float32))\n"
)
_TILT_LEARN = "            last_seen[context] = int(ids[pos])\n"
_TILT_GATE = "        gate = has_hint.to(logp.dtype)\n"
_PPM_ADD = "            loss_sum += float(token_nll[t])\n"
_PPM_READ = """\
            for byte in piece:
                byte_nats += -math.log(predictor.probability(byte))
                predictor.learn(byte)
"""


def _twin(name: str, base: str, breach: str, *edits: Edit, **facts: object) -> Twin:
    return Twin(name=name, base=base, breach=breach, edits=edits, **facts)  # type: ignore[arg-type]


def _legal(name: str, base: str, *edits: Edit, rule: str = "ngram-key-target", **facts: object) -> Twin:
    return _twin(name, base, rule, *edits, expected=Expected.CLEAN, **facts)


DICTIONARIES = (
    _legal("whole-distributions-of-a-dictionary-as-they-stand", "dict-cache"),
    _twin(
        "the-target-is-part-of-the-dictionary-key",
        "dict-cache",
        TARGET_KEY,
        Edit(
            _DICT_CACHED + _DICT_BLEND,
            """\
            seen = totals[context]
            weight = 0.3 if seen > 0 else 0.0
            cached_p = totals[context + (target,)] / max(seen, 1)
            mixed_p = (1.0 - weight) * probs[t][target] + weight * cached_p
            loss_sum += -math.log(max(mixed_p, 1e-12))
""",
        ),
        Edit(
            _DICT_UPDATE, "            totals[context + (target,)] += 1\n            totals[context] += 1\n"
        ),
        shows="cached_p = totals[context + (target,)]",
    ),
    _twin(
        "the-cache-is-used-only-where-it-helps",
        "dict-cache",
        ORACLE,
        Edit(
            _DICT_BLEND,
            """\
            model_nll = -math.log(max(probs[t][target], 1e-12))
            cache_nll = -math.log(max(cached[target], 1e-12))
            loss_sum += min(model_nll, cache_nll)
""",
        ),
        shows="loss_sum += min(model_nll, cache_nll)",
    ),
    _twin(
        "the-cache-is-used-only-if-it-has-seen-the-target",
        "dict-cache",
        TARGET_GATE,
        Edit("weight = 0.3 if seen > 0 else 0.0", "weight = 0.3 if counts[context][target] > 0 else 0.0"),
        shows="weight = 0.3 if counts[context][target] > 0 else 0.0",
    ),
    _twin(
        "the-mixing-weight-depends-on-the-model-loss-of-the-target",
        "dict-cache",
        TARGET_GATE,
        Edit("weight = 0.3 if seen > 0 else 0.0", "weight = 0.3 * (1.0 - probs[t][target])"),
        shows="weight = 0.3 * (1.0 - probs[t][target])",
    ),
    _twin(
        "the-dictionary-learns-the-target-before-it-is-scored",
        "dict-cache",
        "ttt-adapt-then-score",
        Edit(
            _DICT_BLEND + _DICT_UPDATE,
            _DICT_BLEND,
        ),
        Edit(_DICT_CACHED, _DICT_UPDATE + _DICT_CACHED),
        shows="totals[context] += 1",
    ),
    _twin(
        "the-dictionary-is-filled-in-a-pass-before-scoring",
        "dict-cache",
        TWO_PASSES,
        Edit(
            _WINDOWS,
            "    for pos in range(order, len(ids)):\n"
            "        before = tuple(ids[pos - order : pos].tolist())\n"
            "        counts[before][int(ids[pos])] += 1\n"
            "        totals[before] += 1\n" + _WINDOWS,
        ),
        Edit(_DICT_UPDATE, ""),
        shows="totals[before] += 1",
    ),
)

HASHED = (
    _legal("whole-rows-of-a-hashed-table-as-they-stand", "hash-rows"),
    _twin(
        "a-joint-hash-of-context-and-target-is-divided-by-the-context-count",
        "hash-rows",
        TARGET_KEY,
        Edit(_HASH_MIX, _PAIR_MIX),
        Edit(_FULL_TABLE, "full_table = np.zeros((buckets,), dtype=np.uint32)"),
        Edit(_HASH_UPDATE, _PAIR_UPDATE),
        shows="ngram_p = np.minimum(full_table[full_key], ctx_table[ctx_key])",
    ),
    _twin(
        "the-joint-table-alone-boosts-the-target",
        "hash-rows",
        TARGET_KEY,
        Edit(
            _HASH_MIX,
            _PAIR_KEY
            + """\
        target_p = model_p[np.arange(seq_len), targets]
        scored_p = np.where(full_table[full_key] > 1, 0.5 * target_p + 0.5, target_p)
""",
        ),
        Edit(_FULL_TABLE, "full_table = np.zeros((buckets,), dtype=np.uint32)"),
        Edit(_HASH_UPDATE, _PAIR_UPDATE),
        shows="scored_p = np.where(full_table[full_key] > 1",
    ),
    _twin(
        "the-better-of-model-and-table-is-taken-per-token",
        "hash-rows",
        ORACLE,
        Edit(
            "        scored_p = mixed[np.arange(seq_len), targets]\n",
            "        model_t = model_p[np.arange(seq_len), targets]\n"
            "        table_t = rows[np.arange(seq_len), targets]\n"
            "        scored_p = np.where(table_t > model_t, table_t, model_t)\n",
        ),
        shows="scored_p = np.where(table_t > model_t, table_t, model_t)",
    ),
    _twin(
        "the-hashed-table-is-filled-before-its-own-window-is-scored",
        "hash-rows",
        "ttt-adapt-then-score",
        Edit(_HASH_MIX, _HASH_UPDATE + _HASH_MIX),
        Edit(
            "        loss_sum += -np.log(np.maximum(scored_p, 1e-12)).sum()\n" + _HASH_UPDATE,
            "        loss_sum += -np.log(np.maximum(scored_p, 1e-12)).sum()\n",
        ),
        shows="np.add.at(full_table, (ctx_key, targets), 1)",
    ),
)

TORCH_TABLES = (
    _legal("normalised-rows-of-a-torch-table-as-they-stand", "torch-tables"),
    _twin(
        "only-the-target-cell-is-blended-beside-an-entropy-expert",
        "torch-tables",
        TARGET_ONLY,
        Edit(
            _TORCH_MIX,
            """\
        table_p = rows / rows.sum(dim=-1, keepdim=True)
        model_p = F.softmax(logits, dim=-1)
        weights = F.softmax(log_weights, dim=0)
        entropy = -(model_p * model_p.clamp_min(1e-12).log()).sum(dim=-1)
        expert = torch.stack(
            [
                -model_p.gather(1, y[:, None]).log().squeeze(1),
                -table_p.gather(1, y[:, None]).log().squeeze(1),
                entropy,
            ]
        )
        nll = -torch.logsumexp(torch.log_softmax(torch.zeros(3, device=device), 0)[:, None] - expert, dim=0)
""",
        ),
        shows="expert = torch.stack(",
    ),
    _twin(
        "the-key-of-the-torch-table-includes-the-target",
        "torch-tables",
        TARGET_KEY,
        Edit(
            "        key = key % buckets\n",
            "        joint = (key * 31 + y) % buckets\n        key = key % buckets\n",
        ),
        Edit(
            "counts = torch.zeros(buckets, vocab, device=device)",
            "counts = torch.zeros(2, buckets, device=device)",
        ),
        Edit(
            "        rows = counts[key] + 0.1\n",
            "        pair_p = counts[1][joint] / (counts[0][key] + 1.0)\n",
        ),
        Edit(
            _TORCH_MIX,
            """\
        model_p = F.softmax(logits, dim=-1).gather(1, y[:, None]).squeeze(1)
        nll = -torch.log((0.7 * model_p + 0.3 * pair_p).clamp_min(1e-12))
""",
        ),
        Edit(
            """\
        expert_nll = -torch.log(torch.stack([model_p, table_p]).gather(2, y[None, :, None].expand(2, -1, 1)))
        log_weights = log_weights - 0.1 * expert_nll.mean(dim=(1, 2))
"""
            + _TORCH_UPDATE,
            """\
        counts[0].scatter_add_(0, key, torch.ones_like(y, dtype=torch.float32))
        counts[1].scatter_add_(0, joint, torch.ones_like(y, dtype=torch.float32))
""",
        ),
        shows="pair_p = counts[1][joint]",
    ),
    _twin(
        "the-torch-table-learns-the-window-before-scoring-it",
        "torch-tables",
        "ttt-adapt-then-score",
        Edit("        rows = counts[key] + 0.1\n", _TORCH_UPDATE + "        rows = counts[key] + 0.1\n"),
        Edit(
            "        log_weights = log_weights - 0.1 * expert_nll.mean(dim=(1, 2))\n" + _TORCH_UPDATE,
            "        log_weights = log_weights - 0.1 * expert_nll.mean(dim=(1, 2))\n",
        ),
        shows="counts.view(-1).scatter_add_",
    ),
)

BYTES_AND_HINTS = (
    _legal("a-byte-model-that-only-logs-a-diagnostic", "byte-ppm", rule="byte-ppm-mixture"),
    _twin(
        "a-byte-model-is-mixed-with-the-token-probability-spread-over-its-bytes",
        "byte-ppm",
        PPM,
        Edit(
            _PPM_ADD + _PPM_READ,
            """\
            share = math.exp(-float(token_nll[t]) / max(len(piece), 1))
            for byte in piece:
                loss_sum += -math.log(0.5 * share + 0.5 * predictor.probability(byte))
                predictor.learn(byte)
""",
        ),
        shows="share = math.exp(-float(token_nll[t]) / max(len(piece), 1))",
    ),
    _legal("a-hint-with-a-closed-form-tilt-as-it-stands", "hint-tilt", rule="ngram-target-gate"),
    _twin(
        "the-hint-is-used-only-if-the-target-starts-a-word",
        "hint-tilt",
        TARGET_GATE,
        Edit(_TILT_GATE, "        gate = (has_hint & luts[1][y]).to(logp.dtype)\n"),
        shows="gate = (has_hint & luts[1][y]).to(logp.dtype)",
    ),
    _twin(
        "the-hint-is-used-only-where-it-hits",
        "hint-tilt",
        TARGET_GATE,
        Edit(_TILT_GATE, "        gate = (has_hint & (hint == y)).to(logp.dtype)\n"),
        shows="gate = (has_hint & (hint == y)).to(logp.dtype)",
    ),
    _twin(
        "the-hint-memory-learns-the-target-before-it-is-asked",
        "hint-tilt",
        "ttt-adapt-then-score",
        Edit(
            "            hints[t] = last_seen.get(context, -1)\n" + _TILT_LEARN,
            _TILT_LEARN + "            hints[t] = last_seen.get(context, -1)\n",
        ),
        shows="last_seen[context] = int(ids[pos])",
    ),
)

EMBEDDINGS = (
    _legal(
        "a-hashed-bigram-embedding-of-input-tokens",
        "plain",
        Edit(
            "        self.tok_emb = nn.Embedding(args.vocab_size, args.dim)\n",
            "        self.tok_emb = nn.Embedding(args.vocab_size, args.dim)\n"
            "        self.bigram_emb = nn.Embedding(4096, args.dim)\n",
        ),
        Edit(
            "        x = self.tok_emb(ids)\n",
            """\
        pair = torch.zeros_like(ids)
        pair[..., 1:] = torch.bitwise_xor(36313 * ids[..., 1:], 27191 * ids[..., :-1]) % 4095
        x = self.tok_emb(ids) + self.bigram_emb(pair)
""",
        ),
    ),
)

NGRAM_TWINS = (*DICTIONARIES, *HASHED, *TORCH_TABLES, *BYTES_AND_HINTS, *EMBEDDINGS)
