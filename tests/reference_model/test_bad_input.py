"""Bad input through the commands a user types: a clear message, the documented status, nothing lost."""

from __future__ import annotations

import os
import re
import resource
import runpy
import shutil
import signal
import struct
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch

from harness.cli_data import main as golf_data
from harness.tokens.shard_file import read_shard, write_shard
from reference_model.__main__ import main
from reference_model.artifacts.artifact_layout import framed
from reference_model.config import Container
from reference_model.distributed import World
from reference_model.training.run_log import RunLog
from reference_model.training.train import claimed_folder
from reference_model.training.training_run import TrainingRun
from tests.reference_model.test_cli import QUICK, started, two_ranks
from tests.reference_model.tiny_data import VOCAB_SIZE, make_tiny_data

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Told = pytest.CaptureFixture[str]


def header_says(word: int, value: int) -> Callable[[Path], None]:
    def damage(path: Path) -> None:
        content = bytearray(path.read_bytes())
        struct.pack_into("<i", content, 4 * word, value)
        path.write_bytes(content)

    return damage


def is_odd(path: Path) -> None:
    path.write_bytes(path.read_bytes() + b"x")


def is_cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-100])


def is_a_pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def ends_with_a_foreign_id(path: Path) -> None:
    write_shard(path, np.append(read_shard(path), np.uint16(VOCAB_SIZE)))


DAMAGES = [
    pytest.param(header_says(0, 7), "magic number is 7", id="magic"),
    pytest.param(header_says(1, 9), "shard format version 9", id="version"),
    pytest.param(header_says(2, -3), "header claims -3 tokens", id="negative count"),
    pytest.param(header_says(2, 2**31 - 1), "cut short: header claims 2,147,483,647", id="count"),
    pytest.param(is_odd, "too long: .* \\(\\+1\\)", id="odd length"),
    pytest.param(is_cut, "cut short: .* \\(-100\\)", id="cut"),
    pytest.param(is_a_pipe, "is not a regular file", id="pipe"),
    pytest.param(
        ends_with_a_foreign_id, f"{VOCAB_SIZE}( at position|,? .*outside)|ids are outside", id="foreign id"
    ),
]


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_tiny_data(tmp_path_factory.mktemp("data"), val_tokens=300)


@pytest.fixture
def own_data(data_dir: Path, tmp_path: Path) -> Path:
    return shutil.copytree(data_dir, tmp_path / "data")


