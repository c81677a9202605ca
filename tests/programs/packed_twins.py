"""Our own large scripts, packed into one file each, and the known ways to break them by small edits.

They are what the small programs are not: thousands of lines, dataclass configurations, windows planned
as index arrays, a ledger of scores, flat parameter buffers that undo the adaptation, evaluations in stages.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

from tests.programs.edits import Edit, Expected, Twin

SUBMISSIONS = Path(__file__).resolve().parents[2] / "submissions"
FOLDERS = {
    "packed-reference": "reference",
    "packed-recurrence": "pr461_depth_recurrence_legal_ttt",
    "packed-sidecar": "pr555_sparse_sidecar_score_first",
    "packed-sidecar-illegal": "pr555_sparse_sidecar_adapt_then_score",
    "packed-ngrams": "pr940_ngram_backoff_legal",
    "packed-ngrams-illegal": "pr940_ngram_backoff",
}


@cache
def folder_files(base: str) -> dict[str, str | bytes]:
    """The files of the folder by name."""
    folder = SUBMISSIONS / FOLDERS[base]
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir()) if path.is_file()}


def packed_bases() -> dict[str, str]:
    """The scripts by the name of their base."""
    return {
        base: (SUBMISSIONS / folder / "train_gpt.py").read_text(encoding="utf-8")
        for base, folder in FOLDERS.items()
    }


_LOOP = """\
        for chunk in range(chunks):
            first, end = np.searchsorted(chunk_of_window, [chunk, chunk + 1]).tolist()
"""
_SCORE = "            score_windows(scorer, plan.part(first, end), tally, chunk=chunk)\n"
_TRAIN = """\
            if chunk < chunks - 1:
                trainer.train(chunk, lr=ttt_cosine(chunk, chunks, config.ttt.lr))
"""
_ORDER = (
    "    score_and_train_chunks(model, tally, config, mixer=mixer, tail=tail)\n    return tally.total()\n"
)
# They were recorded on a small validation text, and the edited script is not the one that was recorded.
_NOT_THE_ORDER = ("bpb-formula", "log-matches-code", "val-full")
_ADAPT_THEN_SCORE = "ttt-adapt-then-score"
_LAST_EPOCH = "ttt-multi-epoch-last-score"
_TWO_PASSES = "two-pass-rescore"
_LOWEST = "ttt-min-nll"


def _indented(text: str) -> str:
    return "".join("    " + line for line in text.splitlines(keepends=True))


def _broken(base: str) -> tuple[Twin, ...]:
    """Each known way to break the order of a score-first script."""
    short = base.removeprefix("packed-")

    def twin(name: str, breach: str, *edits: Edit, shows: str = "") -> Twin:
        return Twin(name=f"{short}-{name}", base=base, breach=breach, edits=edits, shows=shows)

    return (
        twin(
            "trains-on-each-chunk-before-scoring-it",
            _ADAPT_THEN_SCORE,
            Edit(_SCORE + _TRAIN, _TRAIN + _SCORE),
        ),
        twin(
            "trains-on-all-chunks-then-scores-all",
            _ADAPT_THEN_SCORE,
            Edit(_SCORE + _TRAIN, _TRAIN + _LOOP + _SCORE),
        ),
        twin(
            "trains-on-the-chunk-after-the-scored-one",
            _ADAPT_THEN_SCORE,
            Edit("trainer.train(chunk, lr=", "trainer.train(chunk + 1, lr="),
        ),
        twin(
            "scores-every-chunk-again-after-training-on-it",
            _TWO_PASSES,
            Edit(_SCORE + _TRAIN, _SCORE + _TRAIN + _SCORE),
        ),
        twin(
            "goes-over-all-chunks-twice",
            _TWO_PASSES,
            Edit(
                _LOOP + _SCORE + _TRAIN,
                "        for _pass in range(2):\n" + _indented(_LOOP + _SCORE + _TRAIN),
            ),
        ),
        twin(
            "throws-away-the-first-tally-and-keeps-the-adapted-weights",
            _LAST_EPOCH,
            Edit(
                _LOOP + _SCORE + _TRAIN,
                "        for _pass in range(2):\n"
                "            tally._nats, tally._scored, tally._bytes = 0.0, 0, 0\n"
                + _indented(_LOOP + _SCORE + _TRAIN),
            ),
        ),
        twin(
            "takes-the-lower-loss-of-before-and-after-training",
            _LOWEST,
            Edit(
                _SCORE + _TRAIN,
                """\
            windows = plan.part(first, end).of_rank(tally.world.rank, tally.world.size)
            before = [scorer._batch_nll(batch).detach() for batch in windows.batches(8)]
            trainer.train(chunk, lr=ttt_cosine(chunk, chunks, config.ttt.lr))
            for batch, earlier in zip(windows.batches(8), before):
                lower = torch.minimum(earlier, scorer._batch_nll(batch).detach())
                tally.add(scored_positions(batch), lower.cpu().numpy(), chunk=chunk)
