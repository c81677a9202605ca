"""What a packed `train_gpt.py` does: a run steered by the environment variables of the challenge's scripts.

DATA_PATH, TOKENIZER_PATH, SEED, RUN_ID and every switch of the configuration (`config_fields` names their
variables). TRAIN_ONLY=1 ends with the artifact, EVAL_ONLY=FILE only scores one: the two steps of golf-run.
Started alone or by torchrun; writes to the working folder, the log to logs/RUN_ID.txt, as `train_gpt.py` on
main does.
"""

from __future__ import annotations

import os
import sys
import uuid
from pathlib import Path
from typing import TYPE_CHECKING

from harness.errors import GolfError
from reference_model.config_overrides import configured
from reference_model.distributed import joined_world
from reference_model.exit_status import Exit, exit_status_of
from reference_model.training.final_evaluation import Stages
from reference_model.training.run_log import RunLog
from reference_model.training.train import claimed_folder, evaluate_artifact, refuse_over_cap, train

if TYPE_CHECKING:
    from reference_model.config import Config

USAGE = Exit.USAGE  # what a packed script ends with where its environment makes no sense


def run_script(base: Config, code: str) -> int:
    """Train and score `base` under the environment's settings, or score EVAL_ONLY; returns the exit status.

    `code` is the script's own text: it opens the log, and its bytes count towards the cap.
    """
    try:
        _run_by_environment(base, code)
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return Exit.INTERRUPTED
    except GolfError as error:
        print(error, file=sys.stderr)
        return exit_status_of(error)
    return Exit.OK


def _run_by_environment(base: Config, code: str) -> None:
    config = configured(base, environ=os.environ)
    data_dir = Path(config.data.data_path)
    tokenizer = Path(config.data.tokenizer_path) if config.data.tokenizer_path else None
    run_id = os.environ.get("RUN_ID") or str(uuid.uuid4())
    artifact = os.environ.get("EVAL_ONLY", "")
    out_dir = Path()
    resume, trains_only = (os.environ.get(name, "0") == "1" for name in ("RESUME", "TRAIN_ONLY"))
    with (
        joined_world() as world,
        claimed_folder(out_dir, world),
        RunLog(Path("logs") / f"{run_id}.txt", is_main=world.is_main, appends=resume) as log,
    ):
        log(f"logs/{run_id}.txt")
        if artifact:
            evaluate_artifact(
                config, Path(artifact), data_dir=data_dir, out_dir=out_dir, world=world, log=log,
                tokenizer=tokenizer, code=code, stages=Stages.HEADLINE,
            )  # fmt: skip
            return
        result = train(
            config, data_dir=data_dir, out_dir=out_dir, world=world, log=log, tokenizer=tokenizer,
            code=code, stages=Stages.NONE if trains_only else Stages.HEADLINE, resume=resume,
        )  # fmt: skip
    refuse_over_cap(result)
