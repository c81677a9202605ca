"""Edits that break, or leave legal, the order of scoring and learning of weights, adapters and deltas."""

from __future__ import annotations

from tests.programs.edits import Edit, Expected, Twin

ADAPT_THEN_SCORE = "ttt-adapt-then-score"
LAST_EPOCH = "ttt-multi-epoch-last-score"
LOWEST = "ttt-min-nll"
TWO_PASSES = "two-pass-rescore"
SCORE_FIRST = "ttt-score-first"

_CHUNK_LOOP = "    for ci in range(num_chunks):\n        chunk_start = ci * args.ttt_chunk_tokens\n"
_CHUNK_END = """\
    val_loss = (loss_sum / token_count).item()
    return val_loss, val_loss / math.log(2.0) * token_count.item() / byte_count.item()


def main"""
_TUNE = """\
    tuner = torch.optim.AdamW(model.parameters(), lr=1e-4)
    for begin in range(0, val_tokens.numel() - 1, args.train_seq_len):
        part = val_tokens[begin : begin + args.train_seq_len + 1].to(device, torch.int64)
        model(part[:-1][None], part[1:][None]).backward()
        tuner.step()
        tuner.zero_grad()
"""
_SETTING = '    vocab_size = int(os.environ.get("VOCAB_SIZE", 1024))\n'
_PRETUNE = '    pretune = bool(int(os.environ.get("PRETUNE", "0")))\n'
_IF_PRETUNE = "    if args.pretune:\n"
_CALL = (
    "    val_loss, val_bpb = eval_val_sliding_ttt(args, model, rank, world_size, device, val_tokens, luts)\n"
)
_CHUNK_STEP = """\
                    optimizer.zero_grad(set_to_none=True)
                    ttt_loss = model(tokens[:-1][None], tokens[1:][None])
                    ttt_loss.backward()
                    if world_size > 1:
                        for p in model.parameters():
                            if p.grad is not None:
                                dist.all_reduce(p.grad, op=dist.ReduceOp.AVG)
                    optimizer.step()
"""
_MONOLITHIC_SCORE = """\
        with torch.no_grad():
            chunk_nll = model(x, y).item()
        total_nll += chunk_nll * y.numel()
        total_tokens += y.numel()
        total_bytes += count_bytes(x, y, luts).sum().item()
"""
_MONOLITHIC_LEARN = """\
        for _ in range(args.ttt_epochs):
            adapter.zero_grad()
            ttt_loss = model(x, y)
            ttt_loss.backward()
            adapter.step()
"""
_MONOLITHIC_SETUP = """\
    total_nll, total_tokens, total_bytes = 0.0, 0, 0.0
    seq_len = args.train_seq_len
"""
_MONOLITHIC_LOOP = "    for chunk in range((val_tokens.numel() - 1) // seq_len):\n"
_MONOLITHIC_PIECE = """\
        piece = val_tokens[chunk * seq_len : (chunk + 1) * seq_len + 1].to(device, torch.int64)
        x, y = piece[:-1][None], piece[1:][None]
"""
_LORA_LOOP = "        for ci in range(num_chunks):\n"
_LORA_CHUNK = """\
            begin = doc_start + ci * chunk_size
            end = min(begin + chunk_size, doc_start + doc_len)
            tokens = val_tokens[begin : end + 1].to(device, torch.int64)
            x, y = tokens[:-1][None], tokens[1:][None]
            ptl = lora_losses(model, lora, x, y)
            with torch.no_grad():
                loss_sum += ptl.detach().to(torch.float64).sum()
                token_count += y.numel()
                byte_count += count_bytes(x, y, luts).sum()
            if ci < num_chunks - 1:
                optimizer.zero_grad()
                ptl.mean().backward()
                optimizer.step()
"""
_LORA_SCORE = """\
            ptl = lora_losses(model, lora, x, y)
            with torch.no_grad():
                loss_sum += ptl.detach().to(torch.float64).sum()
"""
_LORA_LEARN = """\
            if ci < num_chunks - 1:
                optimizer.zero_grad()
                ptl.mean().backward()
                optimizer.step()
"""
_COMPILED_ORDER = """\
        nll = score(x, y)
        add_scores(totals, nll, x, y, luts)
        learn(x, y)
"""
_PHASED_SCORE = """\
            score_document(model, lora, device, val_tokens, doc, luts, totals)
            scored_here.append(doc)
"""
_SLOT_SCORE = """\
        with torch.no_grad():
            hidden = model.hidden(x)
            scored = model.head(hidden + delta).float()
            nll = F.cross_entropy(scored[0], y[0], reduction="none")
        loss_sum += nll.to(torch.float64).sum()
"""
_SLOT_LEARN = """\
        for _ in range(8):
            optimizer.zero_grad()
            fitted = model.head(hidden + delta).float()
            F.cross_entropy(fitted[0], y[0]).backward()
            optimizer.step()
"""


