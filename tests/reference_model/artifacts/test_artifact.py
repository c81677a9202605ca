from __future__ import annotations

import hashlib
import struct
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
import torch

from reference_model.artifacts.artifact import ArtifactReport, read_artifact, write_artifact
from reference_model.artifacts.artifact_layout import ArtifactError, framed
from reference_model.artifacts.quantize import dequantize_state, quantize_state
from reference_model.config import Container
from reference_model.network.gpt import GPT
from reference_model.presets import PRESETS, Size, preset

if TYPE_CHECKING:
    from pathlib import Path

    from torch import Tensor

    from reference_model.config import Config

REFERENCE = preset("reference", Size.TINY)
TINY = replace(REFERENCE, quantization=replace(REFERENCE.quantization, levels=(1,)))  # 22 takes a second
MAGIC, VERSION, CONTAINER, PAYLOAD_BYTES, DIGEST = 0, 8, 10, 19, 27  # where the parts of the frame begin
PAYLOAD = DIGEST + 32


def model_state(config: Config = TINY) -> dict[str, Tensor]:
    torch.manual_seed(1)
    return GPT(config.model).state_dict()


def written(
    path: Path, config: Config = TINY, *, code_bytes: int = 1000, **changes: Tensor
) -> ArtifactReport:
    return write_artifact(
        path, {**model_state(config), **changes}, config, code_bytes=code_bytes, log=lambda _: None
    )


def quantization(config: Config = TINY, **changes: Any) -> Config:
    return replace(config, quantization=replace(config.quantization, **changes))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "model.bin"


@pytest.mark.parametrize("name", list(PRESETS))
def test_what_is_read_is_what_quantising_gave(path: Path, name: str) -> None:
    config = quantization(preset(name, Size.TINY), levels=(1,))
    written(path, config)
    state = model_state(config)
    expected = dequantize_state(quantize_state(state, config.quantization), state)
    read = read_artifact(path, config)
    assert list(read) == list(expected)
    assert all(torch.equal(read[each], expected[each]) for each in expected)


@pytest.mark.parametrize("container", list(Container))
def test_every_container_gives_the_same_weights(path: Path, container: Container) -> None:
    config = quantization(container=container, levels=(5,))
    written(path, config)
    state = model_state()
    expected = dequantize_state(quantize_state(state, config.quantization), state)
    assert all(torch.equal(each, expected[name]) for name, each in read_artifact(path, config).items())


def test_bf16_tables_come_back_as_bf16(path: Path) -> None:
    written(path, **{"tok_emb.weight": model_state()["tok_emb.weight"].bfloat16()})
    assert read_artifact(path, TINY)["tok_emb.weight"].dtype == torch.bfloat16


def test_the_report_counts_model_and_code(path: Path) -> None:
    report = written(path, code_bytes=1234)
    assert report.model_bytes == path.stat().st_size
    assert report.total_bytes == report.model_bytes + 1234
    assert (report.fits, report.over_bytes, report.cap_bytes) == (True, 0, 16_000_000)
    assert report.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()


def test_the_same_weights_give_the_same_bytes(path: Path, tmp_path: Path) -> None:
    first, second = written(path), written(tmp_path / "again.bin")
    assert first.sha256 == second.sha256


def test_the_budget_is_the_cap_less_the_code(path: Path) -> None:
    size = written(path).model_bytes
    tight = quantization(artifact_cap_bytes=size + 500, auto_downgrade=False)
    assert written(path, tight, code_bytes=500).fits
    assert not written(path, tight, code_bytes=501).fits


def test_layers_are_lowered_until_the_file_fits(path: Path) -> None:
    config = quantization(preset("reference", Size.SMALL), levels=(1,))
    whole = written(path, config)
    tight = quantization(config, artifact_cap_bytes=whole.total_bytes - 1)
    report = written(path, tight)
    assert (report.fits, report.int5_layers, len(report.tries)) == (True, (2,), 2)
    lowered = read_artifact(path, tight)["cores.2.mlp.fc.weight"]
    assert max(len(set(row.tolist())) for row in lowered) <= 32


def test_matrices_of_other_layers_stay_int6(path: Path) -> None:
    config = quantization(preset("reference", Size.SMALL), levels=(1,))
    tight = quantization(config, artifact_cap_bytes=written(path, config).total_bytes - 1)
    written(path, tight)
    kept = read_artifact(path, tight)["cores.1.mlp.fc.weight"]
    assert max(len(set(row.tolist())) for row in kept) > 32


