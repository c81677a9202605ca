"""The model file of a submission: written so that it fits beside the code, read back with all checks.

Size rule of the challenge: bytes of code plus bytes of compressed model, at most 16,000,000 (README,
"Submission process"). Sources: export and reload at the end of main() in train_gpt.py on main, PR #461 and
#940.
"""

from __future__ import annotations

import hashlib
import stat
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from harness.whole_file import whole_file
from reference_model.artifacts.artifact_layout import (
    HEADER_CAP_BYTES,
    ArtifactContent,
    ArtifactError,
    framed,
    packed_content,
    unframed,
    unpacked_content,
)
from reference_model.artifacts.downgrade import FittedFile, SizeTry, first_that_fits
from reference_model.artifacts.quantize import quantize_state
from reference_model.network.gpt import GPT

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from torch import Tensor

    from reference_model.config import Config, Container

_LISTED_DIFFERENCES = 3
_LONGEST_SHOWN = 80


@dataclass(frozen=True, slots=True, kw_only=True)
class ArtifactReport:
    """What was written: sizes in bytes, the choice that made it, SHA-256 of the file, every try."""

    model_bytes: int
    code_bytes: int
    cap_bytes: int
    fits: bool
    container: Container
    level: int
    int5_layers: tuple[int, ...]
    sha256: str
    tries: tuple[SizeTry, ...]

    @property
    def total_bytes(self) -> int:
        """Model and code together: what the cap is about."""
        return self.model_bytes + self.code_bytes

    @property
    def over_bytes(self) -> int:
        """Bytes over the cap, 0 where it fits."""
        return max(0, self.total_bytes - self.cap_bytes)


def write_artifact(
    path: Path, state: Mapping[str, Tensor], config: Config, *, code_bytes: int, log: Callable[[str], None]
) -> ArtifactReport:
    """Quantise, compress and write `state`; layers become int5 until it fits where the configuration says so.

    A file that does not fit is written all the same: `fits` is false and the log says by how much. The file
    appears under its name complete or not at all. Raises ArtifactError for weights that are nan or infinite,
    or too large for fp16 scales.
    """
    _refuse_infinite_weights(state)
    if config.quantization.prune_fraction:
        from reference_model.artifacts.prune import prune_smallest

        state = prune_smallest(state, config.quantization.prune_fraction)
        log(f"magnitude_pruning: frac={config.quantization.prune_fraction}")
    budget_bytes = config.quantization.artifact_cap_bytes - code_bytes
    fitted = first_that_fits(
        config,
        budget_bytes,
        content_of=lambda int5_layers: _content_of(state, config, int5_layers),
        file_of=lambda content, level: framed(content, config.quantization.container, level),
        log=log,
    )
    with whole_file(path) as file:
        file.write(fitted.file)
    report = _report_of(fitted, config, code_bytes)
    if not fitted.fits:
        log(
            f"WARNING: model {report.model_bytes:,} + code {code_bytes:,} = {report.total_bytes:,} bytes, "
            f"{report.over_bytes:,} over the cap of {report.cap_bytes:,}; shrink the model or the code"
        )
    return report


def read_artifact(path: Path, config: Config) -> dict[str, Tensor]:
    """The weights of an artifact, in the dtypes they had before quantising.

    Raises ArtifactError for a file that is missing, larger than the cap, cut off, damaged, of another format
    version or container, made for another model configuration, or that holds nan or infinite weights. It
    never unfolds more than the configured model needs.
    """
    cap_bytes = config.quantization.artifact_cap_bytes
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):  # a pipe would block, a device might never end
            raise ArtifactError(f"{path}: is not a regular file; name the final_model.ptz of a run")
        size_bytes = status.st_size
        if size_bytes > cap_bytes:
            raise ArtifactError(
                f"{path}: {size_bytes:,} bytes, {size_bytes - cap_bytes:,} over the cap of {cap_bytes:,} "
                "before the code is counted; shrink the model"
            )
        file = path.read_bytes()
    except OSError as error:
        raise ArtifactError(f"{path}: the artifact cannot be read: {error.strerror}") from None
    shapes = expected_shapes(config)
    try:
        content = unpacked_content(unframed(file, _most_content_bytes(shapes)))
        _compare_models(content, config)
        _compare_tensors(content, shapes)
        weights = {
            name: stored.restored(content.dtypes[name]) for name, stored in content.state.tensors.items()
        }
        _refuse_infinite_weights(weights)
    except ArtifactError as error:
        raise ArtifactError(f"{path}: {error}") from None
    return weights


