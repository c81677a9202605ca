"""From trained weights to the artifact, and back from the written file: what is scored is what ships."""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from harness.errors import SetupError
from harness.whole_file import whole_file
from reference_model.artifacts.artifact import read_artifact, write_artifact
from reference_model.network.gpt import build_model

if TYPE_CHECKING:
    from torch import Tensor

    from reference_model.artifacts.artifact import ArtifactReport
    from reference_model.config import Config
    from reference_model.distributed import World
    from reference_model.network.gpt import GPT
    from reference_model.training.run_log import RunLog
    from reference_model.training.training_run import TrainedModel

ARTIFACT_NAME = "final_model.ptz"
FLOAT_WEIGHTS_NAME = "final_model.pt"


@dataclass(frozen=True, slots=True, kw_only=True)
class CodeSize:
    """Bytes of code that count towards the cap, and where the number comes from."""

    code_bytes: int
    source: str


def code_size(code: str | None, code_bytes: int | None = None) -> CodeSize:
    """Of the packed script `code`, or as stated; without either, of the modules a script is packed from."""
    if code_bytes is not None:
        return CodeSize(code_bytes=code_bytes, source="as stated")
    if code is not None:
        return CodeSize(code_bytes=len(code.encode("utf-8")), source="packed script")
    package = Path(__file__).parent.parent
    trained_by = [path for path in package.rglob("*.py") if package / "pack" not in path.parents]
    sizes = [path.stat().st_size for path in (*trained_by, *(package.parent / "harness/tokens").glob("*.py"))]
    return CodeSize(
        code_bytes=sum(sizes),
        source=f"{len(sizes)} unpacked sources of reference_model and harness.tokens; pack makes it less",
    )


def export_artifact(
    trained: TrainedModel, config: Config, world: World, log: RunLog, *, out_dir: Path, code_size: CodeSize
) -> tuple[Path, ArtifactReport | None]:
    """Quantise and write the artifact on rank 0 while the others wait; the report is None elsewhere.

    Also keeps the float weights beside it. Raises SetupError when a file cannot be written.
    """
    path = out_dir / ARTIFACT_NAME
    report: ArtifactReport | None = None
    if world.is_main:
        state = in_model_types(trained.exported, trained.model)
        raw_bytes = _write_float_weights(out_dir / FLOAT_WEIGHTS_NAME, state)
        log(f"Serialized model: {raw_bytes} bytes")
        log(f"Code size: {code_size.code_bytes} bytes")
        log(f"code_counted: {code_size.source}")
        try:
            report = write_artifact(path, state, config, code_bytes=code_size.code_bytes, log=log)
        except OSError as error:
            raise SetupError(f"cannot write {path}: {error.strerror}; free some space there") from None
        codec = f"int{config.quantization.mlp_bits}+{config.quantization.container.value}"
        log(f"Serialized model {codec}: {report.model_bytes} bytes")
        log(f"Total submission size {codec}: {report.total_bytes} bytes")
    world.barrier()
    return path, report


def model_of_artifact(path: Path, config: Config, world: World) -> GPT:
    """A model with the weights of the artifact at `path`; ArtifactError when it does not fit `config`."""
    model = build_model(config.model, device=world.device, compute=config.run.compute)
    model.load_state_dict(read_artifact(path, config))
    model.eval()
    return model


def in_model_types(state: dict[str, Tensor], model: GPT) -> dict[str, Tensor]:
    """`state` on the CPU in the storage types of `model`; averages are kept in fp32."""
    like = model.state_dict()
    return {name: tensor.detach().to("cpu", like[name].dtype) for name, tensor in state.items()}


def _write_float_weights(path: Path, state: dict[str, Tensor]) -> int:
    buffer = io.BytesIO()
    torch.save(state, buffer)
    try:
        with whole_file(path) as file:
            file.write(buffer.getbuffer())
    except OSError as error:
        raise SetupError(f"cannot write {path}: {error.strerror}; free some space there") from None
    return buffer.getbuffer().nbytes
