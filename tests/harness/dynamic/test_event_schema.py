from __future__ import annotations

import json
from typing import TYPE_CHECKING

import jsonschema
import pytest

from harness.dynamic.child.capture.recorder import Recorder
from harness.dynamic.event_lines import BUILDERS
from harness.dynamic.event_record import SCHEMA_PATH
from tests.harness.dynamic.toy_runs import run_toy, validation
from tests.programs.dynamic.toy_scripts import MULTI_EPOCH_LAST_SCORE, SCORE_FIRST

if TYPE_CHECKING:
    from pathlib import Path

SCHEMA = json.loads(SCHEMA_PATH.read_text())
VALIDATOR = jsonschema.Draft202012Validator(SCHEMA)


@pytest.mark.parametrize("source", [SCORE_FIRST, MULTI_EPOCH_LAST_SCORE])
def test_every_line_of_a_run_is_as_published(source: str, tmp_path: Path) -> None:
    run_toy(source, tmp_path, validation())
    lines = [json.loads(line) for line in (tmp_path / "out" / "events.jsonl").read_text().splitlines()]
    kinds = {line["k"] for line in lines}
    assert kinds == {
        "start", "array", "open", "write", "fw", "ce", "backward", "step", "aug", "red", "print", "end",
    }  # fmt: skip
    for kind in kinds:
        for line in [each for each in lines if each["k"] == kind][:3]:
            VALIDATOR.validate(line)


def test_the_schema_is_a_schema_and_knows_the_kinds_the_reader_knows() -> None:
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    assert set(SCHEMA["$defs"]) == {*BUILDERS, "start", "array", "end"}


def test_programs_addresses_and_forks_are_as_published(tmp_path: Path) -> None:
    recorder = Recorder(tmp_path, rank=0, world_size=1, tell_key=False)
    recorder.event("subprocess", command=["nvidia-smi"], answered=True)
    recorder.event("spawn", call="subprocess.Popen", command="gcc", site="subprocess.Popen")
    recorder.event("net", call="socket.connect", address="1.2.3.4", site="socket.connect")
    recorder.event("net", package="wandb", call="init", wanted="a run")
    recorder.event("fork", copies=3)
    recorder.close()
    for line in (tmp_path / "events.jsonl").read_text().splitlines():
        VALIDATOR.validate(json.loads(line))


def test_a_line_with_a_field_nobody_knows_is_not_as_published() -> None:
    line = {"n": 1, "k": "backward", "w": 0.1, "vt": 0.0, "source": "val", "m": "0" * 16}
    VALIDATOR.validate(line)
    assert not VALIDATOR.is_valid({**line, "verdict": "clean"})
    assert not VALIDATOR.is_valid({**line, "source": "elsewhere"})
