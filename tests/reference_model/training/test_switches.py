"""Techniques that no preset turns on, each in a whole run: trained, packed, read back, scored."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from reference_model.distributed import World
from reference_model.training.final_evaluation import Stages
from reference_model.training.run_log import RunLog
from reference_model.training.train import train
from tests.reference_model.tiny_data import make_tiny_data, quick_config

if TYPE_CHECKING:
    from pathlib import Path

    from reference_model.config import Config
    from reference_model.training.train import TrainResult

SWITCHES = {
    "untied head": {"model__tie_embeddings": "0", "quantization__qat_threshold": "2"},
    "sidecar, value embeddings and gated smear": {
        "model__sidecar_layers": "1,2",
        "model__value_embedding_layers": "2",
        "model__smear": "gated",
        "model__document_fix": "1",
        "model__bigram_buckets": "64",
    },
    "recurrence with value residual and gates": {
        "model__unique_layers": "2",
        "model__value_residual": "1",
        "model__gated_attention": "1",
        "model__xsa_layers": "0,2",
    },
    "polar express outside the banks": {"optimizer__newton_schulz": "polar_express"},
    "quintic in the banks": {"optimizer__matrix_optimizer": "muon_banks"},
    "average of averages": {
        "averaging__ema_decay": "0.5",
        "averaging__swa_every": "1",
        "averaging__swa_start_scale": "2",
        "averaging__swa_source": "ema",
    },
    "soft rounding": {"quantization__qat_threshold": "2", "quantization__qat_soft_round": "1"},
    "clipping by matrix": {"quantization__gptq_lite": "per_matrix", "quantization__mlp_bits": "6"},
    "pruning": {"quantization__prune_fraction": "0.1"},
    "lzma": {"quantization__container": "lzma", "quantization__levels": "6"},
    "brotli": {"quantization__container": "brotli", "quantization__levels": "5"},
    "adaptation by document": {"ttt__kind": "document_lora"},
    "adaptation by chunk with AdamW": {"ttt__kind": "chunk_adamw", "evaluation__stride": "32"},
    "tilt": {"ngram__kind": "tilt"},
    "tilt of adapted documents": {"ngram__kind": "tilt", "ttt__kind": "document_lora"},
}


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_tiny_data(tmp_path_factory.mktemp("data"), train_documents=60, val_tokens=300)


def whole_run(config: Config, data_dir: Path, out_dir: Path) -> TrainResult:
    return train(
        config,
        data_dir=data_dir,
        out_dir=out_dir,
        world=World(),
        log=RunLog(quiet=True),
        stages=Stages.HEADLINE,
    )


@pytest.mark.parametrize("name", SWITCHES)
def test_a_switch_no_preset_turns_on_works_in_a_whole_run(name: str, data_dir: Path, tmp_path: Path) -> None:
    config = quick_config(
        "baseline", schedule__iterations="3", ttt__epochs="1", ttt__lora_documents="4", **SWITCHES[name]
    )
    result = whole_run(config, data_dir, tmp_path)
    assert result.losses[3] < result.losses[1]
    assert result.score.scored_tokens == 299
    assert result.score.val_loss_nats < result.losses[1]  # training reaches the score through the artifact


@pytest.mark.parametrize("name", ["soft rounding", "average of averages", "polar express outside the banks"])
def test_such_a_switch_changes_the_weights(name: str, data_dir: Path, tmp_path: Path) -> None:
    without = whole_run(quick_config("baseline", schedule__iterations="2"), data_dir, tmp_path / "without")
    config = quick_config("baseline", schedule__iterations="2", **SWITCHES[name])
    changed = whole_run(config, data_dir, tmp_path / "with")
    assert without.artifact.read_bytes() != changed.artifact.read_bytes()
