"""What exact n-gram mixing costs beside the hashed tables of PR #940, in one run, as the stream grows.

    python benchmarks/ngram_cost.py [--vocab-size 1024 8192] [--most 1048576] [--runs 5]
    python benchmarks/ngram_cost.py --docs DOCS.jsonl --tokenizer TOKENIZER.model [...]

Both start from the model's log-probability of each target and its entropy and end with mixed losses; exact
counts are built for the whole stream and read in batches of 2,048 positions, hashed tables are read and
updated in segments of 64, as there. Runs alternate; seconds are medians of processor time (one thread), which
neighbours on the machine disturb least. Hashed tables are run on --hashed-most tokens at most ("~": their
cost per token there is taken for the longer stream, which favours them). MiB is what the peak of a fresh
process grows by while exact counts are built. Without documents the text is synthetic: words with Zipf
frequencies, some of them in fixed phrases.
"""

from __future__ import annotations

import argparse
import itertools
import json
import math
import multiprocessing
import statistics
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch

from reference_model.config import NgramConfig, NgramKind
from reference_model.ngrams.ngram_mixing import BackoffMixer
from reference_model.ngrams.token_tilt import TokenTilt

if TYPE_CHECKING:
    from collections.abc import Callable

WHOLE_VALIDATION_TOKENS = 62_021_846  # validation split of the challenge under sp1024
BATCH = 2_048  # positions scored at once: 32 windows with a stride of 64
SEGMENT = 64
BUCKETS = 1 << 22
PRIMES = np.array([36313, 27191, 51647, 81929, 131071, 175447, 209591], dtype=np.uint64)
CONFIG = NgramConfig(kind=NgramKind.BACKOFF)


@dataclass(frozen=True, slots=True, kw_only=True)
class Stream:
    """Tokens and what a model is pretended to say of them."""

    tokens: np.ndarray
    vocab_size: int
    log_probs: np.ndarray
    entropies: np.ndarray

    def first(self, count: int) -> Stream:
        return Stream(
            tokens=self.tokens[:count],
            vocab_size=self.vocab_size,
            log_probs=self.log_probs[:count],
            entropies=self.entropies[:count],
        )


def exact_loss(stream: Stream) -> float:
    """Total loss with exact counts."""
    mixer = BackoffMixer(stream.tokens, stream.vocab_size, CONFIG)
    log_probs, entropies = torch.from_numpy(stream.log_probs), torch.from_numpy(stream.entropies)
    total = 0.0
    for start in range(1, len(stream.tokens), BATCH):
        batch = slice(start, min(start + BATCH, len(stream.tokens)))
        positions = np.arange(batch.start, batch.stop)
        total += float(mixer.mix_targets(positions, log_probs[batch], entropies[batch]).sum())
    return total


def exact_tilt(stream: Stream) -> float:
    """Hints of the token tilt."""
    return TokenTilt(stream.tokens, stream.vocab_size, CONFIG).hint_rate


def hashed_loss(stream: Stream) -> float:
    """Total loss with the tables of PR #940; illegal, since the target is part of the key."""
    orders = range(CONFIG.min_order, CONFIG.max_order + 1)
    contexts_seen = {order: np.zeros(BUCKETS, dtype=np.uint32) for order in orders}
    pairs_seen = {order: np.zeros(BUCKETS, dtype=np.uint32) for order in orders}
    mask = np.uint64(BUCKETS - 1)
    total = 0.0
    for start in range(1, len(stream.tokens), SEGMENT):
        stop = min(start + SEGMENT, len(stream.tokens))
        shares = np.full(stop - start, -1.0)
        updates = []
        for order in reversed(orders):
            positions = np.arange(max(start, order - 1), stop)
            if not positions.size:
                continue
            hashes = np.zeros(len(positions), dtype=np.uint64)
            for place in range(order - 1):
                tokens = stream.tokens[positions - (order - 1) + place]
                hashes ^= tokens.astype(np.uint64) * PRIMES[place]
            contexts = (hashes & mask).astype(np.int64)
            targets = stream.tokens[positions].astype(np.uint64)
            pairs = ((hashes ^ (targets * PRIMES[order - 1])) & mask).astype(np.int64)
            context_counts = contexts_seen[order][contexts].astype(np.float64)
            pair_counts = pairs_seen[order][pairs].astype(np.float64)
            updates.append((order, contexts, pairs))
            wins = (context_counts >= CONFIG.min_count) & (shares[positions - start] < 0)
            if wins.any():
                won = np.minimum(pair_counts[wins], context_counts[wins]) / context_counts[wins]
                shares[(positions - start)[wins]] = np.clip(won, 0, 1)
        gates = 1 / (
            1 + np.exp(-CONFIG.entropy_slope * (stream.entropies[start:stop] - CONFIG.entropy_centre_nats))
        )
        weights = CONFIG.alpha_low + (CONFIG.alpha_high - CONFIG.alpha_low) * gates
        probs = np.exp(stream.log_probs[start:stop])
        hit = shares >= 0
        probs[hit] = (1 - weights[hit]) * probs[hit] + weights[hit] * shares[hit]
        total -= float(np.log(np.clip(probs, 1e-12, 1)).sum())
        for order, contexts, pairs in updates:
            np.add.at(contexts_seen[order], contexts, 1)
            np.add.at(pairs_seen[order], pairs, 1)
    return total


