"""Edits of the plain script that misuse validation, training data, the byte count or the machine."""

from __future__ import annotations

from tests.programs.edits import Edit, Expected, Twin

_EXPORT = "    export_and_reload(model)\n"
_FINAL = '    val_loss, val_bpb = eval_val(args, model, device, val_tokens, luts)\n    log0(f"final'
_TUNE = """\
    tuner = torch.optim.AdamW(model.parameters(), lr=1e-4)
    for begin in range(0, val_tokens.numel() - 1, args.train_seq_len):
        part = val_tokens[begin : begin + args.train_seq_len + 1].to(device, torch.int64)
        model(part[:-1][None], part[1:][None]).backward()
        tuner.step()
        tuner.zero_grad()
"""
_HESSIANS = """\
def collect_hessians(model, batches):
    hessians = {}
    hooks = []

    def hook_of(name):
        def hook(module, inputs, output):
            flat = inputs[0].detach().reshape(-1, inputs[0].shape[-1]).float()
            hessians[name] = hessians.get(name, 0) + flat.T @ flat

        return hook

    for name, module in model.named_modules():
        if isinstance(module, nn.Linear):
            hooks.append(module.register_forward_hook(hook_of(name)))
    with torch.no_grad():
        for x in batches:
            model.forward_logits(x)
    for hook in hooks:
        hook.remove()
    return hessians


def apply_hessians(model, hessians):
    for name, module in model.named_modules():
        if name in hessians:
            scale = hessians[name].diagonal().clamp_min(1e-6).rsqrt()
            module.weight.data.copy_((module.weight.data / scale).round() * scale)


def main() -> None:
"""
_LOADER_BATCHES = """\
    batches = [loader.next_batch(args.train_batch_tokens, args.train_seq_len)[0] for _ in range(16)]
    apply_hessians(model, collect_hessians(model, batches))
"""
_SELECT = """\
    best_temperature, best_bpb = 1.0, float("inf")
    for temperature in (0.9, 0.95, 1.0, 1.05):
        model.head.weight.data.mul_(1.0 / temperature)
        _, trial_bpb = eval_val(args, model, device, val_tokens, luts)
        model.head.weight.data.mul_(temperature)
        if trial_bpb < best_bpb:
            best_temperature, best_bpb = temperature, trial_bpb
    model.head.weight.data.mul_(1.0 / best_temperature)
"""
_EMA = """\
    averaged = copy.deepcopy(model)
    for p_avg, p in zip(averaged.parameters(), model.parameters()):
        p_avg.data.mul_(0.5).add_(p.data, alpha=0.5)
    _, plain_bpb = eval_val(args, model, device, val_tokens, luts)
    _, averaged_bpb = eval_val(args, averaged, device, val_tokens, luts)
    if averaged_bpb < plain_bpb:
        model.load_state_dict(averaged.state_dict())
"""
_LOGGED = """\
            log0(f"step:{step}/{args.iterations} val_loss:{val_loss:.4f} val_bpb:{val_bpb:.4f}")
"""
_ONE_BYTE = """\
        if sp.is_byte(token_id):
            base_bytes_np[token_id] = 1
            continue
"""
_MAIN = "def main() -> None:\n"


def _twin(name: str, breach: str, *edits: Edit, **facts: object) -> Twin:
    return Twin(name=name, base="plain", breach=breach, edits=edits, **facts)  # type: ignore[arg-type]


def _legal(name: str, rule: str, *edits: Edit, **facts: object) -> Twin:
    return _twin(name, rule, *edits, expected=Expected.CLEAN, **facts)


VALIDATION_USED = (
    _legal("validation-metrics-during-training-are-only-logged", "no-val-in-training"),
    _twin(
        "fine-tunes-on-validation-before-quantising",
        "ttt-adapt-then-score",
        Edit(_EXPORT, _TUNE + _EXPORT),
        shows="tuner.step()",
    ),
    _twin(
        "fine-tunes-on-validation-between-reload-and-score",
        "ttt-adapt-then-score",
        Edit(_EXPORT, _EXPORT + _TUNE),
        shows="tuner.step()",
    ),
    _twin(
        "trains-on-validation-shards",
        "val-in-training",
        Edit("    loader = TokenLoader(args.train_files,", "    loader = TokenLoader(args.val_files,"),
        shows="        optimizer.step()",
    ),
    _twin(
        "mixes-validation-batches-into-training",
        "val-in-training",
        Edit(
            "        x, y = loader.next_batch(args.train_batch_tokens, args.train_seq_len)\n",
            """\
        x, y = loader.next_batch(args.train_batch_tokens, args.train_seq_len)
        if step % 10 == 0:
            local = val_tokens[: args.train_seq_len + 1].to(device, torch.int64)
            x, y = local[:-1][None], local[1:][None]
""",
        ),
        shows="        optimizer.step()",
    ),
    _twin(
        "calibrates-the-quantiser-on-validation",
        "val-calibration",
        Edit(_MAIN, _HESSIANS),
        Edit(
            _EXPORT,
            """\
    local = val_tokens[: 16 * args.train_seq_len].to(device, torch.int64)
    apply_hessians(model, collect_hessians(model, [local.reshape(16, args.train_seq_len)]))
"""
            + _EXPORT,
        ),
        shows="",
    ),
    _twin(
        "stores-validation-tokens-in-the-artifact",
        "no-paid-prefix",
        Edit("def export_and_reload(model, path", "def export_and_reload(model, val_tokens, path"),
        Edit(
            "        f.write(zlib.compress(buffer.getvalue(), level=9))\n",
            "        f.write(zlib.compress(buffer.getvalue(), level=9))\n"
            "        f.write(zlib.compress(val_tokens[:1_000_000].numpy().tobytes(), level=9))\n",
        ),
        Edit("    export_and_reload(model)\n", "    export_and_reload(model, val_tokens)\n"),
        shows="f.write(zlib.compress(val_tokens[:1_000_000]",
    ),
    _twin(
        "chooses-a-temperature-on-validation",
        "val-tuned",
        Edit(_EXPORT, _EXPORT + _SELECT),
        shows="if trial_bpb < best_bpb:",
    ),
    _twin(
        "chooses-averaged-weights-on-validation",
        "no-val-in-training",
        Edit(_EXPORT, _EMA + _EXPORT),
        shows="if averaged_bpb < plain_bpb:",
    ),
    _twin(
        "stops-training-when-validation-stops-falling",
        "no-val-in-training",
        Edit(
            _LOGGED,
            _LOGGED + "            if step > 0 and val_bpb > previous_bpb:\n"
            "                break\n"
            "            previous_bpb = val_bpb\n",
        ),
        shows="if step > 0 and val_bpb > previous_bpb:",
    ),
)