def _indented(text: str, by: int = 4) -> str:
    return "".join(" " * by + line if line.strip() else line for line in text.splitlines(keepends=True))


def _twin(name: str, base: str, breach: str, *edits: Edit, **facts: object) -> Twin:
    return Twin(name=name, base=base, breach=breach, edits=edits, **facts)  # type: ignore[arg-type]


def _legal(name: str, base: str, *edits: Edit, rule: str = SCORE_FIRST, **facts: object) -> Twin:
    return _twin(name, base, rule, *edits, expected=Expected.CLEAN, **facts)


MONOLITHIC = (
    _legal("one-function-scores-each-chunk-then-trains-on-it", "monolithic"),
    _twin(
        "trains-on-each-chunk-before-scoring-it",
        "monolithic",
        ADAPT_THEN_SCORE,
        Edit(_MONOLITHIC_SCORE + _MONOLITHIC_LEARN, _MONOLITHIC_LEARN + _MONOLITHIC_SCORE),
        shows="adapter.step()",
    ),
    _twin(
        "trains-on-all-of-validation-then-scores-in-a-second-loop",
        "monolithic",
        ADAPT_THEN_SCORE,
        Edit(
            _MONOLITHIC_SCORE + _MONOLITHIC_LEARN,
            _MONOLITHIC_LEARN + _MONOLITHIC_LOOP + _MONOLITHIC_PIECE + _MONOLITHIC_SCORE,
        ),
        shows="adapter.step()",
    ),
    _twin(
        "reports-the-last-of-several-epochs",
        "monolithic",
        LAST_EPOCH,
        Edit(
            _MONOLITHIC_SETUP + _MONOLITHIC_LOOP,
            "    seq_len = args.train_seq_len\n    for _round in range(3):\n"
            "        total_nll, total_tokens, total_bytes = 0.0, 0, 0.0\n" + _indented(_MONOLITHIC_LOOP),
        ),
        Edit(
            _MONOLITHIC_PIECE + _MONOLITHIC_SCORE + _MONOLITHIC_LEARN,
            _indented(_MONOLITHIC_PIECE + _MONOLITHIC_SCORE + _MONOLITHIC_LEARN),
        ),
        shows="adapter.step()",
    ),
    _twin(
        "adds-two-passes-into-one-sum",
        "monolithic",
        TWO_PASSES,
        Edit(_MONOLITHIC_LOOP, "    for _round in range(2):\n" + _indented(_MONOLITHIC_LOOP)),
        Edit(
            _MONOLITHIC_PIECE + _MONOLITHIC_SCORE + _MONOLITHIC_LEARN,
            _indented(_MONOLITHIC_PIECE + _MONOLITHIC_SCORE + _MONOLITHIC_LEARN),
        ),
        shows="adapter.step()",
    ),
    _twin(
        "keeps-the-lower-loss-of-before-and-after-training",
        "monolithic",
        LOWEST,
        Edit(
            _MONOLITHIC_SCORE + _MONOLITHIC_LEARN,
            "        with torch.no_grad():\n            before = model(x, y).item()\n"
            + _MONOLITHIC_LEARN
            + _MONOLITHIC_SCORE.replace("model(x, y).item()", "min(before, model(x, y).item())"),
        ),
        shows="min(before, model(x, y).item())",
    ),
    _twin(
        "updates-weights-by-hand-before-scoring",
        "monolithic",
        ADAPT_THEN_SCORE,
        Edit(
            _MONOLITHIC_SCORE + _MONOLITHIC_LEARN,
            """\
        model.zero_grad()
        model(x, y).backward()
        with torch.no_grad():
            for p in model.parameters():
                p.data.add_(p.grad, alpha=-args.ttt_lr)
"""
            + _MONOLITHIC_SCORE,
        ),
        shows="p.data.add_(p.grad, alpha=-args.ttt_lr)",
    ),
    _twin(
        "updates-weights-by-functional-gradients-before-scoring",
        "monolithic",
        ADAPT_THEN_SCORE,
        Edit(
            _MONOLITHIC_SCORE + _MONOLITHIC_LEARN,
            """\
        weights = [p for p in model.parameters() if p.requires_grad]
        grads = torch.autograd.grad(model(x, y), weights)
        for p, g in zip(weights, grads):
            p.data -= args.ttt_lr * g
"""
            + _MONOLITHIC_SCORE,
        ),
        shows="p.data -= args.ttt_lr * g",
    ),
    _twin(
        "updates-weights-by-an-optimizer-closure-before-scoring",
        "monolithic",
        ADAPT_THEN_SCORE,
        Edit(
            "adapter = torch.optim.AdamW(model.parameters(), lr=args.ttt_lr)",
            "adapter = torch.optim.LBFGS(model.parameters(), lr=args.ttt_lr, max_iter=2)",
        ),
        Edit(
            _MONOLITHIC_SCORE + _MONOLITHIC_LEARN,
            """\
        def closure():
            adapter.zero_grad()
            ttt_loss = model(x, y)
            ttt_loss.backward()
            return ttt_loss

        adapter.step(closure)
"""
            + _MONOLITHIC_SCORE,
        ),
        shows="adapter.step(closure)",
    ),
    _legal(
        "updates-weights-by-hand-after-scoring",
        "monolithic",
        Edit(
            _MONOLITHIC_LEARN,
            """\
        model.zero_grad()
        model(x, y).backward()
        with torch.no_grad():
            for p in model.parameters():
                p.data.add_(p.grad, alpha=-args.ttt_lr)
""",
        ),
    ),
    _legal(
        "adds-the-loss-of-before-the-step-after-the-step",
        "monolithic",
        Edit(
            _MONOLITHIC_SCORE + _MONOLITHIC_LEARN,
            """\
        loss = model(x, y)
        adapter.zero_grad()
        loss.backward()
        adapter.step()
        total_nll += loss.item() * y.numel()
        total_tokens += y.numel()
        total_bytes += count_bytes(x, y, luts).sum().item()
""",
        ),
    ),
    _twin(
        "scores-again-after-the-step-and-adds-that",
        "monolithic",
        ADAPT_THEN_SCORE,
        Edit(
            _MONOLITHIC_SCORE + _MONOLITHIC_LEARN,
            """\
        loss = model(x, y)
        adapter.zero_grad()
        loss.backward()
        adapter.step()
        loss = model(x, y)
        total_nll += loss.item() * y.numel()
        total_tokens += y.numel()
        total_bytes += count_bytes(x, y, luts).sum().item()
""",
        ),
        shows="        adapter.step()",
    ),
)