def synthetic_tokens(length: int, vocab_size: int) -> np.ndarray:
    """Words of one to four tokens with Zipf frequencies; a fifth of the draws says three words in a row."""
    generator = np.random.default_rng(0)
    ids = generator.permutation(vocab_size).astype(np.uint16)
    words = ids[zipf_ranks(generator, (50_000, 4), vocab_size)]
    word_lengths = generator.integers(1, 5, 50_000)
    phrases = zipf_ranks(generator, (20_000, 3), 50_000)
    sequence = zipf_ranks(generator, (length, 1), 50_000).repeat(3, axis=1)  # more than enough words
    is_phrase = generator.random(length) < 0.2
    sequence[is_phrase] = phrases[zipf_ranks(generator, (int(is_phrase.sum()),), 20_000)]
    kept = np.arange(3)[None] < np.where(is_phrase, 3, 1)[:, None]
    spoken = sequence[kept][:length]
    return words[spoken][np.arange(4)[None] < word_lengths[spoken][:, None]][:length]


def zipf_ranks(generator: np.random.Generator, shape: tuple[int, ...], most: int) -> np.ndarray:
    """Ranks 0 to most - 1, the k-th with a frequency of about 1 / k."""
    return np.minimum(most ** generator.random(shape), most - 1).astype(np.int64)


def document_tokens(docs: Path, tokenizer: Path) -> tuple[np.ndarray, int]:
    """Tokens of real documents, BOS before each, and the size of the vocabulary."""
    from sentencepiece import SentencePieceProcessor

    processor = SentencePieceProcessor(model_file=str(tokenizer))
    texts = (json.loads(line)["text"] for line in docs.read_text(encoding="utf-8").splitlines())
    ids = itertools.chain.from_iterable([processor.bos_id(), *processor.encode(text)] for text in texts)
    return np.fromiter(ids, dtype=np.uint16), processor.vocab_size()


def with_pretended_model(tokens: np.ndarray, vocab_size: int) -> Stream:
    generator = np.random.default_rng(1)
    return Stream(
        tokens=tokens,
        vocab_size=vocab_size,
        log_probs=-generator.exponential(2.5, len(tokens)),
        entropies=generator.uniform(0, math.log(vocab_size), len(tokens)),
    )


def busy_seconds(job: Callable[[Stream], float], stream: Stream) -> float:
    start = time.process_time()
    job(stream)
    return time.process_time() - start


def grown_mib(path: str, vocab_size: int) -> float:
    """Peak memory that building the mixer adds to a process that holds the tokens; nan off Linux."""
    tokens = np.load(path)
    try:
        Path("/proc/self/clear_refs").write_text("5")  # the peak starts again from here
    except OSError:
        return math.nan
    before = peak_resident_kib()
    BackoffMixer(tokens, vocab_size, CONFIG)
    return (peak_resident_kib() - before) / 1024


def peak_resident_kib() -> int:
    status = Path("/proc/self/status").read_text(encoding="utf-8")
    return int(status.partition("VmHWM:")[2].split()[0])


