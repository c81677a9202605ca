from __future__ import annotations

import pytest

from reference_model.config import ConfigError, TttKind
from reference_model.config_overrides import configured
from reference_model.presets import PRESETS, Size, preset

EVERY = [(name, size) for name in PRESETS for size in Size]


@pytest.mark.parametrize(("name", "size"), EVERY)
def test_every_preset_is_a_valid_configuration_in_every_size(name: str, size: Size) -> None:
    assert preset(name, size).name == name


@pytest.mark.parametrize(("name", "size"), EVERY)
def test_every_preset_adapts_by_document_without_further_settings(name: str, size: Size) -> None:
    config = configured(preset(name, size), overrides={"ttt.kind": "document_lora"})
    assert config.ttt.lora_chunk_tokens <= config.evaluation.eval_seq_len // 4


def test_an_unknown_preset_is_refused_with_the_known_ones() -> None:
    with pytest.raises(ConfigError, match="baseline, pr461, pr555, pr940, reference"):
        preset("pr549")


@pytest.mark.parametrize("name", ["pr461", "pr555", "pr940", "reference"])
def test_a_small_preset_keeps_the_techniques_of_the_full_one(name: str) -> None:
    full, small = preset(name).model, preset(name, Size.SMALL).model
    switches = ("smear", "value_residual", "gated_attention", "activation", "ln_scale", "document_fix")
    assert [getattr(full, each) for each in switches] == [getattr(small, each) for each in switches]


def test_small_recurrence_still_shares_one_core_as_the_full_one_does() -> None:
    small = preset("pr461", Size.SMALL).model
    assert (small.num_layers, small.num_cores, small.xsa_layers) == (5, 4, (0, 1, 2, 3, 4))


def test_layer_sets_keep_their_distance_from_the_last_layer_when_a_preset_shrinks() -> None:
    assert preset("pr555", Size.SMALL).model.sidecar_layers == (2, 3, 4)


def test_the_reference_trains_inside_the_clock_and_adapts_score_first() -> None:
    config = preset("reference")
    assert config.schedule.stop_before_cap
    assert config.ttt.kind is TttKind.CHUNK_SGD


def test_the_moving_average_of_a_short_run_forgets_its_start() -> None:
    config = preset("pr940", Size.SMALL)
    assert config.averaging.ema_decay**config.schedule.iterations < 0.01