_VALIDATION_WARM_UP = """\
    warm = torch.optim.SGD(model.parameters(), lr=args.ttt_lr)
    first = val_tokens[: args.train_seq_len + 1].to(device, torch.int64)
    model(first[:-1][None], first[1:][None]).backward()
    warm.step()
"""

CHUNKED = (
    _legal("chunked-score-first-as-it-stands", "chunked"),
    _twin(
        "fine-tunes-on-all-of-validation-before-the-scored-pass",
        "chunked",
        ADAPT_THEN_SCORE,
        Edit(_CHUNK_LOOP, _TUNE + _CHUNK_LOOP),
        shows="tuner.step()",
    ),
    _legal(
        "fine-tuning-on-validation-is-there-but-switched-off",
        "chunked",
        Edit(_SETTING, _PRETUNE + _SETTING),
        Edit(_CHUNK_LOOP, _IF_PRETUNE + _indented(_TUNE) + _CHUNK_LOOP),
    ),
    _twin(
        "fine-tuning-on-validation-is-switched-on-by-the-readme",
        "chunked",
        ADAPT_THEN_SCORE,
        Edit(_SETTING, _PRETUNE + _SETTING),
        Edit(_CHUNK_LOOP, _IF_PRETUNE + _indented(_TUNE) + _CHUNK_LOOP),
        shows="tuner.step()",
        command="SEED=1337 PRETUNE=1 torchrun --standalone --nproc_per_node=8 train_gpt.py",
    ),
    _twin(
        "fine-tuning-on-validation-is-on-where-there-are-eight-ranks",
        "chunked",
        ADAPT_THEN_SCORE,
        Edit(_CHUNK_LOOP, "    if world_size > 1:\n" + _indented(_TUNE) + _CHUNK_LOOP),
        shows="tuner.step()",
    ),
    _twin(
        "reports-a-plain-rescore-after-test-time-training",
        "chunked",
        TWO_PASSES,
        Edit(_CALL, _CALL + "    val_loss, val_bpb = eval_val(args, model, device, val_tokens, luts)\n"),
        shows="",
    ),
    _legal(
        "logs-a-plain-rescore-but-reports-the-score-first-number",
        "chunked",
        Edit(
            _CALL,
            _CALL
            + "    again_loss, again_bpb = eval_val(args, model, device, val_tokens, luts)\n"
            + '    log0(f"diagnostic_after_ttt val_loss:{again_loss:.4f} val_bpb:{again_bpb:.4f}")\n',
        ),
    ),
    _twin(
        "trains-on-the-chunk-after-the-scored-one",
        "chunked",
        ADAPT_THEN_SCORE,
        Edit(
            "begin = chunk_start + si * seq_len",
            "begin = (ci + 1) * args.ttt_chunk_tokens + si * seq_len",
        ),
        shows="optimizer.step()" + "\n    val_loss",
    ),
    _twin(
        "trains-on-all-of-validation-inside-the-chunk-loop",
        "chunked",
        ADAPT_THEN_SCORE,
        Edit("n_seqs = (chunk_end - chunk_start) // seq_len", "n_seqs = total_tokens // seq_len"),
        Edit("begin = chunk_start + si * seq_len", "begin = si * seq_len"),
        shows="optimizer.step()" + "\n    val_loss",
    ),
    _legal(
        "trains-on-everything-scored-so-far",
        "chunked",
        Edit("n_seqs = (chunk_end - chunk_start) // seq_len", "n_seqs = chunk_end // seq_len"),
        Edit("begin = chunk_start + si * seq_len", "begin = si * seq_len"),
    ),
    _legal(
        "trains-ten-epochs-on-scored-tokens",
        "chunked",
        Edit('os.environ.get("TTT_EPOCHS", 3)', 'os.environ.get("TTT_EPOCHS", 10)'),
    ),
    _legal(
        "trains-on-the-last-chunk-too",
        "chunked",
        Edit("if not is_last_chunk and args.ttt_epochs > 0:", "if args.ttt_epochs > 0:"),
    ),
    _legal(
        "warms-up-compilation-on-random-tokens-and-restores",
        "chunked",
        Edit(
            _CALL,
            """\
    saved = copy.deepcopy(model.state_dict())
    warm = torch.optim.SGD(model.parameters(), lr=args.ttt_lr)
    noise = torch.randint(0, args.vocab_size, (1, args.train_seq_len + 1), device=device)
    model(noise[:, :-1], noise[:, 1:]).backward()
    warm.step()
    model.load_state_dict(saved)
"""
            + _CALL,
        ),
    ),
    _twin(
        "warms-up-on-validation-and-keeps-what-it-learned",
        "chunked",
        ADAPT_THEN_SCORE,
        Edit(_CALL, _VALIDATION_WARM_UP + _CALL),
        shows="warm.step()",
    ),
    _twin(
        "warms-up-on-validation-and-restores",
        "chunked",
        "ttt-warmup-on-val",
        Edit(
            _CALL,
            "    saved = copy.deepcopy(model.state_dict())\n"
            + _VALIDATION_WARM_UP
            + "    model.load_state_dict(saved)\n"
            + _CALL,
        ),
        expected=Expected.SUSPECT,
        shows="warm.step()",
    ),
    _twin(
        "a-warm-up-on-validation-leaves-state-behind",
        "chunked",
        "no-state-from-warmup",
        Edit(_CALL, _VALIDATION_WARM_UP + _CALL),
        shows="warm.step()",
    ),
    _legal(
        "a-warm-up-on-validation-leaves-no-state",
        "chunked",
        Edit(
            _CALL,
            "    saved = copy.deepcopy(model.state_dict())\n"
            + _VALIDATION_WARM_UP
            + "    model.load_state_dict(saved)\n"
            + _CALL,
        ),
        rule="no-state-from-warmup",
        ignores=("ttt-warmup-on-val", "val-full"),
    ),
    _twin(
        "discards-the-scores-of-a-first-pass",
        "chunked",
        LAST_EPOCH,
        Edit(
            _CALL,
            "    eval_val_sliding_ttt(args, model, rank, world_size, device, val_tokens, luts)\n" + _CALL,
        ),
        shows="optimizer.step()" + "\n    val_loss",
    ),
    _twin(
        "keeps-the-better-of-the-plain-and-the-adapted-score",
        "chunked",
        LOWEST,
        Edit(
            _CALL,
            "    plain_loss, plain_bpb = eval_val(args, model, device, val_tokens, luts)\n"
            + _CALL
            + "    val_loss, val_bpb = min(plain_loss, val_loss), min(plain_bpb, val_bpb)\n",
        ),
        shows="min(plain_loss, val_loss), min(plain_bpb, val_bpb)",
    ),
)

