from __future__ import annotations

import pytest
import torch

from reference_model.config import ConfigError
from reference_model.network.gpt import GPT
from reference_model.network.state_dict_names import from_original_names, to_original_names
from reference_model.presets import PRESETS, Size, preset

ORIGINAL_SYSTEMS = sorted(PRESETS.keys() - {"reference"})


@pytest.mark.parametrize("system", ORIGINAL_SYSTEMS)
def test_names_come_back_from_the_originals(system):
    state = GPT(preset(system, Size.TINY).model).state_dict()
    back = from_original_names(to_original_names(state, system), system)
    assert list(back) == list(state)
    assert all(back[name] is state[name] for name in state)


def test_cores_go_under_the_block_of_their_layer():
    state = {"cores.2.attn.c_q.weight": torch.zeros(1), "blocks.2.attn_scale": torch.zeros(1)}
    assert set(to_original_names(state, "pr940")) == {"blocks.2.attn.c_q.weight", "blocks.2.attn_scale"}
    assert set(to_original_names(state, "pr461")) == set(state)


def test_shared_cores_do_not_fit_a_script_without_them():
    state = GPT(preset("pr461", Size.TINY).model).state_dict()
    with pytest.raises(ConfigError, match="2 cores for 3 layers"):
        to_original_names(state, "pr555")


def test_unknown_systems_are_refused():
    with pytest.raises(ConfigError, match="no original system is called 'pr1'"):
        from_original_names({}, "pr1")
