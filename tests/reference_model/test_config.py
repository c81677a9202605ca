from __future__ import annotations

import contextlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reference_model.config import (
    Activation,
    Config,
    ConfigError,
    EvaluationConfig,
    ModelConfig,
    NgramConfig,
    QuantizationConfig,
    TttConfig,
    TttKind,
)
from reference_model.config_overrides import config_fields, configured


def test_heads_that_do_not_divide_the_width_are_refused_with_both_numbers() -> None:
    with pytest.raises(ConfigError, match=r"model\.model_dim 100 is not a multiple of model\.num_heads 8"):
        ModelConfig(model_dim=100)


def test_key_value_heads_that_do_not_divide_the_heads_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"num_heads 8 is not a multiple of model\.num_kv_heads 3"):
        ModelConfig(num_kv_heads=3)


@pytest.mark.parametrize("name", ["xsa_layers", "value_embedding_layers", "sidecar_layers"])
def test_a_layer_the_model_does_not_have_is_refused_in_every_set(name: str) -> None:
    with pytest.raises(ConfigError, match=rf"model\.{name} names layer 9; the model has layers 0 to 8"):
        ModelConfig(**{name: (0, 9)})


def test_a_layer_named_twice_is_refused() -> None:
    with pytest.raises(ConfigError, match="twice"):
        ModelConfig(xsa_layers=(1, 1))


def test_a_rate_that_is_not_a_number_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"ttt\.lr is nan"):
        TttConfig(lr=float("nan"))


def test_a_stride_longer_than_the_window_is_refused_because_tokens_would_go_unscored() -> None:
    with pytest.raises(ConfigError, match="unscored"):
        EvaluationConfig(eval_seq_len=64, stride=65)


def test_a_compression_level_the_container_lacks_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"quantization\.levels 22: zlib knows 0 to 9"):
        QuantizationConfig(levels=(22,))


def test_mixing_weights_of_one_or_more_are_refused() -> None:
    with pytest.raises(ConfigError, match="alpha_high"):
        NgramConfig(alpha_high=1.0)


def test_chunk_ttt_without_sliding_windows_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"evaluation\.stride"):
        Config(ttt=TttConfig(kind=TttKind.CHUNK_SGD))


def test_a_batch_that_does_not_divide_into_spans_is_refused_with_the_product() -> None:
    with pytest.raises(ConfigError, match="8,192"):
        configured(Config(), overrides={"data.train_batch_tokens": "8193"})


def test_an_environment_variable_of_the_challenge_overrides_its_field() -> None:
    assert configured(Config(), environ={"ITERATIONS": "7"}).schedule.iterations == 7


def test_the_command_line_wins_over_the_environment() -> None:
    chosen = configured(Config(), overrides={"schedule.iterations": "5"}, environ={"ITERATIONS": "7"})
    assert chosen.schedule.iterations == 5


def test_lists_words_and_switches_are_read_as_their_types() -> None:
    settings = {"model.xsa_layers": "7, 8", "model.activation": "leaky_relu_sq", "model.ln_scale": "1"}
    model = configured(Config(), overrides=settings).model
    assert (model.xsa_layers, model.activation, model.ln_scale) == ((7, 8), Activation.LEAKY_RELU_SQ, True)


def test_an_unknown_setting_is_refused_by_name() -> None:
    with pytest.raises(ConfigError, match=r"model\.layers"):
        configured(Config(), overrides={"model.layers": "3"})


def test_a_word_that_is_no_choice_is_refused_with_the_choices() -> None:
    with pytest.raises(ConfigError, match="one of none, convex, gated"):
        configured(Config(), environ={"SMEAR": "gate"})


def test_a_value_of_the_wrong_type_is_refused() -> None:
    with pytest.raises(ConfigError, match="SEED='x' is not of type int"):
        configured(Config(), environ={"SEED": "x"})


def test_every_setting_has_its_own_environment_variable() -> None:
    variables = [variable for *_, variable in config_fields()]
    assert len(set(variables)) == len(variables) > 80


def test_a_configuration_prints_as_json() -> None:
    assert json.loads(json.dumps(Config().as_dict()))["model"]["activation"] == "relu_sq"


@given(st.text(max_size=20))
def test_no_text_in_a_setting_escapes_as_another_error(text: str) -> None:
    with contextlib.suppress(ConfigError):
        configured(Config(), overrides={"model.num_layers": text})


@pytest.mark.parametrize("text", ["inf", "-inf", "nan"])
def test_a_learning_rate_that_is_not_finite_is_refused(text: str):
    with pytest.raises(ConfigError, match="a finite number"):
        configured(Config(), overrides={"optimizer.matrix_lr": text})
