from __future__ import annotations

import os
import signal
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
import torch

from harness.errors import SetupError
from reference_model.config import ConfigError
from reference_model.distributed import World
from reference_model.exit_status import RunInterruptedError, TrainingError
from reference_model.network.gpt import build_model
from reference_model.presets import PRESETS
from reference_model.training.final_evaluation import Stages, final_stages
from reference_model.training.run_log import RunLog
from reference_model.training.train import RunProgress, evaluate_artifact, train
from reference_model.training.train_model import train_model
from reference_model.training.training_clock import WallClockCap
from tests.reference_model.tiny_data import make_tiny_data, quick_config

if TYPE_CHECKING:
    from pathlib import Path

    from reference_model.config import Config
    from reference_model.evaluation.score_tally import EvaluationProgress
    from reference_model.training.training_run import TrainedModel

SILENT = RunLog(quiet=True)


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_tiny_data(tmp_path_factory.mktemp("data"), val_tokens=700)


def trained(
    config: Config, data_dir: Path, out_dir: Path, *, stops_after: int = 0, resume: bool = False
) -> TrainedModel:
    def stop(step: int, _steps: int, _loss: float) -> None:
        if step == stops_after:
            os.kill(os.getpid(), signal.SIGTERM)

    return train_model(
        config, data_dir=data_dir, out_dir=out_dir, world=World(), log=SILENT, progress=stop, resume=resume
    )


def same_weights(one: TrainedModel, other: TrainedModel) -> bool:
    return one.exported.keys() == other.exported.keys() and all(
        torch.equal(one.exported[name], other.exported[name]) for name in one.exported
    )


@pytest.mark.parametrize("name", PRESETS)
def test_every_preset_trains_exports_and_scores(name: str, data_dir: Path, tmp_path: Path) -> None:
    config = quick_config(name)
    result = train(config, data_dir=data_dir, out_dir=tmp_path, world=World(), log=SILENT)
    assert result.losses[6] < result.losses[1]
    assert [*result.scores] == [stage.name for stage in final_stages(config)]
    assert result.score.scored_tokens == 699
    assert result.report is not None
    assert result.report.model_bytes == (tmp_path / "final_model.ptz").stat().st_size


def test_the_same_seed_trains_to_the_same_bits(data_dir: Path, tmp_path: Path) -> None:
    one, other = (trained(quick_config("reference"), data_dir, tmp_path) for _ in range(2))
    assert one.losses == other.losses
    assert same_weights(one, other)


def test_another_seed_trains_to_other_weights(data_dir: Path, tmp_path: Path) -> None:
    one, other = (trained(quick_config(run__seed=seed), data_dir, tmp_path) for seed in "12")
    assert not same_weights(one, other)


@pytest.mark.parametrize("name", ["pr461", "reference"])
def test_a_resumed_run_equals_one_that_never_stopped(name: str, data_dir: Path, tmp_path: Path) -> None:
    config = quick_config(name, quantization__qat_threshold="0.8")  # the stop falls into late QAT
    whole = trained(config, data_dir, tmp_path)
    with pytest.raises(
        RunInterruptedError, match="stopped after step 5 of 6; the same command with --resume"
    ):
        trained(config, data_dir, tmp_path, stops_after=4)
    resumed = trained(config, data_dir, tmp_path, resume=True)
    assert resumed.losses == {6: whole.losses[6]}
    assert same_weights(whole, resumed)


def test_warm_up_leaves_no_trace(data_dir: Path, tmp_path: Path) -> None:
    plain = trained(quick_config("reference", schedule__iterations="2"), data_dir, tmp_path)
    config = quick_config("reference", schedule__iterations="2", schedule__warmup_steps="3")
    assert same_weights(plain, trained(config, data_dir, tmp_path))


def test_forward_batches_of_another_size_give_the_same_training(data_dir: Path, tmp_path: Path) -> None:
    plain = trained(quick_config(run__compute="float32"), data_dir, tmp_path)
    config = quick_config(run__compute="float32", data__micro_batch_seqs="3")
    regrouped = trained(config, data_dir, tmp_path)
    assert list(regrouped.losses.values()) == pytest.approx(list(plain.losses.values()), abs=2e-4)


def test_a_loss_that_is_no_number_names_the_step_and_keeps_the_checkpoint(
    data_dir: Path, tmp_path: Path
) -> None:
    config = quick_config(schedule__checkpoint_every="1", optimizer__token_lr="1e38")
    with pytest.raises(
        TrainingError, match=r"loss is nan at step 2 of 6; .*checkpoint\.pt is from before it"
    ):
        trained(config, data_dir, tmp_path)
    assert torch.load(tmp_path / "checkpoint.pt", weights_only=True)["step"] == 1


def test_the_clock_stops_training_after_the_step_that_reaches_it(data_dir: Path, tmp_path: Path) -> None:
    config = quick_config(schedule__max_wallclock_seconds="0.001")
    result = trained(config, data_dir, tmp_path)
    assert result.stopped_by_clock
    assert result.steps == 1


