"""Legal scripts that learn while they score, one per style: a token is graded before it is learned."""

from __future__ import annotations

from tests.programs.parts import DATA, EXPORT, MODEL, SETTINGS, script

_CHUNKED = """\
def eval_val_sliding_ttt(args, model, rank, world_size, device, val_tokens, luts):
    seq_len, stride = args.train_seq_len, args.eval_stride
    total_tokens = val_tokens.numel() - 1
    num_chunks = (total_tokens + args.ttt_chunk_tokens - 1) // args.ttt_chunk_tokens
    loss_sum = torch.zeros((), device=device, dtype=torch.float64)
    token_count = torch.zeros((), device=device, dtype=torch.float64)
    byte_count = torch.zeros((), device=device, dtype=torch.float64)
    optimizer = torch.optim.SGD(model.parameters(), lr=args.ttt_lr, momentum=0.9)
    for ci in range(num_chunks):
        chunk_start = ci * args.ttt_chunk_tokens
        chunk_end = min((ci + 1) * args.ttt_chunk_tokens, total_tokens)
        model.eval()
        with torch.inference_mode():
            for start in range(chunk_start, chunk_end, stride):
                ctx = max(start + stride - seq_len, 0)
                stop = min(start + stride, chunk_end)
                local = val_tokens[ctx : stop + 1].to(device, torch.int64)
                x, y = local[:-1][None], local[1:][None]
                logits = model.forward_logits(x)
                nll = F.cross_entropy(logits[0].float(), y[0], reduction="none")[start - ctx :]
                loss_sum += nll.to(torch.float64).sum()
                token_count += nll.numel()
                byte_count += count_bytes(x[0, start - ctx :], y[0, start - ctx :], luts).sum()
        is_last_chunk = ci == num_chunks - 1
        if not is_last_chunk and args.ttt_epochs > 0:
            model.train()
            n_seqs = (chunk_end - chunk_start) // seq_len
            for _epoch in range(args.ttt_epochs):
                for si in range(n_seqs):
                    begin = chunk_start + si * seq_len
                    tokens = val_tokens[begin : begin + seq_len + 1].to(device, torch.int64)
                    optimizer.zero_grad(set_to_none=True)
                    ttt_loss = model(tokens[:-1][None], tokens[1:][None])
                    ttt_loss.backward()
                    if world_size > 1:
                        for p in model.parameters():
                            if p.grad is not None:
                                dist.all_reduce(p.grad, op=dist.ReduceOp.AVG)
                    optimizer.step()
    val_loss = (loss_sum / token_count).item()
    return val_loss, val_loss / math.log(2.0) * token_count.item() / byte_count.item()


"""

_COMPILED = """\
class Totals:
    def __init__(self, device):
        self.loss = torch.zeros((), device=device, dtype=torch.float64)
        self.tokens = torch.zeros((), device=device, dtype=torch.float64)
        self.bytes = torch.zeros((), device=device, dtype=torch.float64)


def add_scores(totals, nll, x, y, luts):
    totals.loss += nll.to(torch.float64).sum()
    totals.tokens += y.numel()
    totals.bytes += count_bytes(x, y, luts).sum()


def make_adapter(args, model):
    optimizer = torch.optim.SGD(model.parameters(), lr=args.ttt_lr)

    def learn(x, y):
        for _ in range(args.ttt_epochs):
            optimizer.zero_grad()
            model(x, y).backward()
            optimizer.step()

    return learn


def eval_val_adaptive(args, model, device, val_tokens, luts):
    compiled_logits = torch.compile(model.forward_logits, dynamic=False, fullgraph=True)
    learn = make_adapter(args, model)
    totals = Totals(device)
    size = args.train_seq_len

    def score(x, y):
        with torch.no_grad():
            logits = compiled_logits(x)
        return F.cross_entropy(logits.reshape(-1, logits.size(-1)).float(), y.reshape(-1), reduction="none")

    for chunk in range((val_tokens.numel() - 1) // size):
        piece = val_tokens[chunk * size : (chunk + 1) * size + 1].to(device, torch.int64)
        x, y = piece[:-1][None], piece[1:][None]
        nll = score(x, y)
        add_scores(totals, nll, x, y, luts)
        learn(x, y)
    val_loss = (totals.loss / totals.tokens).item()
    return val_loss, val_loss / math.log(2.0) * totals.tokens.item() / totals.bytes.item()


def timed_eval(label, fn, *args, **kwargs):
    torch.cuda.synchronize()
    started = time.perf_counter()
    result = fn(*args, **kwargs)
    torch.cuda.synchronize()
    print(f"{label} eval_time:{1000 * (time.perf_counter() - started):.0f}ms")
    return result


"""

