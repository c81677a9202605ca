"""The original training scripts, read from a clone's git objects and made to run on a CPU, unchanged.

Four systems: the challenge's baseline on main, and the scripts of PR #461, #555 and #940. Nothing of them is
kept in this repository: the source goes from the clone (GOLF_CLONE) to a temporary folder and is imported
from there. A stand-in for the name `torch` inside the imported module turns "cuda" into the CPU, compilation
into the identity and `inference_mode` into `no_grad` (rotary tables first built in inference mode cannot be
used in a later backward pass).

    module = load_original("pr461", clone_path())
    model = original_gpt(module, num_layers=3, model_dim=64, num_heads=4, num_kv_heads=2)
    printed = run_original_main("pr461", clone_path(), tmp_path, {"ITERATIONS": "10", "DATA_PATH": ...})
"""

from __future__ import annotations

import contextlib
import importlib.util
import inspect
import io
import os
import subprocess
import sys
import tempfile
import uuid
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
import torch
from torch import nn

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from reference_model.config import ModelConfig


@dataclass(frozen=True, slots=True, kw_only=True)
class OriginalSource:
    """Where a script lies in the clone."""

    commit: str
    path: str


ORIGINALS: Mapping[str, OriginalSource] = {
    "baseline": OriginalSource(
        commit="4908dc46f21ed3fdd08d2fdca285deb2194b9599",  # main
        path="train_gpt.py",
    ),
    "pr461": OriginalSource(
        commit="f8ff8039ca8e76b5f057a24d75924f5431a54ace",
        path="records/track_non_record_16mb/2026-03-22_11L_VE128_PartialRoPE_LegalTTT/train_gpt.py",
    ),
    "pr555": OriginalSource(
        commit="f231fd55b7e7af1e6bdd9ff44f362c883a8ef0a1",
        path="records/track_10min_16mb/2026-03-22_11L_Sidecar48_Bigram96_EMA_AdamWTTT/train_gpt.py",
    ),
    "pr940": OriginalSource(
        commit="682797376f06e5c2297f4ffcc6fe45aaeba5c108",
        path="records/track_10min_16mb/2026-03-26_ScoreFirst_TTT_Ngram_Backoff/train_gpt.py",
    ),
}


def clone_path() -> Path:
    """The clone that GOLF_CLONE names; skips the test where there is none."""
    named = os.environ.get("GOLF_CLONE", "")
    if not named:
        pytest.skip("GOLF_CLONE names no clone of openai/parameter-golf")
    return Path(named)


def load_original(
    system: str,
    clone: Path,
    *,
    float64: bool = False,
    env: Mapping[str, str] | None = None,
    rotary_float32: bool = False,
) -> ModuleType:
    """Import the script of a system with `env` laid over the environment (it is read at import).

    float64: the name `torch.bfloat16` inside means float64 (PR #555 and #940 force bf16 in attention), for
    exact comparisons. rotary_float32: casts of the whole model leave the rotary frequencies alone; otherwise
    `.bfloat16()` rounds them, as in production at lengths up to 1,024.
    """
    source = ORIGINALS[system]
    text = _blob(clone, source)
    folder = tempfile.TemporaryDirectory(prefix=f"original_{system}_")
    # two levels deep: PR #555 puts its logs two folders above the script
    path = Path(folder.name) / "records" / "track" / "train_gpt.py"
    path.parent.mkdir(parents=True)
    path.write_bytes(text)
    settings = dict(env or {})
    with _environment(settings):
        module = _imported(path, f"original_{system}_{uuid.uuid4().hex}")
    module.folder_of_source = folder  # type: ignore[attr-defined]  # removed together with the module
    module.settings = settings  # type: ignore[attr-defined]
    module.torch = torch_stand_in(float64=float64)  # type: ignore[attr-defined]
    module.subprocess = _SILENT_SUBPROCESS  # type: ignore[attr-defined]
    if hasattr(module, "_IS_AMPERE_PLUS"):  # PR #461 asks the GPU at import and falls back to fp16
        module._IS_AMPERE_PLUS = True
        module._HALF_DTYPE = torch.float64 if float64 else torch.bfloat16
    if rotary_float32:
        module.Rotary._apply = lambda self, _cast, recurse=True: self
    return module


def original_gpt(module: ModuleType, **overrides: Any) -> nn.Module:
    """The script's GPT with its own hyperparameters, some of them overridden by constructor argument."""
    arguments: dict[str, Any] = {}
    for name in inspect.signature(module.GPT.__init__).parameters:
        if name != "self" and hasattr(module.Hyperparameters, name):
            arguments[name] = getattr(module.Hyperparameters, name)
    unknown = overrides.keys() - inspect.signature(module.GPT.__init__).parameters.keys()
    assert not unknown, f"the original's GPT takes no {', '.join(sorted(unknown))}"
    with _environment(module.settings):  # PR #940's MLP reads LEAKY_SLOPE when it is built
        model: nn.Module = module.GPT(**{**arguments, **overrides})
    return model