def test_a_file_that_does_not_fit_is_written_and_told(path: Path) -> None:
    lines: list[str] = []
    config = quantization(artifact_cap_bytes=2000)
    report = write_artifact(path, model_state(), config, code_bytes=1000, log=lines.append)
    assert not report.fits
    assert path.stat().st_size == report.model_bytes
    assert f"{report.total_bytes - 2000:,} over the cap of 2,000" in lines[-1]


def test_pruning_happens_before_quantising(path: Path) -> None:
    config = quantization(preset("pr461", Size.TINY), prune_fraction=0.5, levels=(1,))
    lines: list[str] = []
    write_artifact(path, model_state(config), config, code_bytes=0, log=lines.append)
    assert lines[0] == "magnitude_pruning: frac=0.5"


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_weights_that_diverged_are_refused_by_name(path: Path, bad: float) -> None:
    with pytest.raises(ArtifactError, match=r"'skip_weights' holds nan or infinite"):
        written(path, skip_weights=torch.full((1, 64), bad))
    assert not path.exists()


def test_weights_beyond_fp16_are_refused_with_their_size(path: Path) -> None:
    with pytest.raises(ArtifactError, match=r"'cores.0.mlp.fc.weight' is too large .* 1e\+08"):
        written(path, **{"cores.0.mlp.fc.weight": torch.full((192, 64), 1e8)})


def test_an_interrupted_write_leaves_no_file(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(_: int) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("os.fsync", interrupted)
    with pytest.raises(KeyboardInterrupt):
        written(path)
    assert list(path.parent.iterdir()) == []


def test_an_interrupted_write_leaves_the_older_file(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path.write_bytes(b"older")
    monkeypatch.setattr("os.fsync", lambda _: (_ for _ in ()).throw(OSError(28, "No space left")))
    with pytest.raises(OSError, match="No space"):
        written(path)
    assert path.read_bytes() == b"older"


def test_a_missing_file_is_told(path: Path) -> None:
    with pytest.raises(ArtifactError, match=r"model.bin: .*No such file"):
        read_artifact(path, TINY)


def test_a_file_above_the_cap_is_refused_with_the_surplus(path: Path) -> None:
    size = written(path).model_bytes
    with pytest.raises(ArtifactError, match="100 over the cap"):
        read_artifact(path, quantization(artifact_cap_bytes=size - 100))


@pytest.mark.parametrize("kept", [0, 5, PAYLOAD - 1, PAYLOAD, -1])
def test_a_file_that_is_cut_off_is_refused(path: Path, kept: int) -> None:
    written(path)
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(ArtifactError, match=r"cut off|frame of an artifact"):
        read_artifact(path, TINY)


def test_bytes_after_the_payload_are_refused(path: Path) -> None:
    written(path)
    path.write_bytes(path.read_bytes() + b"x")
    with pytest.raises(ArtifactError, match="followed by other bytes"):
        read_artifact(path, TINY)


@pytest.mark.parametrize(
    ("where", "told"),
    [
        (MAGIC, "begins with"),
        (VERSION, "format version"),
        (CONTAINER, "container .* is unknown"),
        (DIGEST, "SHA-256"),
        (PAYLOAD + 100, "SHA-256"),
        (-1, "SHA-256"),
    ],
)
def test_one_changed_byte_is_found(path: Path, where: int, told: str) -> None:
    written(path)
    damaged = bytearray(path.read_bytes())
    damaged[where] ^= 0x55
    path.write_bytes(damaged)
    with pytest.raises(ArtifactError, match=told):
        read_artifact(path, TINY)


def test_a_pickle_is_no_artifact(path: Path) -> None:
    torch.save({"w": torch.zeros(100)}, path)
    with pytest.raises(ArtifactError, match="begins with"):
        read_artifact(path, TINY)


def test_a_bomb_is_refused_before_it_unfolds(path: Path) -> None:
    path.write_bytes(framed(bytes(20_000_000), Container.ZSTD, 1))
    with pytest.raises(ArtifactError, match=r"unfolds to 20,000,000 bytes; this model needs at most"):
        read_artifact(path, TINY)


def test_a_bomb_with_a_modest_promise_is_refused(path: Path) -> None:
    bomb = bytearray(framed(bytes(20_000_000), Container.ZSTD, 1))
    bomb[11:19] = struct.pack("<Q", 1000)
    path.write_bytes(bomb)
    with pytest.raises(ArtifactError, match="promised"):
        read_artifact(path, TINY)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\x02\x00\x00\x00{}",
        b"\xff\xff\xff\xff{}",
        b"\x04\x00\x00\x00[1]}",
        b'\x18\x00\x00\x00{"model":0,"tensors":[]}',
        b'\x1a\x00\x00\x00{"model":{},"tensors":[1]}',
        b"\x05\x00\x00\x00" + b"\xff" * 5,
    ],
)
def test_a_header_that_is_not_well_formed_is_refused(path: Path, content: bytes) -> None:
    path.write_bytes(framed(content, Container.ZLIB, 1))
    with pytest.raises(ArtifactError, match="not well formed"):
        read_artifact(path, TINY)