_LORA = """\
class BatchedLoRA(nn.Module):
    def __init__(self, dim: int, vocab: int, rank: int = 8):
        super().__init__()
        self.A = nn.Parameter(torch.empty(rank, dim))
        self.B = nn.Parameter(torch.zeros(vocab, rank))
        self.reset()

    def forward(self, x: Tensor) -> Tensor:
        return (x @ self.A.T) @ self.B.T

    @torch.no_grad()
    def reset(self) -> None:
        self.A.normal_(0.0, 0.02)
        self.B.zero_()


def find_documents(tokens: Tensor, bos: int = 1) -> list[tuple[int, int]]:
    starts = (tokens == bos).nonzero(as_tuple=True)[0].tolist()
    ends = [*starts[1:], tokens.numel() - 1]
    return [(start, end - start) for start, end in zip(starts, ends) if end - start > 1]


def lora_losses(model, lora, x: Tensor, y: Tensor) -> Tensor:
    hidden = model.hidden(x)
    logits = model.head(hidden) + lora(hidden)
    return F.cross_entropy(logits.reshape(-1, logits.size(-1)).float(), y.reshape(-1), reduction="none")


"""

_PER_DOCUMENT = (
    _LORA
    + """\
def eval_val_ttt_lora(args, model, device, val_tokens, luts):
    chunk_size = 256
    loss_sum = torch.zeros((), device=device, dtype=torch.float64)
    token_count = torch.zeros((), device=device, dtype=torch.float64)
    byte_count = torch.zeros((), device=device, dtype=torch.float64)
    for p in model.parameters():
        p.requires_grad_(False)
    lora = BatchedLoRA(args.dim, args.vocab_size).to(device)
    for doc_start, doc_len in find_documents(val_tokens):
        lora.reset()
        optimizer = torch.optim.Adam(lora.parameters(), lr=0.01, betas=(0.9, 0.95))
        num_chunks = (doc_len + chunk_size - 1) // chunk_size
        for ci in range(num_chunks):
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
    val_loss = (loss_sum / token_count).item()
    return val_loss, val_loss / math.log(2.0) * token_count.item() / byte_count.item()


"""
)

_PHASED = (
    _LORA
    + """\
def train_on_scored_documents(args, model, rank, world_size, device, val_tokens, docs):
    optimizer = torch.optim.SGD(model.parameters(), lr=args.ttt_lr, momentum=0.9)
    for doc_start, doc_len in docs[rank::world_size]:
        tokens = val_tokens[doc_start : doc_start + doc_len + 1].to(device, torch.int64)
        optimizer.zero_grad(set_to_none=True)
        model(tokens[:-1][None], tokens[1:][None]).backward()
        for p in model.parameters():
            if p.grad is not None:
                dist.all_reduce(p.grad, op=dist.ReduceOp.AVG)
        optimizer.step()


def score_document(model, lora, device, val_tokens, doc, luts, totals):
    doc_start, doc_len = doc
    lora.reset()
    tokens = val_tokens[doc_start : doc_start + doc_len + 1].to(device, torch.int64)
    x, y = tokens[:-1][None], tokens[1:][None]
    with torch.no_grad():
        losses = lora_losses(model, lora, x, y)
    totals[0] += losses.to(torch.float64).sum()
    totals[1] += y.numel()
    totals[2] += count_bytes(x, y, luts).sum()


def eval_val_ttt_phased(args, model, rank, world_size, device, val_tokens, luts):
    num_phases = 3
    docs = find_documents(val_tokens)
    lora = BatchedLoRA(args.dim, args.vocab_size).to(device)
    totals = torch.zeros(3, device=device, dtype=torch.float64)
    phase_size = (len(docs) + num_phases - 1) // num_phases
    for phase in range(num_phases):
        phase_docs = docs[phase * phase_size : (phase + 1) * phase_size]
        scored_here = []
        for index in range(rank, len(phase_docs), world_size):
            doc = phase_docs[index]
            score_document(model, lora, device, val_tokens, doc, luts, totals)
            scored_here.append(doc)
        gathered = [None] * world_size
        dist.all_gather_object(gathered, scored_here)
        scored_docs = [doc for part in gathered for doc in part]
        if phase < num_phases - 1:
            train_on_scored_documents(args, model, rank, world_size, device, val_tokens, scored_docs)
    dist.all_reduce(totals, op=dist.ReduceOp.SUM)
    val_loss = (totals[0] / totals[1]).item()
    return val_loss, val_loss / math.log(2.0) * totals[1].item() / totals[2].item()


"""
)

