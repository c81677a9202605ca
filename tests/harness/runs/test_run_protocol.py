from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from harness.runs.run_protocol import ProtocolError, read_protocol

if TYPE_CHECKING:
    from pathlib import Path

GOOD = """
artifact = ["final_model.ptz"]
scoring = true
[train]
command = ["train_gpt.py"]
env = { TRAIN_ONLY = "1" }
[evaluate]
command = ["train_gpt.py", "--from", "{artifact}"]
"""


def of(tmp_path: Path, text: str):
    (tmp_path / "golf_run.toml").write_text(text)
    return read_protocol(tmp_path)


def test_a_protocol_says_what_trains_what_evaluates_and_what_is_kept(tmp_path: Path) -> None:
    protocol = of(tmp_path, GOOD)
    assert protocol is not None
    assert (protocol.artifact, protocol.scoring) == (("final_model.ptz",), True)
    assert protocol.train.environment == {"TRAIN_ONLY": "1"}
    assert protocol.evaluate.arguments == ("--from", "{artifact}")


def test_a_folder_without_the_file_offers_no_two_steps(tmp_path: Path) -> None:
    assert read_protocol(tmp_path) is None


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (("[train]", "[train"), "not valid TOML"),
        (("scoring = true", "scoring = 1"), "scoring is 1; write true or false"),
        (("scoring", "skoring"), "skoring is not known; there are artifact, scoring, train, evaluate"),
        (("[evaluate]", "[evaluate]\nshell = 1"), "[evaluate] shell is not known; there are command, env"),
        (("[train]", "[training]"), "training is not known"),
        (('command = ["train_gpt.py"]', 'command = "train_gpt.py"'), "[train] command must be a list"),
        (('command = ["train_gpt.py"]', "command = []"), "[train] command must be a list"),
        (('["train_gpt.py"]', '["bash", "x"]'), "golf-run starts the interpreter"),
        (('["train_gpt.py"]', '["../train_gpt.py"]'), "must be a Python script of the folder"),
        (('TRAIN_ONLY = "1"', "TRAIN_ONLY = 1"), "env.TRAIN_ONLY is 1; variables are texts"),
        (("TRAIN_ONLY", "SEED"), "env.SEED is set by golf-run"),
        (("TRAIN_ONLY", "PYTHONPATH"), "env.PYTHONPATH is set by golf-run"),
        (("TRAIN_ONLY", "GOLF_SCORING_SOCKET"), "is set by golf-run; leave it out"),
        (('TRAIN_ONLY = "1"', 'A = "{artifact}"'), "there is no artifact before training"),
        (('["final_model.ptz"]', "[]"), "artifact must be a list of the files"),
        (('["final_model.ptz"]', '["a/b"]'), "no plain file name"),
        (('["final_model.ptz"]', '["..", "b"]'), "no plain file name"),
        (('["final_model.ptz"]', '["b", "b"]'), "names a file twice"),
    ],
)
def test_what_cannot_be_run_is_refused_with_the_key_and_what_it_may_hold(
    tmp_path: Path, change: tuple[str, str], said: str
) -> None:
    with pytest.raises(ProtocolError) as refused:
        of(tmp_path, GOOD.replace(*change))
    assert said in str(refused.value)


def test_a_file_that_is_no_file_or_too_large_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ProtocolError, match="at most 65,536 bytes"):
        of(tmp_path, GOOD + "# " + "x" * 70_000)
    (tmp_path / "golf_run.toml").unlink()
    os.mkfifo(tmp_path / "golf_run.toml")
    with pytest.raises(ProtocolError, match="must be a regular file"):
        read_protocol(tmp_path)


def test_the_example_in_the_documentation_is_a_protocol(tmp_path: Path) -> None:
    import harness.runs.run_protocol as module

    example = (module.__doc__ or "").partition("\n\n")[2].partition("\n\n`{artifact}`")[0]
    protocol = of(tmp_path, "\n".join(line.strip() for line in example.splitlines()))
    assert protocol is not None
    assert protocol.evaluate.environment == {"EVAL_ONLY": "{artifact}/final_model.ptz"}
