"""`golf_run.toml`: how a submission is trained and evaluated in two steps, each in a sandbox of its own.

    artifact = ["final_model.ptz"]   # what training leaves in its working folder: all that evaluation gets
    scoring = true                   # the evaluator hands out the tokens and computes the score

    [train]
    command = ["train_gpt.py"]       # the script that is counted, and its arguments
    env = { TRAIN_ONLY = "1" }

    [evaluate]
    command = ["train_gpt.py"]
    env = { EVAL_ONLY = "{artifact}/final_model.ptz" }

`{artifact}` stands for the folder of the sealed artifact. Both commands are run by our Python, by torchrun
where the track has ranks. With `scoring = true` the evaluation sees no validation shards: it opens the
connection that GOLF_SCORING_SOCKET names, with the package `golf_scoring` (see `harness.scoring.client`).
Without `scoring` it finds the validation shards under DATA_PATH, and its score is what it prints.
"""

from __future__ import annotations

import re
import stat
import tomllib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeGuard

from harness.errors import SetupError, SubmissionError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

PROTOCOL_NAME = "golf_run.toml"
ARTIFACT_WORD = "{artifact}"
_LARGEST = 64 * 1024
_MOST_FILES = 64
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,127}")
_FILE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")
# What golf-run itself sets, and what would change how the interpreter or the ranks start.
_OURS = {
    "DATA_PATH", "TOKENIZER_PATH", "SEED", "RUN_ID", "PATH", "HOME", "TMPDIR", "RANK", "WORLD_SIZE",
    "LOCAL_RANK", "LOCAL_WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT",
}  # fmt: skip
_OURS_BEGIN = ("GOLF_", "PYTHON", "LD_", "TORCHELASTIC_")


class ProtocolError(SubmissionError):
    """`golf_run.toml` says something that cannot be run; the message names the key and what it may hold."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StepCommand:
    """One step: the script's path in the folder, its arguments, and variables it is started with."""

    script: str
    arguments: tuple[str, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class TwoStepProtocol:
    """What a `golf_run.toml` says; `artifact` are names of files in the working folder of training."""

    train: StepCommand
    evaluate: StepCommand
    artifact: tuple[str, ...]
    scoring: bool


def read_protocol(folder: Path) -> TwoStepProtocol | None:
    """The protocol of a submission folder; None where it has no `golf_run.toml`.

    Raises `ProtocolError` for a file that cannot be run, `SetupError` where it cannot be read.
    """
    path = folder / PROTOCOL_NAME
    try:
        kind = path.stat()
        if not stat.S_ISREG(kind.st_mode) or kind.st_size > _LARGEST:
            raise ProtocolError(f"{PROTOCOL_NAME} must be a regular file of at most {_LARGEST:,} bytes")
        data = path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise SetupError(f"{path}: cannot be read ({error.strerror})") from error
    try:
        return protocol_of(tomllib.loads(data.decode("utf-8")))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ProtocolError(f"{PROTOCOL_NAME} is not valid TOML: {error}") from None


def protocol_of(data: Mapping[str, Any]) -> TwoStepProtocol:
    """The protocol that parsed TOML describes. Raises `ProtocolError`."""
    _only(data, ("artifact", "scoring", "train", "evaluate"), "")
    scoring = data.get("scoring", False)
    if not isinstance(scoring, bool):
        raise ProtocolError(f"{PROTOCOL_NAME}: scoring is {scoring!r:.60}; write true or false")
    return TwoStepProtocol(
        train=_step(data, "train"),
        evaluate=_step(data, "evaluate"),
        artifact=_artifact(data.get("artifact")),
        scoring=scoring,
    )


def _step(data: Mapping[str, Any], name: str) -> StepCommand:
    table = data.get(name)
    if not isinstance(table, dict):
        raise ProtocolError(f"{PROTOCOL_NAME}: there is no table [{name}] with the command of that step")
    _only(table, ("command", "env"), f"[{name}] ")
    command = table.get("command")
    if not _are_texts(command) or not command:
        raise ProtocolError(
            f"{PROTOCOL_NAME}: [{name}] command must be a list of texts that begins with the script, such as "
            f'["train_gpt.py"], not {command!r:.80}'
        )
    script, *arguments = command
    parts = script.split("/")
    if not script.endswith(".py") or script.startswith("/") or {"", ".", ".."} & set(parts):
        raise ProtocolError(
            f"{PROTOCOL_NAME}: [{name}] command begins with {script!r:.80}; it must be a Python script of "
            'the folder, such as "train_gpt.py" (golf-run starts the interpreter, or torchrun)'
        )
    environment = table.get("env", {})
    if not isinstance(environment, dict):
        raise ProtocolError(f'{PROTOCOL_NAME}: [{name}] env must be a table, such as {{ EVAL_ONLY = "1" }}')
    for variable, value in environment.items():
        _check_variable(name, variable, value)
    if name == "train" and any(ARTIFACT_WORD in text for text in (*arguments, *environment.values())):
        raise ProtocolError(
            f"{PROTOCOL_NAME}: [train] uses {ARTIFACT_WORD}, but there is no artifact before training; write "
            "it to the working folder under the names of `artifact`"
        )
    return StepCommand(script=script, arguments=tuple(arguments), environment=dict(environment))


def _check_variable(step: str, variable: str, value: object) -> None:
    where = f"{PROTOCOL_NAME}: [{step}] env.{variable:.60}"
    if not _NAME.fullmatch(variable):
        raise ProtocolError(f"{where} is no name of an environment variable")
    if variable in _OURS or variable.startswith(_OURS_BEGIN):
        raise ProtocolError(f"{where} is set by golf-run; leave it out")
    if not isinstance(value, str) or "\0" in value:
        raise ProtocolError(f'{where} is {value!r:.60}; variables are texts, write it in quotes ("{value}")')


def _artifact(names: object) -> tuple[str, ...]:
    if not _are_texts(names) or not names or len(names) > _MOST_FILES:
        raise ProtocolError(
            f"{PROTOCOL_NAME}: artifact must be a list of the files that training leaves (1 to "
            f'{_MOST_FILES}), such as ["final_model.ptz"], not {names!r:.80}'
        )
    for name in names:
        if not _FILE_NAME.fullmatch(name):
            raise ProtocolError(
                f"{PROTOCOL_NAME}: artifact {name!r:.80} is no plain file name (letters, digits, . _ -, no "
                "folders); have the script write it to its working folder"
            )
    if len(set(names)) != len(names):
        raise ProtocolError(f"{PROTOCOL_NAME}: artifact names a file twice")
    return tuple(names)


def _are_texts(value: object) -> TypeGuard[list[str]]:
    return isinstance(value, list) and all(isinstance(each, str) and "\0" not in each for each in value)


def _only(table: Mapping[str, Any], known: Iterable[str], where: str) -> None:
    unknown = sorted(set(table) - set(known))
    if unknown:
        raise ProtocolError(
            f"{PROTOCOL_NAME}: {where}{unknown[0]:.60} is not known; there are {', '.join(known)}"
        )