@pytest.fixture(scope="module")
def artifact(data_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("run")
    assert main(["train", f"--data={data_dir}", f"--out={out}", "--quiet", *QUICK]) == 0
    return out / "final_model.ptz"


def trained(data: Path, out: Path, *options: str) -> int:
    return main(["train", f"--data={data}", f"--out={out}", "--quiet", *QUICK, *options])


def evaluated(artifact: Path, data: Path, *options: str) -> int:
    return main(["evaluate", str(artifact), f"--data={data}", "--quiet", *QUICK, *options])


@pytest.mark.parametrize("split", ["train", "val"])
@pytest.mark.parametrize(("damage", "message"), DAMAGES)
def test_a_bad_shard_ends_training_before_the_first_step(
    damage: Callable[[Path], None], message: str, split: str, own_data: Path, tmp_path: Path, capsys: Told
) -> None:
    damage(own_data / f"fineweb_{split}_000000.bin")
    assert trained(own_data, tmp_path / "run") == 4
    told = capsys.readouterr().err
    assert re.search(rf"fineweb_{split}_000000\.bin: .*{message}", told)
    assert "train_loss" not in (tmp_path / "run" / "train.log").read_text(encoding="utf-8")


@pytest.mark.parametrize("split", ["train", "val"])
@pytest.mark.parametrize(("damage", "message"), DAMAGES)
def test_a_bad_shard_is_found_by_golf_data_verify(
    damage: Callable[[Path], None], message: str, split: str, own_data: Path, capsys: Told
) -> None:
    damage(own_data / f"fineweb_{split}_000000.bin")
    tokenizer = str(own_data / f"tiny_{VOCAB_SIZE}.model")
    assert golf_data(["verify", str(own_data), "--tokenizer", tokenizer]) == 1
    told = "".join(capsys.readouterr())
    assert f"fineweb_{split}_000000.bin" in told
    assert re.search(message, " ".join(told.split()))


@pytest.mark.parametrize(("vocab_size", "message"), [(512, "holds 320 pieces"), (256, "outside the vocab")])
def test_a_tokenizer_of_another_vocabulary_is_refused(
    vocab_size: int, message: str, data_dir: Path, tmp_path: Path, capsys: Told
) -> None:
    assert trained(data_dir, tmp_path, f"--set=model.vocab_size={vocab_size}") == 4
    assert message in capsys.readouterr().err


@pytest.mark.parametrize("content", [b"", b"garbage"])
def test_a_file_that_is_no_tokenizer_is_refused(
    content: bytes, own_data: Path, tmp_path: Path, capsys: Told
) -> None:
    (own_data / f"tiny_{VOCAB_SIZE}.model").write_bytes(content)
    assert trained(own_data, tmp_path / "run") == 4
    assert re.search(r"tiny_320\.model: is (empty|not a SentencePiece model)", capsys.readouterr().err)


def test_a_validation_split_shorter_than_a_sequence_is_refused(
    own_data: Path, artifact: Path, tmp_path: Path, capsys: Told
) -> None:
    write_shard(own_data / "fineweb_val_000000.bin", np.ones(64, dtype=np.uint16))
    assert (trained(own_data, tmp_path / "run"), evaluated(artifact, own_data)) == (4, 4)
    assert capsys.readouterr().err.count("has 64 tokens, one sequence of 64 needs 65") == 2


def test_names_that_are_no_utf8_are_only_names(own_data: Path, tmp_path: Path) -> None:
    odd = own_data.rename(os.fsdecode(os.fsencode(tmp_path) + b"/dat\xe9"))
    assert trained(odd, tmp_path / "run") == 0


def is_truncated(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def is_corrupted(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def is_a_bomb(path: Path) -> None:
    path.write_bytes(framed(bytes(50_000_000), Container.ZLIB, 9))


def is_deep_json(path: Path) -> None:
    header = b"[" * 200_000
    path.write_bytes(framed(struct.pack("<I", len(header)) + header, Container.ZLIB, 9))


def has_countless_sides(path: Path) -> None:
    sides = b",".join([b"4294967295"] * 50_000)
    header = b'{"model":{},"tensors":[["a","fp16","float32",[' + sides + b"]]]}"
    path.write_bytes(framed(struct.pack("<I", len(header)) + header, Container.ZLIB, 9))


def is_endless(path: Path) -> None:
    path.unlink()
    path.symlink_to("/dev/zero")


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (is_truncated, "cut off"),
        (is_corrupted, "SHA-256"),
        (is_a_bomb, "unfolds to 50,000,000 bytes"),
        (is_deep_json, "not well formed"),
        (has_countless_sides, "not well formed"),
        (is_a_pipe, "is not a regular file"),
        (is_endless, "is not a regular file"),
    ],
)
def test_a_bad_artifact_exits_with_1(
    damage: Callable[[Path], None],
    message: str,
    artifact: Path,
    data_dir: Path,
    tmp_path: Path,
    capsys: Told,
) -> None:
    bad = shutil.copyfile(artifact, tmp_path / "final_model.ptz")
    damage(bad)
    assert evaluated(bad, data_dir) == 1
    told = capsys.readouterr().err
    assert f"{bad}: " in told
    assert message in told
    assert len(told) < 1000


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ("--set=quantization.artifact_cap_bytes=1000", "over the cap of 1,000"),
        ("--set=model.num_layers=2", "model.num_layers is 3 in the file, 2 here"),
    ],
)
def test_an_artifact_that_does_not_fit_the_configuration_exits_with_1(
    option: str, message: str, artifact: Path, data_dir: Path, capsys: Told
) -> None:
    assert evaluated(artifact, data_dir, option) == 1
    assert message in capsys.readouterr().err


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ("model.num_heads=3", "not a multiple of model.num_heads 3"),
        ("model.xsa_layers=99", "names layer 99; the model has layers 0 to 2"),
        ("run.seed=-1", "run.seed is -1"),
        ("run.seed=" + "9" * 30, "is not of type int"),
        ("schedule.iterations=" + "9" * 5000, "is not of type int"),
        ("evaluation.stride=65", "would leave tokens unscored"),
        ("data.train_batch_tokens=100", "not a multiple of"),
        ("averaging.ema_decay=nan", "averaging.ema_decay='nan' is not a finite number"),
    ],
)
def test_a_configuration_that_makes_no_sense_exits_with_2(
    option: str, message: str, data_dir: Path, tmp_path: Path, capsys: Told
) -> None:
    assert trained(data_dir, tmp_path, f"--set={option}") == 2
    told = capsys.readouterr().err
    assert message in told
    assert len(told) < 400