@pytest.mark.parametrize(
    "line",
    [
        '["a","int7","float32",[2]]',
        '["a","int8","float99",[2]]',
        '["a","int8","float32",[-2]]',
        '["a","int8","float32",[true]]',
        '["a","int8","float32",2]',
        '[1,"int8","float32",[2]]',
    ],
)
def test_a_tensor_line_that_makes_no_sense_is_refused(path: Path, line: str) -> None:
    header = f'{{"model":{{}},"tensors":[{line}]}}'.encode()
    path.write_bytes(framed(struct.pack("<I", len(header)) + header, Container.ZLIB, 1))
    with pytest.raises(ArtifactError, match="not well formed"):
        read_artifact(path, TINY)


def test_a_header_that_promises_more_tensor_bytes_is_refused(path: Path) -> None:
    header = b'{"model":{},"tensors":[["a","fp16","float32",[4000000,1000000]]]}'
    path.write_bytes(framed(struct.pack("<I", len(header)) + header, Container.ZLIB, 1))
    with pytest.raises(ArtifactError, match=r"describes 8,000,000,000,\d+ bytes"):
        read_artifact(path, TINY)


def test_a_tensor_named_twice_is_refused(path: Path) -> None:
    header = b'{"model":{},"tensors":[["a","fp16","float32",[0]],["a","fp16","float32",[0]]]}'
    path.write_bytes(framed(struct.pack("<I", len(header)) + header, Container.ZLIB, 1))
    with pytest.raises(ArtifactError, match="'a' twice"):
        read_artifact(path, TINY)


def test_another_configuration_is_named_with_both_values(path: Path) -> None:
    written(path)
    other = replace(TINY, model=replace(TINY.model, xsa_layers=(), rope_dims=4))
    with pytest.raises(ArtifactError, match=r"model.rope_dims is 8 in the file, 4 here; model.xsa_layers"):
        read_artifact(path, other)


def test_many_differences_are_counted(path: Path) -> None:
    written(path)
    with pytest.raises(ArtifactError, match=r"; and \d+ more"):
        read_artifact(path, preset("baseline"))


def test_a_missing_tensor_is_named(path: Path) -> None:
    state = model_state()
    del state["skip_weights"]
    write_artifact(path, state, TINY, code_bytes=0, log=lambda _: None)
    with pytest.raises(ArtifactError, match="skip_weights is missing"):
        read_artifact(path, TINY)


def test_an_unknown_tensor_is_named(path: Path) -> None:
    written(path, stranger=torch.zeros(3))
    with pytest.raises(ArtifactError, match="stranger is unknown"):
        read_artifact(path, TINY)


def test_a_tensor_of_another_shape_is_named_with_both(path: Path) -> None:
    written(path, skip_weights=torch.zeros(2, 64))
    with pytest.raises(ArtifactError, match=r"skip_weights has the shape \(2, 64\) instead of \(1, 64\)"):
        read_artifact(path, TINY)


def test_scales_that_are_nan_are_refused(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("reference_model.artifacts.artifact._refuse_infinite_weights", lambda _: None)
    monkeypatch.setattr("torch.isfinite", lambda _: torch.tensor(True))
    written(path, **{"cores.0.mlp.fc.weight": torch.full((192, 64), float("nan"))})
    monkeypatch.undo()
    with pytest.raises(ArtifactError, match=r"model.bin: tensor 'cores.0.mlp.fc.weight' holds nan"):
        read_artifact(path, TINY)