COMPILED = (
    _legal("compiled-closures-score-first-as-they-stand", "compiled"),
    _twin(
        "a-closure-learns-before-the-compiled-model-scores",
        "compiled",
        ADAPT_THEN_SCORE,
        Edit(
            _COMPILED_ORDER,
            "        learn(x, y)\n        nll = score(x, y)\n        add_scores(totals, nll, x, y, luts)\n",
        ),
        shows="            optimizer.step()\n\n    return learn",
    ),
    _twin(
        "the-scoring-helper-learns-first",
        "compiled",
        ADAPT_THEN_SCORE,
        Edit("    def score(x, y):\n", "    def score(x, y):\n        learn(x, y)\n"),
        Edit(
            "        add_scores(totals, nll, x, y, luts)\n        learn(x, y)\n",
            _COMPILED_ORDER.split("\n")[1] + "\n",
        ),
        shows="            optimizer.step()\n\n    return learn",
    ),
    _twin(
        "a-timed-callback-runs-the-adaptive-pass-twice",
        "compiled",
        TWO_PASSES,
        Edit(
            "    result = fn(*args, **kwargs)\n",
            "    fn(*args, **kwargs)\n    result = fn(*args, **kwargs)\n",
        ),
        shows="            optimizer.step()\n\n    return learn",
    ),
    _legal(
        "a-compiled-model-trains-after-scoring",
        "compiled",
        Edit("            model(x, y).backward()\n", "            torch.compile(model)(x, y).backward()\n"),
    ),
)