""",
            ),
        ),
        twin(
            "fine-tunes-the-model-on-validation-before-the-tally",
            _ADAPT_THEN_SCORE,
            Edit(
                _ORDER,
                """\
    tuner = torch.optim.AdamW(model.parameters(), lr=1e-4)
    length = config.evaluation.eval_seq_len
    for start in range(0, len(tokens) - length - 1, length):
        piece = torch.from_numpy(tokens[start : start + length + 1].astype(np.int64)).to(world.device)
        model(piece[None, :-1], piece[None, 1:]).backward()
        tuner.step()
        tuner.zero_grad()
"""
                + _ORDER,
            ),
            shows="        tuner.step()",
        ),
    )


def _unbroken(base: str) -> tuple[Twin, ...]:
    short = base.removeprefix("packed-")

    def twin(name: str, *edits: Edit) -> Twin:
        return Twin(
            name=f"{short}-{name}",
            base=base,
            breach="ttt-score-first",
            edits=edits,
            expected=Expected.CLEAN,
            ignores=_NOT_THE_ORDER,
        )

    return (
        twin("as-it-is-packed"),
        twin(
            "trains-on-the-last-chunk-too",
            Edit("            if chunk < chunks - 1:\n", "            if True:\n"),
        ),
        twin(
            "trains-twice-on-the-scored-chunk",
            Edit(
                _TRAIN,
                _TRAIN
                + "                trainer.train(chunk, lr=ttt_cosine(chunk, chunks, config.ttt.lr))\n",
            ),
        ),
    )


_SHIPPED = (
    Twin(
        name="the-shipped-sidecar-adapts-then-scores",
        base="packed-sidecar-illegal",
        breach=_ADAPT_THEN_SCORE,
        edits=(),
    ),
    Twin(
        name="the-shipped-ngrams-discard-scores",
        base="packed-ngrams-illegal",
        breach=_LAST_EPOCH,
        edits=(),
    ),
    Twin(
        name="the-shipped-ngrams-key-on-the-target",
        base="packed-ngrams-illegal",
        breach="ngram-target-key",
        edits=(),
        shows="            pairs = self._pairs[order, each.pair].astype(np.float64)",
    ),
    Twin(
        name="the-legal-ngrams-gated-on-having-seen-the-target",
        base="packed-ngrams",
        breach="target-gated-mixing",
        edits=(
            Edit(
                "hit_G = groups.context_counts >= config.min_count",
                "hit_G = groups.target_counts >= config.min_count",
            ),
        ),
    ),
)

_MIXED = "        return -torch.logaddexp(log_probs_N + torch.log1p(-weights_N), counted_N)\n"
_SHARES = "groups.target_counts[hit_G][is_new] / groups.context_counts[hit_G][is_new]"
_SHARES_WITH_OWN = "(groups.target_counts[hit_G][is_new] + 1) / (groups.context_counts[hit_G][is_new] + 1)"


def _counted_beforehand(base: str, name: str, *edits: Edit) -> Twin:
    """Counts of every position are made by sorting the whole stream before any score.

    That no position counts itself or later ones lies in the arithmetic of ranks: one added to them is the
    whole difference, so only a run tells the legal script from the illegal one.
    """
    return Twin(
        name=name,
        base=base,
        breach="c3-score-before-update",
        edits=edits,
        expected=Expected.UNRESOLVED,
        shows=_MIXED,
    )


PACKED_TWINS = (
    *_SHIPPED,
    *_broken("packed-recurrence"),
    *_unbroken("packed-recurrence"),
    *_broken("packed-reference")[:2],
    _counted_beforehand("packed-reference", "reference-as-it-is-packed"),
    *_unbroken("packed-sidecar")[:1],
    _counted_beforehand("packed-ngrams", "ngrams-as-it-is-packed"),
    _counted_beforehand(
        "packed-ngrams",
        "ngrams-counts-each-token-before-it-is-scored",
        Edit(_SHARES, _SHARES_WITH_OWN),
    ),
)
