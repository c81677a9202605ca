"""Scoring the validation stream: plainly, with sliding windows, or with test-time training, score first.

    score = evaluate_sliding(model, tokens, table, config, world)
    print(score.val_loss_nats, score.val_bpb)

All ranks share the windows and report the same score whatever their number. Every position is scored exactly
once, the tail of the stream included; `Tail.DROPPED` leaves it away for comparison with the originals, whose
plain evaluation (`eval_val`, train_gpt.py on main) counts floor((N-1)/T)*T positions.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.errors import SetupError
from reference_model.config import ConfigError, TttKind
from reference_model.evaluation.score_ledger import ScoreLedger
from reference_model.evaluation.score_tally import Score, ScoreTally
from reference_model.evaluation.sliding_windows import Tail, planned_windows
from reference_model.evaluation.stepwise_scoring import score_windows
from reference_model.evaluation.window_scoring import window_scorer

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np
    import numpy.typing as npt

    from harness.tokens.byte_table import ByteTable
    from reference_model.config import Config
    from reference_model.distributed import World
    from reference_model.evaluation.evaluator_stream import EvaluatorStream
    from reference_model.evaluation.score_tally import EvaluationProgress
    from reference_model.network.gpt import GPT
    from reference_model.ngrams.ngram_mixing import Mixer


def evaluate_plain(
    model: GPT,
    tokens: npt.NDArray[np.integer],
    table: ByteTable,
    config: Config,
    world: World,
    *,
    ledger: ScoreLedger | None = None,
    mixer: Mixer | None = None,
    progress: Callable[[EvaluationProgress], None] | None = None,
    tail: Tail = Tail.SCORED,
    stream: EvaluatorStream | None = None,
) -> Score:
    """Score windows of evaluation.eval_seq_len tokens side by side.

    `tokens` (N, any integer type) is the whole stream; a `ledger` records the scores of this rank and is
    verified. `stream`, where given, hands `tokens` out and takes the scores. Raises SetupError for a stream
    too short to score or with foreign token ids, LedgerError (naming the position) for scores that are not
    finite.
    """
    return _evaluate_windows(model, tokens, table, config, world, 0, ledger, mixer, progress, tail, stream)


def evaluate_sliding(
    model: GPT,
    tokens: npt.NDArray[np.integer],
    table: ByteTable,
    config: Config,
    world: World,
    *,
    ledger: ScoreLedger | None = None,
    mixer: Mixer | None = None,
    progress: Callable[[EvaluationProgress], None] | None = None,
    tail: Tail = Tail.SCORED,
    stream: EvaluatorStream | None = None,
) -> Score:
    """Score each position with at least eval_seq_len - stride tokens before it in its window, the first ones
    apart.

    evaluation.stride 0 is the plain evaluation. Arguments and errors as `evaluate_plain`.
    """
    stride = config.evaluation.stride
    return _evaluate_windows(
        model, tokens, table, config, world, stride, ledger, mixer, progress, tail, stream
    )


def evaluate_with_ttt(
    model: GPT,
    tokens: npt.NDArray[np.integer],
    table: ByteTable,
    config: Config,
    world: World,
    *,
    ledger: ScoreLedger | None = None,
    mixer: Mixer | None = None,
    progress: Callable[[EvaluationProgress], None] | None = None,
    tail: Tail = Tail.SCORED,
    stream: EvaluatorStream | None = None,
) -> Score:
    """Score while adapting to what has been scored, the way config.ttt says; the ledger proves the order.

    Base weights are bit for bit what they were when this returns, so that no later score profits from the
    adaptation. Arguments and errors as `evaluate_plain`; ConfigError when config.ttt.kind is none. A ledger
    is always kept.
    """
    tally = _new_tally(
        tokens, table, config, world, ledger or ScoreLedger(rank=world.rank), progress, tail, stream
    )
    if config.ttt.kind is TttKind.CHUNK_SGD or config.ttt.kind is TttKind.CHUNK_ADAMW:
        from reference_model.evaluation.test_time_training import score_and_train_chunks

        score_and_train_chunks(model, tally, config, mixer=mixer, tail=tail)
        return tally.total()
    if config.ttt.kind is TttKind.DOCUMENT_LORA:
        if stream is not None:
            raise ConfigError(
                "ttt.kind document_lora adapts to many documents side by side, but the evaluator hands the "
                "stream out in its order; score it without an evaluator, or choose another ttt.kind"
            )
        from reference_model.evaluation.lora_ttt import score_and_adapt_documents

        score_and_adapt_documents(model, tally, config, mixer=mixer, tail=tail)
        return tally.total()
    raise ConfigError(
        f"test-time training was asked for with ttt.kind {config.ttt.kind.value}; choose one of "
        + ", ".join(kind.value for kind in TttKind if kind is not TttKind.NONE)
    )


def _evaluate_windows(
    model: GPT,
    tokens: npt.NDArray[np.integer],
    table: ByteTable,
    config: Config,
    world: World,
    stride: int,
    ledger: ScoreLedger | None,
    mixer: Mixer | None,
    progress: Callable[[EvaluationProgress], None] | None,
    tail: Tail,
    stream: EvaluatorStream | None,
) -> Score:
    tally = _new_tally(tokens, table, config, world, ledger, progress, tail, stream)
    plan = planned_windows(len(tokens), seq_len=config.evaluation.eval_seq_len, stride=stride, tail=tail)
    was_training = model.training
    try:
        scorer = window_scorer(model, tokens, config, world.device, mixer)
        score_windows(scorer, plan, tally)
    finally:
        model.train(was_training)
    return tally.total()


def _new_tally(
    tokens: npt.NDArray[np.integer],
    table: ByteTable,
    config: Config,
    world: World,
    ledger: ScoreLedger | None,
    progress: Callable[[EvaluationProgress], None] | None,
    tail: Tail,
    stream: EvaluatorStream | None,
) -> ScoreTally:
    if tokens.ndim != 1:
        raise SetupError(f"the validation stream has shape {tokens.shape}; it must be one row of tokens")
    plan = planned_windows(len(tokens), seq_len=config.evaluation.eval_seq_len, tail=tail)
    lowest, highest = int(tokens.min()), int(tokens.max())
    if lowest < 0 or highest >= config.model.vocab_size or table.vocab_size != config.model.vocab_size:
        raise SetupError(
            f"the validation stream holds ids {lowest} to {highest} and the tokenizer knows "
            f"{table.vocab_size:,}, but model.vocab_size is {config.model.vocab_size:,}; use the model's own "
            "data and tokenizer"
        )
    return ScoreTally(
        tokens=tokens,
        table=table,
        world=world,
        positions_to_score=plan.positions,
        ledger=ledger,
        progress=progress,
        stream=stream,
    )
