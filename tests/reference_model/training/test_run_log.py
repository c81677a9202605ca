from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from harness.logs.reader import read_log
from reference_model.config import Config
from reference_model.distributed import World
from reference_model.training.run_log import RunLog
from reference_model.training.train import TrainResult, train
from tests.reference_model.tiny_data import make_tiny_data, quick_config

if TYPE_CHECKING:
    from pathlib import Path

    from harness.logs.training_log import Run

CODE = '"""A packed script."""\nimport torch\n' + "x = 1\n" * 40


@pytest.fixture(scope="module")
def logged(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, TrainResult]:
    folder = tmp_path_factory.mktemp("run")
    data_dir = make_tiny_data(folder / "data", val_tokens=700)
    config = quick_config("reference", run__seed="4242", schedule__max_wallclock_seconds="900")
    with RunLog(folder / "train.log", quiet=True) as log:
        result = train(config, data_dir=data_dir, out_dir=folder, world=World(), log=log, code=CODE)
    return folder / "train.log", result


@pytest.fixture(scope="module")
def run(logged: tuple[Path, TrainResult]) -> Run:
    data = logged[0].read_bytes()
    (only,) = read_log("train.log", data, len(data)).runs
    return only


def test_the_harness_reads_seed_steps_and_ranks(run: Run) -> None:
    assert run.seed is not None
    assert run.seed.value == 4242
    assert run.last_step is not None
    assert run.last_step.value == 6
    assert run.world_size is not None
    assert run.world_size.value == 1
    assert run.ended


def test_the_harness_reads_the_training_clock(run: Run, logged: tuple[Path, TrainResult]) -> None:
    assert run.last_train_seconds is not None
    assert run.last_train_seconds.value == pytest.approx(logged[1].elapsed_ms / 1000, abs=0.01)


def test_the_harness_reads_the_counted_score_last(run: Run, logged: tuple[Path, TrainResult]) -> None:
    last = run.final_passes[-1]
    assert last.label == "final_int6_brotli_ngram_exact"
    assert last.val_bpb.value == pytest.approx(logged[1].score.val_bpb, abs=1e-8)
    assert last.val_loss is not None
    assert last.val_loss.value == pytest.approx(logged[1].score.val_loss_nats, abs=1e-8)


def test_every_stage_is_a_final_pass(run: Run) -> None:
    exact = [each.label for each in run.final_passes if each.label.endswith("_exact")]
    stages = ("roundtrip", "sliding_window", "ttt", "ngram")
    assert exact == [f"final_int6_brotli_{stage}_exact" for stage in stages]


def test_the_harness_reads_the_evaluation_time_of_all_stages(run: Run) -> None:
    assert run.total_eval_seconds is not None
    timed = [each.seconds.value for each in run.final_passes if each.seconds is not None]
    assert run.total_eval_seconds.value == pytest.approx(sum(timed), abs=0.01)


def test_the_harness_reads_the_sizes(run: Run, logged: tuple[Path, TrainResult]) -> None:
    report = logged[1].report
    assert report is not None
    sizes = {size.what: size.size_bytes.value for size in run.sizes}
    assert sizes == {"total": report.total_bytes, "code": len(CODE), "model": report.model_bytes}


def test_the_configuration_is_one_json_line_that_rebuilds_it(logged: tuple[Path, TrainResult]) -> None:
    lines = logged[0].read_text(encoding="utf-8").splitlines()
    (dump,) = (line for line in lines if line.startswith("config:"))
    kept = json.loads(dump.removeprefix("config:"))
    assert kept["run"]["seed"] == 4242
    assert kept.keys() == Config().as_dict().keys()


def test_the_harness_reads_the_settings(run: Run) -> None:
    assert run.hyperparameters["matrix_lr"].value == "0.025"
    assert run.wallclock_cap_seconds is not None
    assert run.wallclock_cap_seconds.value == 900


def test_the_packed_script_opens_the_log(logged: tuple[Path, TrainResult]) -> None:
    assert logged[0].read_text(encoding="utf-8").startswith(CODE)


def test_other_ranks_write_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with RunLog(tmp_path / "train.log", is_main=False) as log:
        log("a line")
    assert not (tmp_path / "train.log").exists()
    assert capsys.readouterr().out == ""


def test_a_quiet_log_writes_to_its_file_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with RunLog(tmp_path / "train.log", quiet=True) as log:
        log("a line")
    assert (tmp_path / "train.log").read_text(encoding="utf-8") == "a line\n"
    assert capsys.readouterr().out == ""
