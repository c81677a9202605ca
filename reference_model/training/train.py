"""A whole run: train, export, read the artifact back, score it. And scoring alone, of an artifact.

    with joined_world() as world, RunLog(out_dir / "train.log", is_main=world.is_main) as log:
        result = train(preset("pr940", Size.TINY), data_dir=data, out_dir=out_dir, world=world, log=log)

Files in `out_dir`: final_model.pt (float weights), final_model.ptz (the artifact), score_ledger.npz,
checkpoint.pt while a run can be resumed.
"""

from __future__ import annotations

import contextlib
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

from harness.errors import SetupError, SubmissionError
from reference_model.evaluation.evaluator_stream import evaluator_stream
from reference_model.exit_status import RunInterruptedError
from reference_model.training.export import code_size, export_artifact, model_of_artifact
from reference_model.training.final_evaluation import Stages, score_artifact
from reference_model.training.run_data import log_data, open_validation
from reference_model.training.train_model import CHECKPOINT_NAME, seed_everything, train_model

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from reference_model.artifacts.artifact import ArtifactReport
    from reference_model.config import Config
    from reference_model.distributed import World
    from reference_model.evaluation.score_tally import EvaluationProgress, Score
    from reference_model.training.run_log import RunLog

LEDGER_NAME = "score_ledger.npz"


@dataclass(frozen=True, slots=True, kw_only=True)
class RunProgress:
    """Called as a run goes on, to show how far it is."""

    training: Callable[[int, int, float], None] | None = None
    """Step, steps, mean training loss in nats."""
    evaluation: Callable[[EvaluationProgress], None] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainResult:
    """What a run ended with; `scores` by stage, the counted score last."""

    steps: int
    elapsed_ms: float
    """Training clock."""
    losses: dict[int, float]
    validation: tuple[float, float] | None
    """Nats per token and bits per byte of the last weights, before averaging and quantising."""
    stopped_by_clock: bool
    artifact: Path
    report: ArtifactReport | None
    """What was written; None on ranks that did not write."""
    scores: dict[str, Score]
    """Empty where none was asked for."""

    @property
    def score(self) -> Score:
        """The counted score."""
        return list(self.scores.values())[-1]


def train(
    config: Config,
    *,
    data_dir: Path,
    out_dir: Path,
    world: World,
    log: RunLog,
    resume: bool = False,
    tokenizer: Path | None = None,
    code: str | None = None,
    code_bytes: int | None = None,
    stages: Stages = Stages.ALL,
    progress: RunProgress | None = None,
) -> TrainResult:
    """Train, export and score; every rank calls it with the same arguments.

    `code` is the text of a packed script: it is logged, and its bytes count towards the cap; `code_bytes`
    says how many count where it is not at hand (None: all sources of this package). With Stages.NONE no
    validation data is opened and nothing is scored. Errors as `train_model`,
    `export_artifact` and `score_artifact`; SetupError when another rank is lost, RunInterruptedError after
    Ctrl-C, whatever the run was doing.
    """
    progress = progress or RunProgress()
    log.header(config, world, code=code)
    validation = None if stages is Stages.NONE else open_validation(config, data_dir, tokenizer)
    log_data(log, data_dir, validation)
    made_folder(out_dir)
    with machine_faults_told(world), interruption_told(out_dir / CHECKPOINT_NAME):
        trained = train_model(
            config,
            data_dir=data_dir,
            out_dir=out_dir,
            world=world,
            log=log,
            validation=validation,
            resume=resume,
            progress=progress.training,
        )
        size = code_size(code, code_bytes)
        path, report = export_artifact(trained, config, world, log, out_dir=out_dir, code_size=size)
        model = model_of_artifact(path, config, world)
        scores: dict[str, Score] = {}
        if validation is not None:
            scores = score_artifact(
                model,
                validation,
                config,
                world,
                log,
                stages=stages,
                ledger_path=out_dir / LEDGER_NAME,
                progress=progress.evaluation,
            )
    if world.is_main:
        with contextlib.suppress(OSError):
            (out_dir / CHECKPOINT_NAME).unlink(missing_ok=True)  # there is nothing left to resume
    return TrainResult(
        steps=trained.steps,
        elapsed_ms=trained.elapsed_ms,
        losses=trained.losses,
        validation=trained.validation,
        stopped_by_clock=trained.stopped_by_clock,
        artifact=path,
        report=report,
        scores=scores,
    )