def test_a_loss_that_is_no_number_exits_with_1_and_keeps_the_checkpoint(
    data_dir: Path, tmp_path: Path, capsys: Told
) -> None:
    options = ["--set=optimizer.token_lr=1e38", "--set=schedule.checkpoint_every=1"]
    assert trained(data_dir, tmp_path, *options) == 1
    assert re.search(r"loss is nan at step 3 of 3; .*checkpoint\.pt is from before", capsys.readouterr().err)
    assert torch.load(tmp_path / "checkpoint.pt", weights_only=True)["step"] == 2
    assert not (tmp_path / "final_model.ptz").exists()


class Bomb:
    """A pickle that runs code where it is unpickled."""

    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.mkdir, (str(self.target),)


def test_a_checkpoint_that_would_run_code_is_refused(data_dir: Path, tmp_path: Path, capsys: Told) -> None:
    torch.save({"format": 1, "step": Bomb(tmp_path / "ran")}, tmp_path / "checkpoint.pt")
    assert trained(data_dir, tmp_path, "--resume") == 4
    assert "is no whole checkpoint" in capsys.readouterr().err
    assert not (tmp_path / "ran").exists()


@pytest.fixture
def stopped(data_dir: Path, tmp_path: Path) -> Path:
    """A folder that a run left with checkpoint.pt, because its loss became no number."""
    out = tmp_path / "stopped"
    assert trained(data_dir, out, "--set=optimizer.token_lr=1e38", "--set=schedule.checkpoint_every=1") == 1
    return out


@pytest.mark.parametrize("damage", [is_truncated, is_corrupted])
def test_a_damaged_checkpoint_is_refused_and_left_alone(
    damage: Callable[[Path], None], stopped: Path, data_dir: Path, capsys: Told
) -> None:
    damage(stopped / "checkpoint.pt")
    before = (stopped / "checkpoint.pt").read_bytes()
    assert trained(data_dir, stopped, "--resume", "--set=optimizer.token_lr=1e38") == 4
    assert "is no whole checkpoint" in capsys.readouterr().err
    assert (stopped / "checkpoint.pt").read_bytes() == before


def test_a_checkpoint_of_another_configuration_is_refused_by_name(
    stopped: Path, data_dir: Path, capsys: Told
) -> None:
    assert trained(data_dir, stopped, "--resume") == 2
    assert re.search(r"optimizer\.token_lr: 1e\+38 there, [\d.]+ now", capsys.readouterr().err)


def test_a_run_started_afresh_keeps_the_earlier_checkpoint(stopped: Path, data_dir: Path) -> None:
    before = (stopped / "checkpoint.pt").read_bytes()
    assert trained(data_dir, stopped) == 0
    assert (stopped / "checkpoint.previous.pt").read_bytes() == before


def test_a_full_disk_keeps_the_earlier_checkpoint(
    data_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Told
) -> None:
    save, (soft, hard) = TrainingRun._save, resource.getrlimit(resource.RLIMIT_FSIZE)

    def saved_on_a_full_disk(run: TrainingRun) -> None:
        if run.step == 2:
            resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, hard))
        save(run)

    monkeypatch.setattr(TrainingRun, "_save", saved_on_a_full_disk)
    try:
        status = trained(data_dir, tmp_path, "--set=schedule.checkpoint_every=1")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert status == 4
    assert "cannot write the checkpoint" in capsys.readouterr().err
    assert torch.load(tmp_path / "checkpoint.pt", weights_only=True)["step"] == 1
    assert not list(tmp_path.glob(".*.partial"))


def test_two_runs_do_not_write_to_one_folder(data_dir: Path, tmp_path: Path, capsys: Told) -> None:
    (tmp_path / "train.log").write_text("of the other run", encoding="utf-8")
    with claimed_folder(tmp_path, World()):
        assert trained(data_dir, tmp_path) == 4
    assert "another run writes to" in capsys.readouterr().err
    assert (tmp_path / "train.log").read_text(encoding="utf-8") == "of the other run"
    assert trained(data_dir, tmp_path) == 0  # the claim has ended


PHASES = {  # line of the log, and whether a checkpoint is there by then
    "before warm-up": ("model_params:", False),
    "warm-up": ("warmup_step:2/", False),
    "training": ("step:2/3 train_loss", True),
    "last validation": ("step:3/3 val_loss", True),
    "export": ("Serialized model:", True),
    "scoring": ("final_eval_mode:roundtrip", True),
    "test-time training": ("final_eval_mode:ttt", True),
}


