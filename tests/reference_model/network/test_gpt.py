from __future__ import annotations

import copy
import math

import pytest
import torch

from reference_model.config import Activation, ComputeType, ConfigError, LinearInit, ModelConfig, Smear
from reference_model.network.gpt import GPT, activation_type, autocast, build_model
from reference_model.presets import Size, preset
from tests.reference_model.small_models import perturbed, small_config, small_model, small_tokens

CPU = torch.device("cpu")

TECHNIQUES = {
    "baseline": {},
    "leaky": {"activation": Activation.LEAKY_RELU_SQ, "leaky_slope": 0.9},
    "full rotation": {"rope_dims": 0},
    "ln scale": {"ln_scale": True},
    "recurrence": {"unique_layers": 3},
    "bigram": {"bigram_buckets": 50, "bigram_dim": 16},
    "bigram without projection": {"bigram_buckets": 50, "bigram_dim": 32},
    "convex smear": {"smear": Smear.CONVEX},
    "gated smear": {"smear": Smear.GATED},
    "document fix": {"smear": Smear.CONVEX, "bigram_buckets": 50, "document_fix": True},
    "xsa": {"xsa_layers": (0, 3)},
    "value embedding": {"value_embedding_layers": (1, 3), "value_embedding_dim": 8},
    "value embedding without projection": {"value_embedding_layers": (3,), "value_embedding_dim": 16},
    "value residual": {"value_residual": True},
    "gated attention": {"gated_attention": True},
    "sidecar inside": {"sidecar_layers": (1, 2), "sidecar_dim": 8},
    "sidecar at the end": {"sidecar_layers": (0, 3), "sidecar_dim": 8},
    "untied head": {"tie_embeddings": False},
    "one layer": {"num_layers": 1, "value_residual": True, "xsa_layers": (0,)},
    "ungrouped heads": {"num_kv_heads": 4, "xsa_layers": (2,)},
    "all": {
        "unique_layers": 3,
        "ln_scale": True,
        "bigram_buckets": 50,
        "smear": Smear.GATED,
        "document_fix": True,
        "xsa_layers": (2, 3),
        "value_embedding_layers": (0, 3),
        "value_residual": True,
        "gated_attention": True,
        "sidecar_layers": (2, 3),
        "sidecar_dim": 8,
    },
}

every_technique = pytest.mark.parametrize("fields", TECHNIQUES.values(), ids=TECHNIQUES.keys())


@every_technique
def test_logits_do_not_see_later_tokens(fields):
    model, tokens = small_model(**fields), small_tokens()
    swapped = tokens.clone()
    swapped[:, 10:] = (swapped[:, 10:] + 11) % 60 + 2
    before, after = model.logits(tokens), model.logits(swapped)
    torch.testing.assert_close(before[:, :10], after[:, :10], rtol=0, atol=1e-12)
    assert (before[:, 10:] - after[:, 10:]).abs().max() > 1e-4


@every_technique
@pytest.mark.parametrize("last", [1, 2, 7, 23, 24])
def test_logits_of_the_last_positions_are_those_of_all(fields, last):
    model, tokens = small_model(**fields), small_tokens()
    part, whole = model.logits(tokens, last=last), model.logits(tokens)[:, -last:]
    torch.testing.assert_close(part, whole, rtol=0, atol=1e-12)


@every_technique
def test_loss_nll_and_logits_agree(fields):
    model, tokens, targets = small_model(**fields), small_tokens(), small_tokens().flip(0)
    by_logits = torch.nn.functional.cross_entropy(
        model.logits(tokens).flatten(0, 1), targets.flatten(), reduction="none"
    ).view(2, -1)
    torch.testing.assert_close(model.nll(tokens, targets), by_logits)
    torch.testing.assert_close(model.nll(tokens, targets, last=5), by_logits[:, -5:])
    torch.testing.assert_close(model(tokens, targets), by_logits.mean())
    with torch.inference_mode():
        torch.testing.assert_close(model.nll(tokens, targets, last=5), by_logits[:, -5:])
        torch.testing.assert_close(model(tokens, targets), by_logits.mean())