def peak_mib(stream: Stream) -> float:
    """`grown_mib` in a process of its own."""
    with tempfile.TemporaryDirectory() as scratch:
        path = str(Path(scratch) / "tokens.npy")
        np.save(path, stream.tokens)
        with multiprocessing.get_context("spawn").Pool(1) as pool:
            return pool.apply(grown_mib, (path, stream.vocab_size))


def report(stream: Stream, *, runs: int, hashed_most: int, doublings: int) -> None:
    """One row per size, each twice the one before, and what the whole validation split would take."""
    print(
        f"{'tokens':>12}{'exact s':>9}{'tokens/s':>12}{'MiB':>7}{'tilt s':>8}"
        f"{'hashed s':>10}{'exact/hashed':>14}"
    )
    sizes = sorted({len(stream.tokens) >> shift for shift in range(doublings)})
    exact_loss(stream.first(sizes[0]))  # first use of everything
    seconds, hashed_seconds = [], []
    for size in sizes:
        part, hashed_part = stream.first(size), stream.first(min(size, hashed_most))
        times = [
            [busy_seconds(job, on) for job, on in ((exact_loss, part), (hashed_loss, hashed_part))]
            for _ in range(runs)
        ]
        scale = len(part.tokens) / len(hashed_part.tokens)
        exact = statistics.median(ours for ours, _ in times)
        hashed = statistics.median(theirs for _, theirs in times) * scale
        ratio = statistics.median(ours / (theirs * scale) for ours, theirs in times)
        tilt = busy_seconds(exact_tilt, part)
        mark = "~" if scale > 1 else " "
        print(
            f"{size:>12,}{exact:>9.3f}{size / exact:>12,.0f}{peak_mib(part):>7.0f}{tilt:>8.3f}"
            f"{mark:>2}{hashed:>8.3f}{ratio:>14.3f}",
            flush=True,
        )
        seconds.append(exact)
        hashed_seconds.append(hashed)
    growth = 1.0
    if len(sizes) > 1:  # exponent of the last doubling, at least linear
        growth = max(1.0, math.log(seconds[-1] / seconds[-2]) / math.log(sizes[-1] / sizes[-2]))
    whole = seconds[-1] * (WHOLE_VALIDATION_TOKENS / sizes[-1]) ** growth
    whole_hashed = hashed_seconds[-1] * WHOLE_VALIDATION_TOKENS / sizes[-1]
    print(
        f"{WHOLE_VALIDATION_TOKENS:,} tokens, extrapolated: exact {whole:,.0f} s (growth {growth:.2f}), "
        f"hashed {whole_hashed:,.0f} s in one process, {whole_hashed / 8:,.0f} s in eight with an eighth each"
    )


def main() -> None:
    """Parse the command line and measure."""
    parser = argparse.ArgumentParser(description="Measure what n-gram mixing costs.")
    parser.add_argument("--docs", type=Path, help="JSON lines with the key text; needs --tokenizer")
    parser.add_argument("--tokenizer", type=Path, nargs="+", default=[], help="SentencePiece models")
    parser.add_argument("--vocab-size", type=int, nargs="+", default=[1024, 8192], help="of synthetic text")
    parser.add_argument("--most", type=int, default=1 << 20, help="longest synthetic stream (default 2^20)")
    parser.add_argument("--doublings", type=int, default=4, help="number of sizes (default 4)")
    parser.add_argument("--runs", type=int, default=5, help="alternated runs of each size (default 5)")
    parser.add_argument("--hashed-most", type=int, default=1 << 17, help="tokens for the hashed tables")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    if arguments.docs is not None and not arguments.tokenizer:
        parser.error("--docs needs --tokenizer")
    texts = [(str(path.name), *document_tokens(arguments.docs, path)) for path in arguments.tokenizer] or [
        (f"synthetic, vocabulary {size:,}", synthetic_tokens(arguments.most, size), size)
        for size in arguments.vocab_size
    ]
    for name, tokens, vocab_size in texts:
        print(f"\n{name}: {len(tokens):,} tokens, orders {CONFIG.min_order}-{CONFIG.max_order}")
        report(
            with_pretended_model(tokens, vocab_size),
            runs=arguments.runs,
            hashed_most=arguments.hashed_most,
            doublings=arguments.doublings,
        )


if __name__ == "__main__":
    main()