def original_gpt_like(module: ModuleType, config: ModelConfig) -> nn.Module:
    """The script's GPT in the shape of a configuration of ours (a preset of the same system in any size).

    XSA must cover the last cores wholly: in PR #461 it belongs to cores, so to every layer of theirs.
    """
    having = {layer % config.num_cores for layer in config.xsa_layers}
    assert len(config.xsa_layers) == sum(
        layer % config.num_cores in having for layer in range(config.num_layers)
    ), f"no script has XSA in layers {config.xsa_layers} of {config.num_cores} cores only"
    known = inspect.signature(module.GPT.__init__).parameters
    same_name = ("vocab_size", "num_layers", "model_dim", "num_heads", "num_kv_heads", "tie_embeddings",
                 "logit_softcap", "rope_base", "qk_gain_init", "bigram_dim", "unique_layers", "rope_dims",
                 "ln_scale", "value_residual", "gated_attention")  # fmt: skip
    wanted: dict[str, Any] = {name: getattr(config, name) for name in same_name}
    wanted |= {
        "tied_embed_init_std": config.embed_init_std,
        "mlp_mult": config.mlp_mult if "bigram_dim" in known else int(config.mlp_mult),
        "mlp_activation": config.activation.value,
        "bigram_vocab_size": config.bigram_buckets,
        "xsa_last_n": config.num_cores - min(config.xsa_layers) if config.xsa_layers else 0,
        "ve_enabled": bool(config.value_embedding_layers),
        "ve_dim": config.value_embedding_dim,
        "ve_layers": ",".join(str(layer) for layer in config.value_embedding_layers),
        "sparse_start_layer": min(config.sidecar_layers, default=-1),
        "sparse_end_layer": max(config.sidecar_layers, default=-1),
        "sparse_hidden_dim": config.sidecar_dim if config.sidecar_layers else 0,
    }
    model = original_gpt(module, **{name: value for name, value in wanted.items() if name in known})
    for part in model.modules():
        if hasattr(part, "leaky_slope"):
            part.leaky_slope = config.leaky_slope  # type: ignore[assignment]
    return model


def in_production_types(module: ModuleType, model: nn.Module) -> nn.Module:
    """Cast as every main() does: all bf16, then linears and small tensors back to fp32."""
    model.bfloat16()
    for part in model.modules():
        if isinstance(part, module.CastedLinear):
            part.float()
    module.restore_low_dim_params_to_fp32(model)
    return model


def run_original_main(
    system: str,
    clone: Path,
    work_dir: Path,
    env: Mapping[str, str],
    *,
    prepare: Callable[[ModuleType], None] = lambda _module: None,
    **how: bool,
) -> str:
    """Run the whole script on the CPU in `work_dir`, where its files land; returns what it printed.

    `prepare` may change the imported module first.
    """
    settings = {"LOG_DIR": str(work_dir / "logs"), **env}
    module = load_original(system, clone, env=settings, **how)
    prepare(module)
    printed = io.StringIO()
    with (
        _environment(settings),
        contextlib.chdir(work_dir),
        _attention_settings(),
        contextlib.redirect_stdout(printed),
    ):
        module.main()
    return printed.getvalue()


class TorchStandIn:
    """Looks like torch, but its GPU is the CPU, and it compiles nothing."""

    def __init__(self, *, float64: bool) -> None:
        self.bfloat16 = torch.float64 if float64 else torch.bfloat16
        self.inference_mode = torch.no_grad
        self.cuda = SimpleNamespace(
            is_available=lambda: True,
            synchronize=lambda *_: None,
            set_device=lambda *_: None,
            manual_seed=lambda *_: None,
            manual_seed_all=lambda *_: None,
            empty_cache=lambda: None,
            max_memory_allocated=lambda *_: 0,
            max_memory_reserved=lambda *_: 0,
            get_device_capability=lambda *_: (9, 0),
        )

    def __getattr__(self, name: str) -> Any:
        return getattr(torch, name)

    def device(self, *_: object) -> torch.device:
        return torch.device("cpu")

    def compile(self, target: Any = None, **_: object) -> Any:
        return target if target is not None else lambda function: function

    def autocast(self, **how: Any) -> torch.autocast:
        return torch.autocast(**{**how, "device_type": "cpu"})


def torch_stand_in(*, float64: bool = False) -> TorchStandIn:
    return TorchStandIn(float64=float64)


_SILENT_SUBPROCESS = SimpleNamespace(
    PIPE=subprocess.PIPE, run=lambda *_, **__: SimpleNamespace(stdout="", stderr="", returncode=0)
)


def _blob(clone: Path, source: OriginalSource) -> bytes:
    """The script; `clone` may also be the script itself, where there is no clone."""
    if clone.is_file():
        return clone.read_bytes()
    command = ["git", "-C", str(clone), "cat-file", "blob", f"{source.commit}:{source.path}"]
    answer = subprocess.run(command, capture_output=True, check=False)
    if answer.returncode:
        pytest.fail(f"{clone} lacks {source.path} at {source.commit}: {answer.stderr.decode().strip()}")
    return answer.stdout


def _imported(path: Path, name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    finally:
        del sys.modules[name]
    return module


@contextlib.contextmanager
def _environment(settings: Mapping[str, str]) -> Iterator[None]:
    before = dict(os.environ)
    os.environ.update(settings)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


@contextlib.contextmanager
def _attention_settings() -> Iterator[None]:
    """Restore what main() switches off for the whole process."""
    cuda, cudnn = torch.backends.cuda, torch.backends.cudnn
    flags = (
        (cuda.enable_flash_sdp, cuda.flash_sdp_enabled()),
        (cuda.enable_math_sdp, cuda.math_sdp_enabled()),
        (cuda.enable_mem_efficient_sdp, cuda.mem_efficient_sdp_enabled()),
        (cuda.enable_cudnn_sdp, cuda.cudnn_sdp_enabled()),
    )
    tensor_float = cuda.matmul.allow_tf32, cudnn.allow_tf32
    try:
        yield
    finally:
        for switch, was_on in flags:
            switch(was_on)
        cuda.matmul.allow_tf32, cudnn.allow_tf32 = tensor_float
