"""What is scored once a run is over: the artifact as it lies on disk, by stages, the counted score last."""

from __future__ import annotations

import enum
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from reference_model.config import NgramKind, TttKind

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from reference_model.config import Config
    from reference_model.distributed import World
    from reference_model.evaluation.score_tally import EvaluationProgress, Score
    from reference_model.network.gpt import GPT
    from reference_model.ngrams.ngram_mixing import Mixer
    from reference_model.training.run_data import ValidationData
    from reference_model.training.run_log import RunLog


class Stages(enum.Enum):
    """How much is scored."""

    ALL = "all"  # every stage up to the counted one, to see what each is worth
    HEADLINE = "headline"  # the counted one alone, as the evaluation clock wants it
    NONE = "none"  # training alone: the artifact is evaluated by another process


@dataclass(frozen=True, slots=True, kw_only=True)
class FinalStage:
    """One evaluation: `name` ends the label of its lines."""

    name: str
    slides: bool = False
    adapts: bool = False
    mixes: bool = False


def final_stages(config: Config, wanted: Stages = Stages.ALL) -> tuple[FinalStage, ...]:
    """The evaluations that the configuration asks for, each with everything of the one before it."""
    slides, adapts = config.evaluation.stride > 0, config.ttt.kind is not TttKind.NONE
    stages = [FinalStage(name="roundtrip")]
    if slides:
        stages.append(FinalStage(name="sliding_window", slides=True))
    if adapts:
        stages.append(FinalStage(name="ttt", slides=slides, adapts=True))
    if config.ngram.kind is not NgramKind.NONE:
        stages.append(FinalStage(name="ngram", slides=slides, adapts=adapts, mixes=True))
    if wanted is Stages.NONE:
        return ()
    return tuple(stages if wanted is Stages.ALL else stages[-1:])


def score_artifact(
    model: GPT,
    validation: ValidationData,
    config: Config,
    world: World,
    log: RunLog,
    *,
    stages: Stages = Stages.ALL,
    ledger_path: Path | None = None,
    progress: Callable[[EvaluationProgress], None] | None = None,
) -> dict[str, Score]:
    """Score `model`, which holds the weights read back from the artifact; the counted score is the last.

    The ledger of the counted score goes to `ledger_path`. Raises LedgerError when a score cannot be reported.
    """
    scores: dict[str, Score] = {}
    spent = 0.0
    codec = f"int{config.quantization.mlp_bits}_{config.quantization.container.value}"
    chosen = final_stages(config, stages)
    for stage in chosen:
        log(f"final_eval_mode:{stage.name} stride:{config.evaluation.stride if stage.slides else 0}")
        is_counted = stage is chosen[-1]
        begin = time.monotonic()  # with what a stage prepares: counting n-grams is evaluation too
        score = _scored(stage, model, validation, config, world, is_counted=is_counted, progress=progress)
        seconds = time.monotonic() - begin
        spent += seconds
        remark = f"stride:{config.evaluation.stride}" if stage.slides else ""
        log.final_score(f"final_{codec}_{stage.name}", (score.val_loss_nats, score.val_bpb), seconds, remark)
        if score.ledger is not None and world.is_main:
            log(score.ledger.summary())
            if is_counted and ledger_path is not None:
                score.ledger.write(ledger_path)
        scores[stage.name] = score
    log(f"total_eval_time:{spent:.3f}s")
    return scores


def _scored(
    stage: FinalStage,
    model: GPT,
    validation: ValidationData,
    config: Config,
    world: World,
    *,
    is_counted: bool,
    progress: Callable[[EvaluationProgress], None] | None,
) -> Score:
    from reference_model.evaluation.score_ledger import ScoreLedger

    return _evaluation(stage, config)(
        model,
        validation.tokens,
        validation.table,
        config,
        world,
        ledger=ScoreLedger(rank=world.rank) if is_counted else None,
        mixer=_mixer(validation, config, progress) if stage.mixes else None,
        progress=progress,
        stream=validation.stream,
    )


def _evaluation(stage: FinalStage, config: Config) -> Callable[..., Score]:
    """The function that scores a stage; a script packed without test-time training holds none of it."""
    if config.ttt.kind is not TttKind.NONE and stage.adapts:
        from reference_model.evaluation.evaluate import evaluate_with_ttt

        return evaluate_with_ttt
    from reference_model.evaluation.evaluate import evaluate_plain, evaluate_sliding

    return evaluate_sliding if stage.slides else evaluate_plain


def _mixer(
    validation: ValidationData, config: Config, progress: Callable[[EvaluationProgress], None] | None
) -> Mixer | None:
    if config.ngram.kind is not NgramKind.NONE:
        if validation.stream is not None:
            from reference_model.ngrams.growing_mixers import growing_mixer

            return growing_mixer(validation.stream, config.model.vocab_size, config.ngram)
        from reference_model.evaluation.score_tally import EvaluationProgress
        from reference_model.ngrams.ngram_mixing import ngram_mixer

        def tell(done: int, total: int) -> None:
            if progress is not None:
                progress(EvaluationProgress(activity="counting n-grams", done=done, total=total))

        return ngram_mixer(validation.tokens, config.model.vocab_size, config.ngram, tell=tell)
    return None