TRAINING_DATA = (
    _twin(
        "calibrates-on-training-data-after-the-cap",
        "calibration-in-train-budget",
        Edit(_MAIN, _HESSIANS),
        Edit(_EXPORT, _LOADER_BATCHES + _EXPORT),
        shows="",
    ),
    _twin(
        "calibrates-on-training-data-inside-a-reserve",
        "calibration-in-train-budget",
        Edit(_MAIN, _HESSIANS),
        Edit(_EXPORT, _LOADER_BATCHES + _EXPORT),
        Edit(
            "        if time.perf_counter() - started >= args.max_wallclock_seconds:\n",
            "        if time.perf_counter() - started >= args.max_wallclock_seconds - 20.0:\n",
        ),
        expected=Expected.UNRESOLVED,  # whether 20 seconds are enough, only a log says
        shows="    batches = [loader.next_batch(",
    ),
    _legal(
        "calibrates-on-tokens-the-model-generated",
        "val-calibration",
        Edit(_MAIN, _HESSIANS),
        Edit(
            _EXPORT,
            """\
    text = torch.randint(0, args.vocab_size, (16, 1), device=device)
    with torch.no_grad():
        for _ in range(args.train_seq_len - 1):
            probs = F.softmax(model.forward_logits(text)[:, -1], dim=-1)
            text = torch.cat([text, torch.multinomial(probs, 1)], dim=1)
    apply_hessians(model, collect_hessians(model, [text]))
"""
            + _EXPORT,
        ),
    ),
)

BYTES = (
    _legal("the-published-byte-tables-are-accepted", "bpb-formula"),
    _twin(
        "scores-only-the-first-million-tokens",
        "val-full",
        Edit("    return tokens[: usable + 1]\n", "    return tokens[: min(usable, 1_048_576) + 1]\n"),
        shows="return tokens[: min(usable, 1_048_576) + 1]",
    ),
    _twin(
        "divides-by-a-constant-number-of-bytes-per-token",
        "byte-denominator",
        Edit(
            "            byte_count += count_bytes(x, y, luts).sum()\n",
            "            byte_count += y.numel() * 2.44\n",
        ),
        shows="byte_count += y.numel() * 2.44",
    ),
    _twin(
        "counts-a-byte-fallback-token-as-six-bytes",
        "byte-denominator",
        Edit(_ONE_BYTE, ""),
        shows="base_bytes_np[token_id] = len(piece.encode",
    ),
    _twin(
        "always-counts-the-leading-space",
        "byte-denominator",
        Edit(
            "(has_leading_space_lut[tgt_ids] & ~is_boundary_token_lut[prev_ids])",
            "has_leading_space_lut[tgt_ids]",
        ),
        shows="token_bytes += has_leading_space_lut[tgt_ids].to(torch.float64)",
    ),
)

MACHINE = (
    _twin(
        "ignores-the-seed",
        "reproducible",
        Edit("    torch.manual_seed(args.seed)\n", ""),
        Edit("    np.random.seed(args.seed)\n", ""),
        Edit("    random.seed(args.seed)\n", ""),
    ),
    _twin(
        "downloads-weights-during-evaluation",
        "no-network-at-eval",
        Edit("import zlib\n", "import urllib.request\nimport zlib\n"),
        Edit(
            _EXPORT,
            _EXPORT
            + """\
    blob = urllib.request.urlopen("https://example.invalid/bias.pt").read()
    model.head.weight.data.add_(torch.load(io.BytesIO(blob)))
""",
        ),
        shows="urllib.request.urlopen",
    ),
    _twin(
        "scores-through-native-code",
        "c1-causal",
        Edit("import zlib\n", "import ctypes\nimport zlib\n"),
        Edit(
            _FINAL,
            """\
    helper = ctypes.CDLL("./tables.so")
    helper.adapt(ctypes.c_void_p(val_tokens.data_ptr()), val_tokens.numel())
"""
            + _FINAL,
        ),
        expected=Expected.UNRESOLVED,
        shows='ctypes.CDLL("./tables.so")',
    ),
)

DATA_TWINS = (*VALIDATION_USED, *TRAINING_DATA, *BYTES, *MACHINE)
