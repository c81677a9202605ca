"""The demonstration folders beside this file: what each trains and which rule, if any, it breaks.

Every folder is the tiny size of a preset, set so that training and scoring of the demo corpus take about a
minute on a laptop. A ruled-out folder differs from its legal twin in the functions that
`redirects` names, and in nothing else.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from reference_model.config import ComputeType
from reference_model.presets import Size, preset

if TYPE_CHECKING:
    from reference_model.config import Config

SEEDS = (42, 314, 1337)


@dataclass(frozen=True, slots=True, kw_only=True)
class Redirect:
    """One import of a packed module, led to an illegal system: `name` of `module` becomes `stand_in`."""

    importer: str
    module: str
    name: str
    stand_in: str
    """`module:function`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DemoFolder:
    """One submission folder; `breaks` is empty for a legal one."""

    name: str
    title: str
    preset: str
    blurb: str
    method: str
    twin: str = ""
    breaks: str = ""
    """One sentence: the rule and how it is broken."""
    redirects: tuple[Redirect, ...] = ()

    @property
    def config(self) -> Config:
        """What its script trains and scores."""
        return _demo_sized(preset(self.preset, Size.TINY))


def _demo_sized(config: Config) -> Config:
    """Steps of 2,048 tokens in fp32, windows of 64 tokens that score 32 each, chunks of 4,096 tokens."""
    steps = 40
    averaging = config.averaging
    if averaging.ema_decay:
        averaging = replace(averaging, ema_decay=1 - 5 / steps)
    return replace(
        config,
        data=replace(
            config.data,
            data_path="data/demo",
            tokenizer_path="",  # the one beside the shards
            train_batch_tokens=2048,
            micro_batch_seqs=32,
            spans_per_step=1,
        ),
        schedule=replace(config.schedule, iterations=steps, warmdown_iters=steps // 2, train_log_every=10),
        averaging=averaging,
        evaluation=replace(config.evaluation, stride=32, batch_seqs=64),
        ttt=replace(config.ttt, chunk_tokens=4096, epochs=2),
        run=replace(config.run, compute=ComputeType.FLOAT32),
    )


_TTT = "reference_model.evaluation.test_time_training"
_ORDER = Redirect(
    importer="reference_model.evaluation.evaluate",
    module=_TTT,
    name="score_and_train_chunks",
    stand_in="submissions.illegal_systems.adapt_then_score:adapt_then_score",
)
_DISCARDING = replace(_ORDER, stand_in="submissions.illegal_systems.discarded_scores:discard_then_score")
_TARGET_KEY = Redirect(
    importer="reference_model.training.final_evaluation",
    module="reference_model.ngrams.ngram_mixing",
    name="ngram_mixer",
    stand_in="submissions.illegal_systems.target_key_ngrams:target_key_mixer",
)

_SIDECAR = (
    "Transformer with U-Net skips, a smear gate, hashed bigram embeddings and, in its last layers, one "
    "shared sparse sidecar: gate, value, causal depthwise convolution and projection, with an embedding and "
    "a scale per site (PR #555). Weights are averaged (EMA), rounded to int6 per row and compressed with "
    "zstd. "
)
_XSA = (
    "Transformer with U-Net skips, exclusive self attention on every layer, value residual, gated attention, "
    "a leaky squared ReLU, a smear gate and hashed bigram embeddings (PR #940). Weights are averaged (EMA), "
    "rounded to int6 per row, layer by layer to int5 where the file would be too large, and compressed with "
    "zstd. "
)

FOLDERS = (
    DemoFolder(
        name="reference",
        title="Reference: the legal parts of three systems, defects mended",
        preset="reference",
        blurb="XSA, value residual, gated attention, score-first SGD TTT, normalised n-grams, int6 zstd.",
        method=(
            "Transformer with U-Net skips, exclusive self attention on every layer, value residual, gated "
            "attention, a leaky squared ReLU, a gated smear that stops at documents and hashed bigram "
            "embeddings. Muon runs over parameter banks, weights are averaged with the start taken out "
            "(EMA), fake-quantised late in training, rounded to int6 per row with the best of several "
            "clippings and compressed with zstd. Scoring slides a window over the stream; each chunk is "
            "trained on (SGD) only after it was scored, and a score ledger records the order. Exact counts "
            "of earlier n-grams are mixed in as a whole distribution with context-only keys."
        ),
    ),
    DemoFolder(
        name="pr461_depth_recurrence_legal_ttt",
        title="Depth recurrence with score-first TTT (system of PR #461)",
        preset="pr461",
        blurb="Layers share block cores, value embeddings, SWA, int5/int6 zstd, score-first SGD TTT.",
        method=(
            "Transformer whose last layer runs the first block's core again with scales of its own (depth "
            "recurrence), with value embeddings, exclusive self attention late, a smear gate and hashed "
            "bigram embeddings (PR #461). Snapshots are averaged (SWA), the smallest weights pruned, MLP "
            "matrices rounded to int5 and attention to int6, and compressed with zstd. Scoring slides a "
            "window over the stream; each chunk is trained on (SGD with momentum, cosine over the chunks) "
            "only after it was scored, and a score ledger records the order."
        ),
    ),
    DemoFolder(
        name="pr555_sparse_sidecar_adapt_then_score",
        title="Shared sparse sidecar, adapted before scoring (system of PR #555)",
        preset="pr555",
        blurb="Breaks a rule on purpose: AdamW epochs over all validation tokens before any is scored.",
        method=_SIDECAR
        + (
            "Before scoring, AdamW makes several passes over the whole validation stream; then a sliding "
            "window scores it with the weights that have seen it. No ledger is kept."
        ),
        twin="pr555_sparse_sidecar_score_first",
        breaks=(
            "Every validation token is trained on before it is scored; PR #555 was refused for this order "
            "(valerio-oai, 2026-03-24)."
        ),
        redirects=(_ORDER,),
    ),
    DemoFolder(
        name="pr555_sparse_sidecar_score_first",
        title="Shared sparse sidecar with score-first TTT (legal twin)",
        preset="pr555",
        blurb="Shared sparse sidecar, EMA, int6 zstd, score-first AdamW TTT.",
        method=_SIDECAR
        + (
            "Scoring slides a window over the stream; each chunk is trained on (AdamW, cosine over the "
            "chunks) only after it was scored, and a score ledger records the order."
        ),
        twin="pr555_sparse_sidecar_adapt_then_score",
    ),
    DemoFolder(
        name="pr940_ngram_backoff",
        title="Discarded scores and target-in-key n-grams (system of PR #940)",
        preset="pr940",
        blurb="Breaks two rules on purpose: first scores are discarded, n-gram keys hold the target.",
        method=_XSA
        + (
            "Each chunk gets a forward pass whose logits are thrown away and is then trained on (AdamW); "
            "only after all of that the stream is scored. Hashed tables count n-grams under keys that hold "
            "the token to be predicted, and their share is mixed into the probability of that token alone."
        ),
        twin="pr940_ngram_backoff_legal",
        breaks=(
            "The reported scores come from weights that have seen every token, the first scores being thrown "
            "away, and the n-gram mixture is no distribution: its key holds the target (hashed n-gram caches "
            "were refused for that, valerio-oai, 2026-03-27)."
        ),
        redirects=(_DISCARDING, _TARGET_KEY),
    ),
    DemoFolder(
        name="pr940_ngram_backoff_legal",
        title="Score-first TTT and normalised n-gram backoff (legal twin)",
        preset="pr940",
        blurb="XSA, value residual, gated attention, score-first AdamW TTT, normalised n-gram backoff.",
        method=_XSA
        + (
            "Scoring slides a window over the stream; each chunk is trained on (AdamW, cosine over the "
            "chunks) only after it was scored, and a score ledger records the order. Exact counts of earlier "
            "n-grams under context-only keys are mixed in as a whole distribution."
        ),
        twin="pr940_ngram_backoff",
    ),
)