_WINDOWS = """\
def eval_val_windows_ttt(args, model, rank, world_size, device, val_tokens, luts, batch_seqs=32):
    seq_len, stride, chunk_tokens = args.train_seq_len, args.eval_stride, args.ttt_chunk_tokens
    total_tokens = val_tokens.numel() - 1
    starts = [ws for ws in range(0, total_tokens, stride) if min(ws + seq_len, total_tokens) - ws >= stride]
    num_chunks = (total_tokens + chunk_tokens - 1) // chunk_tokens
    windows_of_chunk = [[] for _ in range(num_chunks)]
    for ws in starts:
        end = min(ws + seq_len, total_tokens)
        first_scored = ws if ws == 0 else end - stride
        windows_of_chunk[min(first_scored // chunk_tokens, num_chunks - 1)].append(ws)
    sums = torch.zeros(3, device=device, dtype=torch.float64)
    adapted = [p for name, p in model.named_parameters() if not name.startswith("blocks.0.")]
    optimizer = torch.optim.SGD(adapted, lr=args.ttt_lr, momentum=0.9)
    for ci in range(num_chunks):
        windows = windows_of_chunk[ci]
        share = (len(windows) + world_size - 1) // world_size
        mine = windows[rank * share : (rank + 1) * share]
        model.eval()
        with torch.inference_mode():
            for bi in range(0, len(mine), batch_seqs):
                batch = mine[bi : bi + batch_seqs]
                x_batch = torch.zeros(len(batch), seq_len, dtype=torch.int64, device=device)
                y_batch = torch.zeros(len(batch), seq_len, dtype=torch.int64, device=device)
                lengths = []
                for i, ws in enumerate(batch):
                    end = min(ws + seq_len, total_tokens)
                    wlen = end - ws
                    lengths.append(wlen)
                    piece = val_tokens[ws : end + 1].to(device=device, dtype=torch.int64)
                    x_batch[i, :wlen] = piece[:-1]
                    y_batch[i, :wlen] = piece[1:]
                logits = model.forward_logits(x_batch)
                nll = F.cross_entropy(
                    logits.reshape(-1, logits.size(-1)).float(), y_batch.reshape(-1), reduction="none"
                ).reshape(len(batch), seq_len)
                for i, ws in enumerate(batch):
                    wlen = lengths[i]
                    skip = 0 if ws == 0 else wlen - stride
                    sums[0] += nll[i, skip:wlen].to(torch.float64).sum()
                    sums[1] += wlen - skip
                    sums[2] += count_bytes(x_batch[i, skip:wlen], y_batch[i, skip:wlen], luts).sum()
        is_last = ci == num_chunks - 1
        if not is_last and args.ttt_epochs > 0:
            model.train()
            chunk_start = ci * chunk_tokens
            chunk_end = min((ci + 1) * chunk_tokens, total_tokens)
            chunk_seqs = (chunk_end - chunk_start) // seq_len
            my_start = chunk_seqs * rank // world_size
            my_end = chunk_seqs * (rank + 1) // world_size
            for _epoch in range(args.ttt_epochs):
                for bs in range(my_start, my_end, batch_seqs):
                    be = min(bs + batch_seqs, my_end)
                    local = val_tokens[chunk_start + bs * seq_len : chunk_start + be * seq_len + 1]
                    local = local.to(device=device, dtype=torch.int64)
                    x = local[:-1].reshape(-1, seq_len)
                    y = local[1:].reshape(-1, seq_len)
                    optimizer.zero_grad(set_to_none=True)
                    loss = model(x, y)
                    loss.backward()
                    torch.nn.utils.clip_grad_norm_(adapted, 1.0)
                    optimizer.step()
    if world_size > 1:
        dist.all_reduce(sums, op=dist.ReduceOp.SUM)
    val_loss = (sums[0] / sums[1]).item()
    return val_loss, val_loss / math.log(2.0) * sums[1].item() / sums[2].item()


"""