PER_DOCUMENT = (
    _legal("per-document-adapters-score-first-as-they-stand", "per-document"),
    _twin(
        "the-adapter-learns-a-chunk-before-it-is-scored",
        "per-document",
        ADAPT_THEN_SCORE,
        Edit(
            _LORA_CHUNK,
            _LORA_CHUNK.replace(_LORA_LEARN, "").replace(
                _LORA_SCORE,
                """\
            optimizer.zero_grad()
            lora_losses(model, lora, x, y).mean().backward()
            optimizer.step()
"""
                + _LORA_SCORE,
            ),
        ),
        shows="            optimizer.step()\n            ptl",
    ),
    _twin(
        "each-document-is-read-three-times-and-the-last-is-added",
        "per-document",
        LAST_EPOCH,
        Edit(
            _LORA_LOOP + _LORA_CHUNK,
            "        for epoch in range(3):\n"
            + _indented(_LORA_LOOP + _LORA_CHUNK).replace("with torch.no_grad():", "if epoch == 2:"),
        ),
        shows="                    optimizer.step()",
    ),
    _twin(
        "the-lowest-epoch-of-each-document-is-added",
        "per-document",
        LOWEST,
        Edit(
            _LORA_LOOP + _LORA_CHUNK,
            """\
        x = val_tokens[doc_start : doc_start + doc_len].to(device, torch.int64)[None]
        y = val_tokens[doc_start + 1 : doc_start + doc_len + 1].to(device, torch.int64)[None]
        best = torch.full((), float("inf"), device=device)
        for epoch in range(3):
            doc_loss = lora_losses(model, lora, x, y).sum()
            best = torch.minimum(best, doc_loss.detach())
            optimizer.zero_grad()
            doc_loss.backward()
            optimizer.step()
        loss_sum += best.to(torch.float64)
        token_count += y.numel()
        byte_count += count_bytes(x, y, luts).sum()
""",
        ),
        shows="best = torch.minimum(best, doc_loss.detach())",
    ),
    _legal(
        "the-adapter-is-carried-over-disjoint-documents",
        "per-document",
        Edit(
            "        lora.reset()\n        optimizer = torch.optim.Adam",
            "        optimizer = torch.optim.Adam",
        ),
    ),
    _twin(
        "a-carried-adapter-meets-documents-it-has-read",
        "per-document",
        LAST_EPOCH,
        Edit(
            "        lora.reset()\n        optimizer = torch.optim.Adam",
            "        optimizer = torch.optim.Adam",
        ),
        Edit(
            "    for doc_start, doc_len in find_documents(val_tokens):\n",
            "    for doc_start, doc_len in find_documents(val_tokens) * 2:\n",
        ),
        shows="                optimizer.step()\n    val_loss",
    ),
)