@every_technique
def test_gradients_by_hand_are_those_of_the_plain_formulas(fields, monkeypatch):
    model, tokens, targets = small_model(**fields), small_tokens(), small_tokens().flip(0)
    model(tokens, targets).backward()
    by_hand = {name: parameter.grad for name, parameter in model.named_parameters()}
    model.zero_grad(set_to_none=True)
    for module in ("normalization", "rotary", "mlp", "cross_entropy"):
        monkeypatch.setattr(f"reference_model.network.{module}.takes_hand_gradients", lambda _: False)
    model(tokens, targets).backward()
    plain = {name: parameter.grad for name, parameter in model.named_parameters()}
    torch.testing.assert_close(by_hand, plain, rtol=1e-9, atol=1e-12)


@every_technique
def test_every_parameter_learns(fields):
    """Except the value residual of a core that only the first layer uses."""
    model, tokens = small_model(**fields), small_tokens()
    tokens[0, 5] = 1
    model(tokens, small_tokens().flip(0)).backward()
    silent = {name for name, each in model.named_parameters() if each.grad is None and each.numel()}
    alone = model.config.value_residual and model.config.num_layers <= model.config.num_cores
    assert silent == ({"cores.0.attn.vr_lambda"} if alone else set())


def test_shared_cores_learn_from_the_mean_of_their_layers():
    shared = small_model(unique_layers=2)
    apart = GPT(small_config()).double()
    apart.load_state_dict(
        {
            name.replace("cores.0.", f"cores.{first}.").replace("cores.1.", f"cores.{second}."): tensor
            for first, second in ((0, 1), (2, 3))
            for name, tensor in shared.state_dict().items()
        }
    )
    tokens, targets = small_tokens(), small_tokens().flip(0)
    for model in (shared, apart):
        model(tokens, targets).backward()
    mean = (apart.cores[1].mlp.fc.weight.grad + apart.cores[3].mlp.fc.weight.grad) / 2
    torch.testing.assert_close(shared.cores[1].mlp.fc.weight.grad, mean)


def test_copies_of_a_model_keep_the_mean_of_shared_gradients():
    model = small_model(unique_layers=2)
    twin = copy.deepcopy(model)
    for each in (model, twin):
        each(small_tokens(), small_tokens().flip(0)).backward()
    torch.testing.assert_close(model.cores[0].attn.c_q.weight.grad, twin.cores[0].attn.c_q.weight.grad)


def test_training_works_after_evaluation_in_inference_mode():
    model, tokens = small_model(), small_tokens()
    with torch.inference_mode():
        model.logits(tokens)
    model(tokens, tokens).backward()
    assert model.tok_emb.weight.grad is not None


def test_logits_stay_within_the_softcap():
    model = perturbed(GPT(small_config(logit_softcap=2.0)), amount=5.0)
    assert model.logits(small_tokens()).abs().max() <= 2.0


@pytest.mark.parametrize("cap", [5.0, 30.0, 200.0])
def test_loss_is_exact_at_any_softcap(cap):
    model, tokens = perturbed(GPT(small_config(logit_softcap=cap)), amount=3.0), small_tokens()
    expected = torch.nn.functional.cross_entropy(
        model.logits(tokens).double().flatten(0, 1), tokens.flatten()
    )
    assert model(tokens, tokens).item() == pytest.approx(expected.item(), rel=1e-5)


@pytest.mark.parametrize("last", [0, -1, 25])
def test_asking_for_positions_that_do_not_exist_is_refused(last):
    with pytest.raises(ValueError, match=f"last={last} positions asked of sequences of 24 tokens"):
        small_model().logits(small_tokens(), last=last)


@pytest.mark.parametrize(
    ("name", "count"),
    [("baseline", 17_059_912), ("pr461", 24_634_452), ("pr555", 26_823_545), ("pr940", 27_137_223)],
)
def test_presets_have_the_parameters_that_the_logs_tell(name, count):
    with torch.device("meta"):
        model = GPT(preset(name).model)
    assert sum(parameter.numel() for parameter in model.parameters()) == count


def test_orthogonal_start_has_unit_singular_values_and_damped_projections():
    torch.manual_seed(0)
    config = small_config(
        model_dim=128, linear_init=LinearInit.ORTHOGONAL, bigram_buckets=50, bigram_dim=64, num_layers=8
    )
    model = GPT(config)
    singular = torch.linalg.svdvals(model.cores[0].mlp.fc.weight)
    torch.testing.assert_close(singular, torch.ones(128), rtol=0, atol=1e-4)
    damped = torch.linalg.svdvals(model.bigram.proj.weight)
    torch.testing.assert_close(damped, torch.full((64,), 1 / math.sqrt(16)), rtol=0, atol=1e-4)
    assert model.tok_emb.weight.std().item() == pytest.approx(0.005, rel=0.05)