_INDEX_BATCHES = (
    _LORA
    + """\
def eval_val_document_batches(args, model, device, val_tokens, luts, batch_docs=4, chunk_size=64):
    docs = sorted(find_documents(val_tokens), key=lambda doc: doc[1])
    all_tokens = val_tokens.to(device=device, dtype=torch.int64)
    loss_sum = torch.zeros((), device=device, dtype=torch.float64)
    token_count = torch.zeros((), device=device, dtype=torch.float64)
    byte_count = torch.zeros((), device=device, dtype=torch.float64)
    lora = BatchedLoRA(args.dim, args.vocab_size).to(device)
    for bi in range(0, len(docs), batch_docs):
        batch = docs[bi : bi + batch_docs]
        lora.reset()
        optimizer = torch.optim.AdamW(lora.parameters(), lr=0.001)
        pred_lens = [doc_len for _, doc_len in batch]
        max_chunks = max((length + chunk_size - 1) // chunk_size for length in pred_lens)
        for ci in range(max_chunks):
            active = [ci * chunk_size < length for length in pred_lens]
            tok_starts = torch.zeros(len(batch), dtype=torch.int64)
            tok_lens = torch.zeros(len(batch), dtype=torch.int64)
            for b, (doc_start, doc_len) in enumerate(batch):
                if active[b]:
                    tok_starts[b] = doc_start + ci * chunk_size
                    tok_lens[b] = min(chunk_size, doc_len - ci * chunk_size)
            steps = torch.arange(chunk_size + 1)
            index = (tok_starts[:, None] + steps[None, :]).clamp_max(all_tokens.numel() - 1)
            gathered = all_tokens[index]
            x, y = gathered[:, :-1], gathered[:, 1:]
            mask = (steps[None, :-1] < tok_lens[:, None]).to(device)
            per_token = lora_losses(model, lora, x, y).reshape(x.shape)
            with torch.no_grad():
                loss_sum += (per_token * mask).to(torch.float64).sum()
                token_count += mask.sum()
                byte_count += (count_bytes(x, y, luts) * mask).sum()
            if ci < max_chunks - 1:
                optimizer.zero_grad(set_to_none=True)
                ((per_token * mask).sum() / mask.sum().clamp_min(1)).backward()
                optimizer.step()
    val_loss = (loss_sum / token_count).item()
    return val_loss, val_loss / math.log(2.0) * token_count.item() / byte_count.item()


"""
)

