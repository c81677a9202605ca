from __future__ import annotations

import pytest

from reference_model.config import Config, ModelConfig, NgramConfig, NgramKind, Smear
from reference_model.pack.branch_folding import folded
from reference_model.pack.module_graph import Module
from reference_model.pack.switches import switches_of
from tests.reference_model.pack.packages import output, packed

CONFIG = Config(
    model=ModelConfig(smear=Smear.GATED, value_residual=True, xsa_layers=(1,)),
    ngram=NgramConfig(kind=NgramKind.NONE),
)


def left(text: str, config: Config = CONFIG) -> str:
    return folded(Module("m", text, is_package=False), switches_of(config), {}).text


def test_a_branch_of_an_absent_technique_goes():
    text = "def f(config: Config):\n    if config.ngram.kind is NgramKind.BACKOFF:\n        mix()\n    go()\n"
    assert left(text) == "def f(config: Config):\n    go()\n"


def test_the_branch_taken_moves_out_with_its_comments():
    text = """\
def f(config: ModelConfig):
    if config.value_residual:
        # the first layer's values
        keep()  # for later
    else:
        drop()
    go()
"""
    assert left(text) == (
        "def f(config: ModelConfig):\n    # the first layer's values\n    keep()  # for later\n    go()\n"
    )


@pytest.mark.parametrize(
    ("test", "outcome"),
    [
        ("config.smear is Smear.GATED", True),
        ("config.smear == Smear.NONE", False),
        ("config.smear is not Smear.NONE", True),
        ("config.smear in (Smear.CONVEX, Smear.GATED)", True),
        ("config.smear not in (Smear.CONVEX, Smear.GATED)", False),
        ("config.gated_attention", False),
        ("not config.xsa_layers", False),
        ("layer in config.sidecar_layers", False),
        ("config.bigram_buckets > 0", False),
        ("config.unique_layers == 0", True),
        ("config.gated_attention and layer", False),
        ("config.value_residual or layer", True),
    ],
)
def test_tests_on_switches_are_decided(test, outcome):
    text = f"def f(config: ModelConfig, layer):\n    if {test}:\n        yes()\n    else:\n        no()\n"
    assert left(text).splitlines()[1:] == ["    yes()" if outcome else "    no()"]


@pytest.mark.parametrize(
    "test",
    [
        "layer in config.xsa_layers",
        "config.model_dim > 0",
        "config.num_heads",
        "other.smear is Smear.GATED",
        "config.smear is layer",
        "config.rope_dims == 16",
    ],
)
def test_tests_on_plain_settings_and_unknown_values_stay(test):
    text = f"def f(config: ModelConfig, layer, other):\n    if {test}:\n        yes()\n"
    assert left(text) == text


def test_the_decided_part_of_a_test_goes():
    text = "def f(config: ModelConfig, n):\n    if n > 1 and config.value_residual:\n        yes()\n"
    assert "    if n > 1:\n" in left(text)


def test_a_call_before_the_deciding_part_is_still_made():
    text = "def f(config: ModelConfig, n):\n    if n() and config.gated_attention:\n        yes()\n"
    assert "    if n() and False:\n" in left(text)


def test_elif_chains_keep_what_may_run():
    text = """\
def f(config: Config, n):
    if config.ngram.kind is NgramKind.TILT:
        tilt()
    elif n:
        some()
    elif config.model.value_residual:
        values()
    else:
        rest()
"""
    assert left(text) == (
        "def f(config: Config, n):\n    if n:\n        some()\n    else:\n        values()\n"
    )


def test_a_conditional_expression_keeps_one_side():
    text = "def f(config: Config):\n    return a() if config.model.gated_attention else b()\n"
    assert left(text) == "def f(config: Config):\n    return b()\n"


def test_what_stands_behind_a_return_goes():
    text = (
        "def f(config: Config):\n    if config.model.value_residual:\n        return 1\n    return slow()\n"
    )
    assert left(text) == "def f(config: Config):\n    return 1\n"


def test_locals_and_attributes_that_hold_the_configuration_are_followed():
    text = """\
class Block:
    def __init__(self, config: Config):
        self.config = config.model

    def forward(self):
        smear = self.config.smear
        gated = smear is Smear.GATED
        return one() if gated else two()
"""
    attributes = {}
    from reference_model.pack.config_paths import ConfigPaths

    module, switches = Module("m", text, is_package=False), switches_of(CONFIG)
    ConfigPaths(module, switches.groups, attributes).read_attributes(module)
    assert "return one()\n" in folded(module, switches, attributes).text


def test_a_variable_bound_twice_is_not_taken_for_the_configuration():
    text = """\
def f(config: ModelConfig):
    config = other(config)
    if config.value_residual:
        yes()
"""
    assert left(text) == text


def test_lines_of_a_string_keep_their_indent():
    text = 'def f(config: ModelConfig):\n    if config.value_residual:\n        x = """a\n    b"""\n'
    assert left(text) == 'def f(config: ModelConfig):\n    x = """a\n    b"""\n'


def test_a_block_left_empty_gets_pass():
    text = "def f(config: ModelConfig):\n    if config.gated_attention:\n        gate()\n"
    assert left(text) == "def f(config: ModelConfig):\n    pass\n"


def test_a_block_whose_every_branch_goes_gets_pass():
    text = """\
def f(config: ModelConfig):
    if config.gated_attention:
        gate()
    if config.sidecar_layers:
        side()
    elif not config.value_residual:
        values()
"""
    assert left(text) == "def f(config: ModelConfig):\n    pass\n"


def test_a_field_that_the_program_itself_replaces_is_not_baked(tmp_path):
    bundle = packed(
        tmp_path,
        {
            "start": """
                class Settings:
                    value_residual = True
                class ModelConfig:
                    value_residual = False
                def replace(config, **changes):
                    return Settings()
                def told(config: ModelConfig):
                    return 'on' if config.value_residual else 'off'
                def main():
                    print(told(replace(ModelConfig(), value_residual=True)))
                """
        },
        switches=switches_of(Config()),
    )
    assert bundle.folded == ()
    assert output(bundle.text, tmp_path) == "on\n"


def test_a_technique_not_used_leaves_no_definition(tmp_path):
    bundle = packed(
        tmp_path,
        {
            "lora": "class Adapter:\n    pass\n",
            "start": """
                class Config: pass
                def main(config: Config = Config()):
                    if config.ngram.kind is not NgramKind.NONE:
                        from app.lora import Adapter
                        Adapter()
                    print('done')
                """,
        },
        switches=switches_of(CONFIG),
    )
    assert "Adapter" not in bundle.text
    assert bundle.modules_dropped == ("app.lora",)
    assert bundle.folded == ("ngram.kind",)