def test_layers_start_without_output_and_the_rest_as_published():
    model = GPT(preset("pr940", Size.TINY).model)
    state = model.state_dict()
    zero = {name for name, tensor in state.items() if not tensor.any()}
    proj = {f"cores.{core}.{part}.proj.weight" for core in range(3) for part in ("attn", "mlp")}
    gates = {f"cores.{core}.attn.attn_gate.weight" for core in range(3)}
    assert zero == proj | gates | {"smear.gate", "bigram.embed.weight"}
    assert state["cores.1.attn.attn_gate.bias"].unique().tolist() == [4.0]
    assert state["cores.1.attn.vr_lambda"].tolist() == [0.5, 0.5]
    assert state["bigram.scale"].item() == pytest.approx(0.05)


def test_bfloat16_models_store_tables_in_bfloat16_and_the_rest_in_float32():
    config = small_config(
        bigram_buckets=50, value_embedding_layers=(1,), sidecar_layers=(2,), smear=Smear.GATED
    )
    model = build_model(config, device=CPU, compute=ComputeType.BFLOAT16)
    narrow = {name for name, parameter in model.named_parameters() if parameter.dtype == torch.bfloat16}
    assert narrow == {"tok_emb.weight", "bigram.embed.weight", "ve_shared.embed.weight",
                      "shared_sparse.site_gate.weight", "shared_sparse.local.weight"}  # fmt: skip
    assert {parameter.dtype for parameter in model.parameters()} == {torch.float32, torch.bfloat16}


@every_technique
def test_bfloat16_activations_come_close_to_float32(fields):
    wide = perturbed(build_model(small_config(**fields), device=CPU, compute=ComputeType.FLOAT32))
    narrow = build_model(small_config(**fields), device=CPU, compute=ComputeType.BFLOAT16)
    narrow.activations = torch.bfloat16
    narrow.load_state_dict(wide.state_dict())
    tokens = small_tokens()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        loss = narrow(tokens, tokens)
        logits = narrow.logits(tokens)
    loss.backward()
    assert logits.dtype == torch.bfloat16
    assert loss.item() == pytest.approx(wide(tokens, tokens).item(), rel=1e-2)
    assert (logits.float() - wide.logits(tokens)).abs().mean() < 2e-2


def test_a_cpu_without_bfloat16_products_computes_in_float32(monkeypatch):
    monkeypatch.setattr("reference_model.network.gpt.multiplies_bfloat16", lambda: False)
    assert activation_type(CPU, ComputeType.BFLOAT16) is torch.float32
    assert activation_type(torch.device("cuda"), ComputeType.BFLOAT16) is torch.bfloat16
    with autocast(CPU, ComputeType.BFLOAT16):
        assert not torch.is_autocast_enabled("cpu")


def test_a_cpu_with_bfloat16_products_uses_them(monkeypatch):
    monkeypatch.setattr("reference_model.network.gpt.multiplies_bfloat16", lambda: True)
    with autocast(CPU, ComputeType.BFLOAT16):
        assert torch.is_autocast_enabled("cpu")
    with autocast(CPU, ComputeType.FLOAT32):
        assert not torch.is_autocast_enabled("cpu")


@pytest.mark.parametrize(
    ("fields", "complaint"),
    [
        ({"model_dim": 30}, "not a multiple of model.num_heads"),
        ({"num_kv_heads": 3}, "not a multiple of model.num_kv_heads"),
        ({"rope_dims": 5}, "model.rope_dims 5"),
        ({"xsa_layers": (4,)}, "xsa_layers names layer 4"),
        ({"unique_layers": 5}, "model.unique_layers 5"),
        ({"bigram_buckets": 1}, "model.bigram_buckets 1"),
        ({"bos_id": 64}, "model.bos_id 64"),
    ],
)
def test_shapes_that_no_network_has_are_refused(fields, complaint):
    with pytest.raises(ConfigError, match=complaint):
        small_config(**fields)


def test_configuration_defaults_are_the_baseline():
    assert preset("baseline").model == ModelConfig()