_SLOT = """\
def eval_val_slot(args, model, device, val_tokens, luts):
    seq_len = args.train_seq_len
    loss_sum = torch.zeros((), device=device, dtype=torch.float64)
    token_count = torch.zeros((), device=device, dtype=torch.float64)
    byte_count = torch.zeros((), device=device, dtype=torch.float64)
    delta = torch.zeros(args.dim, device=device, requires_grad=True)
    optimizer = torch.optim.AdamW([delta], lr=0.005)
    for window in range((val_tokens.numel() - 1) // seq_len):
        tokens = val_tokens[window * seq_len : (window + 1) * seq_len + 1].to(device, torch.int64)
        x, y = tokens[:-1][None], tokens[1:][None]
        with torch.no_grad():
            hidden = model.hidden(x)
            scored = model.head(hidden + delta).float()
            nll = F.cross_entropy(scored[0], y[0], reduction="none")
        loss_sum += nll.to(torch.float64).sum()
        token_count += y.numel()
        byte_count += count_bytes(x, y, luts).sum()
        for _ in range(8):
            optimizer.zero_grad()
            fitted = model.head(hidden + delta).float()
            F.cross_entropy(fitted[0], y[0]).backward()
            optimizer.step()
    val_loss = (loss_sum / token_count).item()
    return val_loss, val_loss / math.log(2.0) * token_count.item() / byte_count.item()


"""

_MONOLITHIC_MAIN = """\
def main() -> None:
    args = Hyperparameters()
    device = torch.device("cuda")
    torch.manual_seed(args.seed)
    sp = spm.SentencePieceProcessor(model_file=args.tokenizer_path)
    val_tokens = load_validation_tokens(args.val_files, args.train_seq_len)
    luts = build_sentencepiece_luts(sp, args.vocab_size, device)
    model = GPT(args).to(device)
    loader = TokenLoader(args.train_files, 0, 1, device)
    optimizer = torch.optim.AdamW(model.parameters(), lr=args.lr)
    started = time.perf_counter()
    for step in range(args.iterations):
        x, y = loader.next_batch(args.train_batch_tokens, args.train_seq_len)
        optimizer.zero_grad(set_to_none=True)
        loss = model(x, y)
        loss.backward()
        optimizer.step()
        if time.perf_counter() - started >= args.max_wallclock_seconds:
            break
    export_and_reload(model)
    adapter = torch.optim.AdamW(model.parameters(), lr=args.ttt_lr)
    total_nll, total_tokens, total_bytes = 0.0, 0, 0.0
    seq_len = args.train_seq_len
    for chunk in range((val_tokens.numel() - 1) // seq_len):
        piece = val_tokens[chunk * seq_len : (chunk + 1) * seq_len + 1].to(device, torch.int64)
        x, y = piece[:-1][None], piece[1:][None]
        with torch.no_grad():
            chunk_nll = model(x, y).item()
        total_nll += chunk_nll * y.numel()
        total_tokens += y.numel()
        total_bytes += count_bytes(x, y, luts).sum().item()
        for _ in range(args.ttt_epochs):
            adapter.zero_grad()
            ttt_loss = model(x, y)
            ttt_loss.backward()
            adapter.step()
    val_loss = total_nll / total_tokens
    val_bpb = val_loss / math.log(2.0) * total_tokens / total_bytes
    print(f"final_int8_zlib_roundtrip_exact val_loss:{val_loss:.8f} val_bpb:{val_bpb:.8f}")


if __name__ == "__main__":
    main()
"""

_RANKED = "args, model, rank, world_size, device, val_tokens, luts"
_SINGLE = "args, model, device, val_tokens, luts"

SCORE_FIRST_SCRIPTS: dict[str, str] = {
    "monolithic": "".join((SETTINGS, DATA, MODEL, EXPORT, _MONOLITHIC_MAIN)),
    "chunked": script(f"eval_val_sliding_ttt({_RANKED})", _CHUNKED),
    "compiled": script(f'timed_eval("final", eval_val_adaptive, {_SINGLE})', _COMPILED),
    "per-document": script(f"eval_val_ttt_lora({_SINGLE})", _PER_DOCUMENT),
    "phased": script(f"eval_val_ttt_phased({_RANKED})", _PHASED),
    "windows": script(f"eval_val_windows_ttt({_RANKED})", _WINDOWS),
    "document-batches": script(f"eval_val_document_batches({_SINGLE})", _INDEX_BATCHES),
    "slot": script(f"eval_val_slot({_SINGLE})", _SLOT),
    "plain": script(f"eval_val({_SINGLE})"),
}
