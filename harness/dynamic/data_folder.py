"""Writes tiny streams as a data folder of the challenge: datasets, tokenizers, and byte counts beside them.

Layout of data/README.md of openai/parameter-golf: datasets/fineweb10B_NAME/fineweb_{train,val}_NNNNNN.bin
and tokenizers/fineweb_*.model. Scripts look under different names, so each name a script may use holds the
same files.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from harness.dynamic.tiny_vocabulary import Alphabet
from harness.errors import SetupError
from harness.tokens.shard_file import write_shard

if TYPE_CHECKING:
    from pathlib import Path

    from harness.dynamic.tiny_data import TinyData
    from harness.dynamic.tiny_vocabulary import VocabularyKey

TRAIN_SHARDS = 2  # scripts that shuffle shards or keep some for calibration need more than one
_PLAIN_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,120}")
_NAMES_AT_MOST = 12


@dataclass(frozen=True, slots=True, kw_only=True)
class DataNames:
    """Names beyond the usual ones a script uses for its data set folder and its tokenizer file."""

    datasets: tuple[str, ...] = ()
    tokenizers: tuple[str, ...] = ()
    has_byte_files: bool = False
    """Whether true byte counts lie beside the validation shards: fineweb_val_bytes_NNNNNN.bin, a count for
    each token as uint16. Scripts that do not expect them would take them for validation shards."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DataPlaces:
    """Where everything is, relative to the data folder."""

    dataset: str
    tokenizer: str
    train_files: tuple[str, ...]
    val_files: tuple[str, ...]


def usual_names(key: VocabularyKey) -> tuple[str, str]:
    """How the challenge calls the data set folder and the tokenizer of a vocabulary."""
    if key.alphabet is Alphabet.BYTES:
        return f"fineweb10B_byte{key.size}", f"fineweb_pure_byte_{key.size}.json"
    if key.alphabet is Alphabet.CASE_PIECES:
        words = "lossless_caps_caseops_v1_reserved"  # the export that all merged records of this kind name
        return f"fineweb10B_sp{key.size}_{words}", f"fineweb_{key.size}_bpe_{words}.model"
    return f"fineweb10B_sp{key.size}", f"fineweb_{key.size}_bpe.model"


def data_places(key: VocabularyKey) -> DataPlaces:
    """Where `write_data_folder` puts things for this vocabulary."""
    dataset, tokenizer = usual_names(key)
    return DataPlaces(
        dataset=f"datasets/{dataset}",
        tokenizer=f"tokenizers/{tokenizer}",
        train_files=tuple(
            f"datasets/{dataset}/fineweb_train_{number:06d}.bin" for number in range(TRAIN_SHARDS)
        ),
        val_files=(f"datasets/{dataset}/fineweb_val_000000.bin",),
    )


def write_data_folder(folder: Path, data: TinyData, names: DataNames | None = None) -> DataPlaces:
    """Write everything to the empty or new `folder`. Raises `SetupError` where the disk refuses."""
    names = names or DataNames()
    places = data_places(data.vocabulary.key)
    try:
        _write(folder, data, names, places)
    except OSError as error:
        raise SetupError(f"{folder}: cannot be written: {error.strerror or error}; free space") from error
    return places


def _write(folder: Path, data: TinyData, names: DataNames, places: DataPlaces) -> None:
    home = folder / places.dataset
    home.mkdir(parents=True)
    for name, part in zip(places.train_files, np.array_split(data.train, TRAIN_SHARDS), strict=True):
        write_shard(folder / name, part)
    write_shard(folder / places.val_files[0], data.validation)
    if names.has_byte_files:
        write_shard(home / "fineweb_val_bytes_000000.bin", data.token_bytes())
    files = sorted(path.name for path in home.iterdir())
    for name in _other_names(names.datasets, home.name):
        (folder / "datasets" / name).mkdir()
        for file in files:
            os.link(home / file, folder / "datasets" / name / file)
    tokenizer = folder / places.tokenizer
    tokenizer.parent.mkdir()
    tokenizer.write_bytes(data.vocabulary.model)
    for name in _other_names(names.tokenizers, tokenizer.name):
        os.link(tokenizer, tokenizer.with_name(name))


def _other_names(names: tuple[str, ...], usual: str) -> list[str]:
    """Plain names only: a script's text decides nothing about where we write."""
    plain = [name for name in dict.fromkeys(names) if name != usual and _PLAIN_NAME.fullmatch(name)]
    return plain[:_NAMES_AT_MOST]