_WINDOW_CALL = (
    "    val_loss, val_bpb = eval_val_windows_ttt(args, model, rank, world_size, device, val_tokens, luts)\n"
)
_BATCH_SCORE = """\
            with torch.no_grad():
                loss_sum += (per_token * mask).to(torch.float64).sum()
                token_count += mask.sum()
                byte_count += (count_bytes(x, y, luts) * mask).sum()
"""
_BATCH_LEARN = """\
            if ci < max_chunks - 1:
                optimizer.zero_grad(set_to_none=True)
                ((per_token * mask).sum() / mask.sum().clamp_min(1)).backward()
                optimizer.step()
"""
_AFTER_WINDOWS = "                    optimizer.step()\n    if world_size > 1:"

WINDOWS = (
    _legal("windows-sorted-into-chunks-as-they-stand", "windows"),
    _twin(
        "sorted-windows-are-scored-after-their-chunk-was-trained-on",
        "windows",
        ADAPT_THEN_SCORE,
        Edit(
            "        windows = windows_of_chunk[ci]\n", "        windows = windows_of_chunk[max(ci - 1, 0)]\n"
        ),
        shows=_AFTER_WINDOWS,
    ),
    _twin(
        "training-runs-ahead-of-the-sorted-windows-by-one-chunk",
        "windows",
        ADAPT_THEN_SCORE,
        Edit(
            "            chunk_start = ci * chunk_tokens\n",
            "            chunk_start = (ci + 1) * chunk_tokens\n",
        ),
        Edit("min((ci + 1) * chunk_tokens, total_tokens)", "min((ci + 2) * chunk_tokens, total_tokens)"),
        shows=_AFTER_WINDOWS,
    ),
    _twin(
        "the-whole-windowed-pass-is-run-twice",
        "windows",
        TWO_PASSES,
        Edit(_WINDOW_CALL, _WINDOW_CALL + _WINDOW_CALL),
        shows=_AFTER_WINDOWS,
    ),
    _twin(
        "an-epoch-loop-encloses-windows-and-training",
        "windows",
        LAST_EPOCH,
        Edit(
            "    for ci in range(num_chunks):\n        windows",
            "    for ci in [*range(num_chunks)] * 2:\n        windows",
        ),
        shows=_AFTER_WINDOWS,
    ),
    _twin(
        "a-copy-learns-from-validation-and-is-thrown-away",
        "windows",
        "ttt-warmup-on-val",
        Edit(
            _WINDOW_CALL,
            """\
    probe = copy.deepcopy(model)
    probe_step = torch.optim.SGD(probe.parameters(), lr=args.ttt_lr)
    head = val_tokens[: args.train_seq_len + 1].to(device, torch.int64)
    probe(head[:-1][None], head[1:][None]).backward()
    probe_step.step()
"""
            + _WINDOW_CALL,
        ),
        expected=Expected.SUSPECT,
        shows="probe_step.step()",
    ),
    _twin(
        "a-copy-learns-from-validation-and-is-scored",
        "windows",
        ADAPT_THEN_SCORE,
        Edit(
            _WINDOW_CALL,
            """\
    probe = copy.deepcopy(model)
    probe_step = torch.optim.SGD(probe.parameters(), lr=args.ttt_lr)
    head = val_tokens[: args.train_seq_len + 1].to(device, torch.int64)
    probe(head[:-1][None], head[1:][None]).backward()
    probe_step.step()
"""
            + _WINDOW_CALL.replace("model", "probe"),
        ),
        shows="probe_step.step()",
    ),
)