def test_stopping_before_the_cap_leaves_room_for_the_longest_of_the_last_steps() -> None:
    schedule = quick_config(schedule__max_wallclock_seconds="1").schedule
    after = WallClockCap(schedule)
    before = WallClockCap(replace(schedule, stop_before_cap=True))
    readings = [100, 400, 690, 800, 1010]
    assert [after.is_reached(ms) for ms in readings] == [False, False, False, False, True]
    assert [before.is_reached(ms) for ms in readings] == [False, False, False, True, True]


def test_a_step_in_flight_needs_room_for_three() -> None:
    schedule = replace(quick_config(schedule__max_wallclock_seconds="1").schedule, stop_before_cap=True)
    cap = WallClockCap(schedule, steps_in_flight=1)
    assert [cap.is_reached(ms) for ms in (100, 200, 690, 700)] == [False, False, True, True]


def test_validation_does_not_count_as_training(data_dir: Path, tmp_path: Path) -> None:
    config = quick_config(schedule__iterations="2", schedule__val_loss_every="1")
    often = train(
        config, data_dir=data_dir, out_dir=tmp_path, world=World(), log=SILENT, stages=Stages.HEADLINE
    )
    assert often.validation is not None
    seldom = replace(config, schedule=replace(config.schedule, val_loss_every=0))
    assert same_weights(trained(config, data_dir, tmp_path), trained(seldom, data_dir, tmp_path))


def test_late_fake_quantisation_changes_what_a_compiled_model_computes() -> None:
    from reference_model.artifacts.fake_quantization import (
        disable_fake_quantization,
        enable_fake_quantization,
    )

    config = quick_config(
        run__compute="float32",
        model__num_layers="1",
        quantization__mlp_bits="5",
        quantization__small_tensor_elements="0",
    )
    torch.manual_seed(0)
    model = build_model(config.model, device=torch.device("cpu"), compute=config.run.compute).train()
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.1)
    compiled = torch.compile(model, dynamic=False, fullgraph=True, backend="eager")
    tokens_BT = torch.randint(0, config.model.vocab_size, (2, 64))
    plain = compiled(tokens_BT, tokens_BT).item()
    enable_fake_quantization(model, config.quantization, progress=0.0)
    assert compiled(tokens_BT, tokens_BT).item() == pytest.approx(
        model(tokens_BT, tokens_BT).item(), rel=1e-5
    )
    assert abs(compiled(tokens_BT, tokens_BT).item() - plain) > 1e-4
    disable_fake_quantization(model)
    assert compiled(tokens_BT, tokens_BT).item() == pytest.approx(plain, rel=1e-5)


def test_an_artifact_scored_alone_gives_the_score_of_its_run(data_dir: Path, tmp_path: Path) -> None:
    config = quick_config("pr940")
    result = train(
        config, data_dir=data_dir, out_dir=tmp_path, world=World(), log=SILENT, stages=Stages.HEADLINE
    )
    scores = evaluate_artifact(
        config, result.artifact, data_dir=data_dir, world=World(), log=SILENT, stages=Stages.HEADLINE
    )
    assert [*scores] == ["ngram"]
    assert scores["ngram"].val_bpb == result.score.val_bpb


@pytest.mark.parametrize("kind", ["backoff", "tilt"])
def test_counting_n_grams_shows_its_progress_before_scoring_does(
    kind: str, data_dir: Path, tmp_path: Path
) -> None:
    config = quick_config(ngram__kind=kind, schedule__iterations="1")
    seen: list[EvaluationProgress] = []
    progress = RunProgress(evaluation=seen.append)
    train(
        config, data_dir=data_dir, out_dir=tmp_path, world=World(), log=SILENT,
        stages=Stages.HEADLINE, progress=progress,
    )  # fmt: skip
    assert (seen[0].activity, seen[-1].activity) == ("counting n-grams", "scoring")
    assert [state.done for state in seen if state.activity == "counting n-grams"][-1] == 700


def test_no_validation_shards_are_a_setup_error_before_training(data_dir: Path, tmp_path: Path) -> None:
    (tmp_path / "fineweb_train_000000.bin").write_bytes((data_dir / "fineweb_train_000000.bin").read_bytes())
    (tmp_path / "tiny_320.model").write_bytes((data_dir / "tiny_320.model").read_bytes())
    with pytest.raises(SetupError, match=r"fineweb_val_\*\.bin"):
        train(quick_config(), data_dir=tmp_path, out_dir=tmp_path / "run", world=World(), log=SILENT)


def test_resuming_under_another_configuration_names_the_difference(data_dir: Path, tmp_path: Path) -> None:
    with pytest.raises(RunInterruptedError):
        trained(quick_config(), data_dir, tmp_path, stops_after=1)
    other = quick_config(optimizer__matrix_lr="0.02")
    with pytest.raises(ConfigError, match=r"optimizer\.matrix_lr: 0\.04 there, 0\.02 now"):
        trained(other, data_dir, tmp_path, resume=True)
