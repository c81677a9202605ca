"""What a packed `train_gpt.py` does when it is started, alone or by torchrun: train, write the artifact, score it.

Its configuration is baked in; the environment variables of the challenge's scripts change plain settings of it
(`ITERATIONS=100`, `SEED=7`, `DATA_PATH=...`). `EVAL_ONLY=FILE` scores an artifact without training. Log, weights and
artifact go to the working directory. Exit status 0 done, 1 the run's own fault, 2 settings, 4 machine or data, 130
interrupted.
"""

from __future__ import annotations

import dataclasses
import os
import sys
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING

from harness.errors import GolfError, SetupError, SubmissionError, UsageError
from reference_model.baked_configuration import BAKED_CONFIG, BAKED_SWITCHES
from reference_model.config import ConfigError, configured
from reference_model.distributed import joined_world
from reference_model.export import export_artifact, model_of_artifact
from reference_model.final_evaluation import score_artifact
from reference_model.run_data import log_data, open_validation
from reference_model.run_log import RunLog
from reference_model.train import train_model
from reference_model.training_run import TrainingInterrupted

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from reference_model.config import Config
    from reference_model.distributed import World

PACKED_LOG_NAME = "train.log"
PACKED_LEDGER_NAME = "score_ledger.npz"


def main() -> int:
    """Run the script; returns its exit status."""
    try:
        config = packed_configuration(BAKED_CONFIG, BAKED_SWITCHES, os.environ)
        with joined_world() as world, RunLog(Path(PACKED_LOG_NAME), is_main=world.is_main) as log:
            _train_and_score(config, world, log, os.environ.get("EVAL_ONLY", ""))
    except TrainingInterrupted as error:
        print(error, file=sys.stderr)
        return 130
    except GolfError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2 if isinstance(error, UsageError) else 1 if isinstance(error, SubmissionError) else 4
    return 0


def packed_configuration(baked: Config, switches: Sequence[str], environ: Mapping[str, str]) -> Config:
    """`baked` with the environment's settings; raises ConfigError for a switch whose other branch was left out.

    Of numbers and lists only "zero or empty" is baked in, of all others the value.
    """
    config = configured(baked, environ=environ)
    for path in switches:
        group, _, name = path.partition(".")
        old, new = getattr(getattr(baked, group), name), getattr(getattr(config, group), name)
        if (old is not new) if isinstance(old, Enum) else (bool(old) is not bool(new)):
            fields = {each.name: each for each in dataclasses.fields(getattr(baked, group))}
            told = [str(getattr(value, "value", value)) for value in (new, old)]
            raise ConfigError(
                f"{fields[name].metadata['env']} asks for {path} = {told[0]}; this script was packed with "
                f"{told[1]} and does not contain the other code. Unset it, or pack again with --set {path}=..."
            )
    return config


def _train_and_score(config: Config, world: World, log: RunLog, artifact: str) -> None:
    code = Path(__file__).read_text(encoding="utf-8")
    data_dir, out_dir = Path(config.data.data_path), Path.cwd()
    log.header(config, world, code=code)
    validation = open_validation(config, data_dir, _tokenizer(config))
    log_data(log, data_dir, validation, trains=not artifact)
    path = Path(artifact)
    if artifact and not path.is_file():
        raise SetupError(f"EVAL_ONLY={artifact} is no file; name the artifact to score")
    if not artifact:
        trained = train_model(
            config, data_dir=data_dir, out_dir=out_dir, world=world, log=log, validation=validation
        )
        path, _ = export_artifact(trained, config, world, log, out_dir=out_dir, code=code)
    model = model_of_artifact(path, config, world)
    score_artifact(model, validation, config, world, log, ledger_path=out_dir / PACKED_LEDGER_NAME)


def _tokenizer(config: Config) -> Path | None:
    """The configured tokenizer where there is such a file; None looks beside the shards."""
    path = Path(config.data.tokenizer_path)
    return path if path.is_file() or "TOKENIZER_PATH" in os.environ else None