def evaluate_artifact(
    config: Config,
    artifact: Path,
    *,
    data_dir: Path,
    out_dir: Path | None = None,
    world: World,
    log: RunLog,
    tokenizer: Path | None = None,
    code: str | None = None,
    stages: Stages = Stages.ALL,
    progress: RunProgress | None = None,
) -> dict[str, Score]:
    """Score an artifact without training or warming up (EVAL_ONLY); the counted score is the last.

    Where an evaluator owns the score (`evaluator_stream`) it hands out the tokens, once: whatever `stages`
    says, the counted score alone is made.

    Raises ArtifactError when the file is damaged or belongs to another configuration, and what
    `open_validation` and `score_artifact` raise.
    """
    log.header(config, world, code=code)
    with machine_faults_told(world), evaluator_stream(world, config.model.vocab_size) as stream:
        validation = open_validation(config, data_dir, tokenizer, stream)
        log_data(log, data_dir, validation, trains=False)
        log(f"world_size:{world.size}")
        log(f"seed:{config.run.seed}")
        log(f"eval_only: loading {artifact}, skipping training")
        seed_everything(config.run.seed)
        if out_dir is not None:
            made_folder(out_dir)
        return score_artifact(
            model_of_artifact(artifact, config, world),
            validation,
            config,
            world,
            log,
            stages=stages if stream is None else Stages.HEADLINE,
            ledger_path=out_dir / LEDGER_NAME if out_dir is not None else None,
            progress=None if progress is None else progress.evaluation,
        )


def refuse_over_cap(result: TrainResult) -> None:
    """Raise SubmissionError where artifact and code together are over the cap."""
    report = result.report
    if report is not None and not report.fits:
        raise SubmissionError(
            f"{result.artifact} is over the cap: {report.model_bytes:,} bytes of model and "
            f"{report.code_bytes:,} of code are {report.total_bytes:,}, {report.over_bytes:,} over "
            f"{report.cap_bytes:,}. Lower the code widths (quantization.*_bits) or the model"
        )


@contextlib.contextmanager
def claimed_folder(path: Path, world: World) -> Iterator[None]:
    """Make an output folder and keep other runs out of it while this one writes there.

    The claim ends with the process, however it ends. Raises SetupError when the folder cannot be made or
    another run has it.
    """
    made_folder(path)
    if not world.is_main:
        yield
        return
    handle = os.open(path, os.O_RDONLY)
    try:
        with contextlib.suppress(ImportError):  # no such claims on Windows
            _claim(handle, path)
        yield
    finally:
        os.close(handle)


def _claim(handle: int, path: Path) -> None:
    import fcntl

    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise SetupError(
            f"another run writes to {path.resolve()}; wait for its end or choose another folder"
        ) from None
    except OSError:
        return  # a file system without locks


def made_folder(path: Path) -> None:
    """Make an output folder; raises SetupError when that fails."""
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise SetupError(
            f"cannot make the output folder {path}: {error.strerror}; choose another --out"
        ) from None


@contextlib.contextmanager
def interruption_told(checkpoint: Path) -> Iterator[None]:
    """Turn Ctrl-C outside the training steps, or a second one, into an error that says how to go on."""
    try:
        yield
    except KeyboardInterrupt:
        how = f"the same command with --resume goes on from {checkpoint}"
        if not checkpoint.exists():
            how = "no checkpoint was written yet, so the same command starts afresh"
        raise RunInterruptedError(f"interrupted; {how}") from None


@contextlib.contextmanager
def machine_faults_told(world: World) -> Iterator[None]:
    """Turn lost memory, and a collective whose partner died or hangs, into a SetupError that says so."""
    try:
        yield
    except (RuntimeError, MemoryError) as error:
        text = str(error)
        if isinstance(error, MemoryError) or "allocate memory" in text or "out of memory" in text:
            reason = (text.strip().splitlines() or ["no memory left"])[0][:200]
            raise SetupError(
                f"rank {world.rank} has not the memory for this run ({reason}); lower data.micro_batch_seqs, "
                "evaluation.batch_seqs or the model"
            ) from None
        signs = ("gloo", "NCCL", "Connection closed by peer", "Connection reset", "imed out")
        if world.size == 1 or not any(sign in text for sign in signs):
            raise
        raise SetupError(
            f"rank {world.rank} of {world.size} lost another rank: {text.strip().splitlines()[0][:200]}. The "
            "output of the rank that ended first says why; where there is a checkpoint.pt, --resume goes on"
        ) from None