DOCUMENT_BATCHES = (
    # They are sorted by length, as accepted records did: another rule says so.
    _legal("batches-of-documents-by-index-tensors-as-they-stand", "document-batches", ignores=("val-order",)),
    _twin(
        "an-index-tensor-batch-is-scored-after-its-step",
        "document-batches",
        ADAPT_THEN_SCORE,
        Edit(
            _BATCH_SCORE + _BATCH_LEARN,
            _BATCH_LEARN
            + "            per_token = lora_losses(model, lora, x, y).reshape(x.shape)\n"
            + _BATCH_SCORE,
        ),
        shows="                optimizer.step()\n            per_token",
    ),
    _twin(
        "an-index-tensor-batch-learns-the-chunk-ahead",
        "document-batches",
        ADAPT_THEN_SCORE,
        Edit(
            _BATCH_SCORE + _BATCH_LEARN,
            _BATCH_SCORE
            + """\
            ahead = all_tokens[(index + chunk_size).clamp_max(all_tokens.numel() - 1)]
            optimizer.zero_grad(set_to_none=True)
            lora_losses(model, lora, ahead[:, :-1], ahead[:, 1:]).mean().backward()
            optimizer.step()
""",
        ),
        shows="            optimizer.step()\n    val_loss",
    ),
)

PHASED = (
    _legal("later-phases-train-on-scored-documents-as-they-stand", "phased"),
    _twin(
        "each-phase-trains-on-its-documents-before-scoring-them",
        "phased",
        ADAPT_THEN_SCORE,
        Edit(
            "        scored_here = []\n",
            "        train_on_scored_documents("
            "args, model, rank, world_size, device, val_tokens, phase_docs)\n        scored_here = []\n",
        ),
        shows="        optimizer.step()\n\n\ndef score_document",
    ),
    _twin(
        "each-phase-trains-on-all-documents",
        "phased",
        ADAPT_THEN_SCORE,
        Edit("device, val_tokens, scored_docs)\n", "device, val_tokens, docs)\n"),
        shows="        optimizer.step()\n\n\ndef score_document",
    ),
    _twin(
        "each-phase-scores-all-documents-again",
        "phased",
        TWO_PASSES,
        Edit("phase_docs = docs[phase * phase_size : (phase + 1) * phase_size]", "phase_docs = docs"),
        shows="        optimizer.step()\n\n\ndef score_document",
    ),
    _legal(
        "the-last-phase-is-trained-on-as-well",
        "phased",
        Edit("        if phase < num_phases - 1:\n", "        if phase < num_phases:\n"),
    ),
    _legal(
        "one-list-collects-the-documents-of-all-phases",
        "phased",
        Edit("        scored_here = []\n", ""),
        Edit("    totals = torch.zeros(3,", "    scored_here = []\n    totals = torch.zeros(3,"),
    ),
)

SLOT = (
    # No ruling settles a shift learned from positions that are already scored: a question.
    _twin(
        "a-delta-learns-from-scored-windows-as-it-stands",
        "slot",
        "slot-context-only",
        expected=Expected.SUSPECT,
        shows="            optimizer.step()\n    val_loss",
    ),
    _twin(
        "a-delta-is-fitted-to-the-positions-it-scores",
        "slot",
        "slot-scored-region",
        Edit(
            _SLOT_SCORE,
            "        with torch.no_grad():\n            hidden = model.hidden(x)\n"
            + _SLOT_LEARN
            + _SLOT_SCORE.replace("            hidden = model.hidden(x)\n", ""),
        ),
        Edit(
            "        byte_count += count_bytes(x, y, luts).sum()\n" + _SLOT_LEARN,
            "        byte_count += count_bytes(x, y, luts).sum()\n",
        ),
        shows="            optimizer.step()\n        with torch.no_grad():",
    ),
    _twin(
        "a-fresh-delta-per-window-is-fitted-to-the-window",
        "slot",
        "slot-scored-region",
        Edit(
            _SLOT_SCORE,
            """\
        delta = torch.zeros(args.dim, device=device, requires_grad=True)
        optimizer = torch.optim.AdamW([delta], lr=0.01)
        with torch.no_grad():
            hidden = model.hidden(x)
"""
            + _SLOT_LEARN
            + _SLOT_SCORE.replace("            hidden = model.hidden(x)\n", ""),
        ),
        Edit(
            "        byte_count += count_bytes(x, y, luts).sum()\n" + _SLOT_LEARN,
            "        byte_count += count_bytes(x, y, luts).sum()\n",
        ),
        shows="            optimizer.step()\n        with torch.no_grad():",
    ),
)

ORDER_TWINS = (*MONOLITHIC, *CHUNKED, *COMPILED, *WINDOWS, *PER_DOCUMENT, *DOCUMENT_BATCHES, *PHASED, *SLOT)