@pytest.mark.parametrize("phase", PHASES)
def test_ctrl_c_exits_with_130_in_every_phase_and_the_run_can_go_on(
    phase: str, data_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Told
) -> None:
    line, has_checkpoint = PHASES[phase]
    write_line = RunLog.__call__

    def interrupted(log: RunLog, text: str, *, console: bool = True) -> None:
        write_line(log, text, console=console)
        if text.startswith(line):
            os.kill(os.getpid(), signal.SIGINT)

    options = ["--preset=pr461", "--set=schedule.warmup_steps=2", "--set=ttt.epochs=1"]
    with monkeypatch.context() as patch:
        patch.setattr(RunLog, "__call__", interrupted)
        assert trained(data_dir, tmp_path, *options) == 130
    assert ("with --resume" in capsys.readouterr().err) is has_checkpoint
    assert (tmp_path / "checkpoint.pt").exists() is has_checkpoint
    assert trained(data_dir, tmp_path, *options, *["--resume"][: int(has_checkpoint)]) == 0


def test_a_second_ctrl_c_stops_at_once(
    data_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Told
) -> None:
    def impatient(*_: object) -> None:
        for _ in range(2):
            os.kill(os.getpid(), signal.SIGINT)

    monkeypatch.setattr(RunLog, "train_step", impatient)
    assert trained(data_dir, tmp_path) == 130
    assert "no checkpoint was written yet" in capsys.readouterr().err


def test_rank_0_dying_ends_the_other_with_a_message_and_keeps_the_checkpoint(
    data_dir: Path, tmp_path: Path
) -> None:
    options = [f"--data={data_dir}", f"--out={tmp_path}", *QUICK, "--set=schedule.iterations=100000",
               "--set=schedule.checkpoint_every=1"]  # fmt: skip
    main_rank, other = two_ranks(["train", *options, "--rank-timeout=20"])
    assert main_rank.stdout is not None
    while not main_rank.stdout.readline().startswith("step:3/"):
        assert main_rank.poll() is None
    main_rank.kill()
    _, told = other.communicate(timeout=60)
    main_rank.communicate()
    assert other.returncode == 4
    assert "rank 1 of 2 lost another rank" in told
    assert torch.load(tmp_path / "checkpoint.pt", weights_only=True)["step"] >= 2


def test_a_rank_that_never_comes_is_told(
    data_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Told
) -> None:
    ranks = {"RANK": "1", "LOCAL_RANK": "1", "WORLD_SIZE": "2"}
    for name, value in {**ranks, "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": "1"}.items():
        monkeypatch.setenv(name, value)
    assert trained(data_dir, tmp_path, "--rank-timeout=1") == 4
    assert "rank 1 of 2 did not meet the others" in capsys.readouterr().err


def test_a_reader_that_goes_away_does_not_end_the_run(data_dir: Path, tmp_path: Path) -> None:
    run = started(["train", f"--data={data_dir}", f"--out={tmp_path}", *QUICK])
    assert run.stdout is not None
    run.stdout.readline()
    run.stdout.close()
    assert run.stderr is not None
    told = run.stderr.read()
    assert run.wait(timeout=60) == 0
    assert told == ""
    assert "_exact val_loss" in (tmp_path / "train.log").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def script(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("packed") / "train_gpt.py"
    settings = [word for option in QUICK[2:] for word in option.split("=", 1)]
    assert main(["pack", "--preset", "baseline", "--size", "tiny", *settings, "-o", str(path)]) == 0
    return path


@pytest.fixture
def script_status(
    script: Path, own_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., int]:
    def run(**environment: str) -> int:
        tokenizer = str(own_data / f"tiny_{VOCAB_SIZE}.model")
        for name, value in {"DATA_PATH": str(own_data), "TOKENIZER_PATH": tokenizer, **environment}.items():
            monkeypatch.setenv(name, value)
        monkeypatch.chdir(tmp_path)
        with pytest.raises(SystemExit) as end:
            runpy.run_path(str(script), run_name="__main__")
        return int(end.value.code or 0)

    return run


def test_a_packed_script_refuses_a_bad_configuration(script_status: Callable[..., int], capsys: Told) -> None:
    assert script_status(SEED="-1") == 2
    assert "run.seed is -1" in capsys.readouterr().err


def test_a_packed_script_refuses_a_bad_artifact(
    script_status: Callable[..., int], artifact: Path, tmp_path: Path, capsys: Told
) -> None:
    is_corrupted(shutil.copyfile(artifact, tmp_path / "bad.ptz"))
    assert script_status(EVAL_ONLY="bad.ptz") == 1
    assert "SHA-256" in capsys.readouterr().err


def test_a_packed_script_refuses_a_bad_shard(
    script_status: Callable[..., int], own_data: Path, capsys: Told
) -> None:
    ends_with_a_foreign_id(own_data / "fineweb_train_000000.bin")
    assert script_status() == 4
    assert "token id 320" in capsys.readouterr().err