def expected_shapes(config: Config) -> dict[str, tuple[int, ...]]:
    """Names and shapes of the configured model's tensors; takes no memory for them."""
    with torch.device("meta"):
        model = GPT(config.model)
    return {name: tuple(tensor.shape) for name, tensor in model.state_dict().items()}


def _content_of(state: Mapping[str, Tensor], config: Config, int5_layers: tuple[int, ...]) -> bytes:
    cores = frozenset(layer % config.model.num_cores for layer in int5_layers)
    quantized = quantize_state(state, config.quantization, int5_layers=cores)
    for name, stored in quantized.tensors.items():
        kept = stored.values if stored.scale is None else stored.scale
        if not torch.isfinite(kept).all():
            raise ArtifactError(
                f"tensor {name!r} is too large for {stored.storage.value}: its greatest weight is "
                f"{float(state[name].abs().max()):.3g}, fp16 ends at 65,504; the training diverged"
            )
    dtypes = {name: tensor.dtype for name, tensor in state.items()}
    model = config.as_dict()["model"]
    return packed_content(ArtifactContent(model=model, state=quantized, dtypes=dtypes))


def _report_of(fitted: FittedFile, config: Config, code_bytes: int) -> ArtifactReport:
    last = fitted.tries[-1]
    return ArtifactReport(
        model_bytes=len(fitted.file),
        code_bytes=code_bytes,
        cap_bytes=config.quantization.artifact_cap_bytes,
        fits=fitted.fits,
        container=config.quantization.container,
        level=last.level,
        int5_layers=last.int5_layers,
        sha256=hashlib.sha256(fitted.file).hexdigest(),
        tries=fitted.tries,
    )


def _refuse_infinite_weights(state: Mapping[str, Tensor]) -> None:
    for name, tensor in state.items():
        if not torch.isfinite(tensor).all():
            raise ArtifactError(f"tensor {name!r} holds nan or infinite weights; the training diverged")


def _most_content_bytes(shapes: Mapping[str, tuple[int, ...]]) -> int:
    elements = sum(torch.Size(shape).numel() for shape in shapes.values())
    return 8 * elements + HEADER_CAP_BYTES  # no dtype is wider than 8 bytes


def _compare_models(content: ArtifactContent, config: Config) -> None:
    here = config.as_dict()["model"]
    there = content.model
    differing = [name for name in {**here, **there} if here.get(name) != there.get(name)]
    if differing:
        told = [
            f"model.{_shown(name)} is {_shown(there.get(name))} in the file, {here.get(name)} here"
            for name in differing
        ]
        raise ArtifactError("the artifact is of another configuration: " + _first_of(told))


def _compare_tensors(content: ArtifactContent, shapes: Mapping[str, tuple[int, ...]]) -> None:
    there = {name: tuple(stored.values.shape) for name, stored in content.state.tensors.items()}
    told = [f"{name} is missing" for name in shapes if name not in there]
    told += [f"{_shown(name)} is unknown" for name in there if name not in shapes]
    told += [
        f"{name} has the shape {there[name]} instead of {shape}"
        for name, shape in shapes.items()
        if there.get(name, shape) != shape
    ]
    told += [
        f"{name} is restored to {dtype}, which holds no fractions"
        for name, dtype in content.dtypes.items()
        if name in shapes and not dtype.is_floating_point
    ]
    if told:
        raise ArtifactError("the artifact's tensors are not those of the model: " + _first_of(told))


def _shown(value: object) -> str:
    """What a file says of itself, fit for a terminal: at most a line, no control characters."""
    text = str(value)
    text = text if text.isprintable() else ascii(text)
    return text if len(text) <= _LONGEST_SHOWN else text[:_LONGEST_SHOWN] + "..."


def _first_of(told: list[str]) -> str:
    listed = "; ".join(told[:_LISTED_DIFFERENCES])
    rest = len(told) - _LISTED_DIFFERENCES
    return f"{listed}; and {rest} more" if rest > 0 else listed
