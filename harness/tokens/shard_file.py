"""Token shards of the challenge: 256 little-endian int32 of header (magic, version, count), then uint16.

Sources: data/README.md and data/download_hf_docs_and_tokenize.py of openai/parameter-golf (the writer),
load_data_shard of its train_gpt.py (the reader). Every claim of a header is held against the size of the file
before anything is allocated by it.
"""

from __future__ import annotations

import stat
from typing import TYPE_CHECKING

import numpy as np

from harness.errors import SetupError
from harness.whole_file import whole_file

if TYPE_CHECKING:
    from pathlib import Path

SHARD_MAGIC = 20240520  # data/download_hf_docs_and_tokenize.py: DATAFILE_MAGIC
SHARD_VERSION = 1
SHARD_HEADER_INTS = 256
SHARD_HEADER_BYTES = SHARD_HEADER_INTS * 4
SHARD_TOKEN_BYTES = 2
SHARD_MAX_TOKENS = 2**31 - 1  # the count is an int32


def shard_paths(data_dir: Path, split: str) -> list[Path]:
    """The shards fineweb_{split}_*.bin of a folder in the order of their names; split is "train" or "val".

    Raises SetupError where the folder is missing or holds none.
    """
    if not data_dir.is_dir():
        raise SetupError(f"{data_dir}: no such data folder; make one with: golf-data demo --out {data_dir}")
    paths = sorted(data_dir.glob(f"fineweb_{split}_*.bin"))
    if not paths:
        raise SetupError(
            f"{data_dir}: holds no fineweb_{split}_*.bin; point to a folder made by golf-data "
            f"(demo, prepare or fetch)"
        )
    return paths


def _shard_size(path: Path) -> int:
    """The size of a shard in bytes; nothing but a regular file is opened (a pipe would block)."""
    try:
        status = path.stat()
    except OSError as error:
        raise SetupError(f"{path}: cannot be read: {error.strerror or error}") from error
    if not stat.S_ISREG(status.st_mode):
        raise SetupError(f"{path}: is not a regular file; a shard is a file of tokens")
    return status.st_size


def shard_token_count(path: Path) -> int:
    """How many tokens a shard holds, by its header and its size; the tokens are not read.

    Raises SetupError where the header is not that of a shard or disagrees with the size of the file.
    """
    size = _shard_size(path)
    if size < SHARD_HEADER_BYTES:
        raise SetupError(
            f"{path}: is {size:,} bytes, shorter than the {SHARD_HEADER_BYTES:,} bytes of a shard header; "
            f"the download or export was cut short"
        )
    try:
        header = np.fromfile(path, dtype="<i4", count=3)
    except OSError as error:
        raise SetupError(f"{path}: cannot be read: {error.strerror or error}") from error
    magic, version, count = (int(word) for word in header)
    if magic != SHARD_MAGIC:
        raise SetupError(f"{path}: magic number is {magic}, not {SHARD_MAGIC}: this is not a token shard")
    if version != SHARD_VERSION:
        raise SetupError(f"{path}: shard format version {version}; only version {SHARD_VERSION} is known")
    if count < 0:
        raise SetupError(f"{path}: header claims {count:,} tokens; the file is damaged")
    expected = SHARD_HEADER_BYTES + count * SHARD_TOKEN_BYTES
    if size != expected:
        what = "cut short" if size < expected else "too long"
        raise SetupError(
            f"{path}: {what}: header claims {count:,} tokens = {expected:,} bytes, the file has {size:,} "
            f"({size - expected:+,}); fetch or prepare it again"
        )
    return count


def read_shard(path: Path) -> np.ndarray:
    """The tokens of a shard: uint16, one dimension.

    Raises SetupError where the file is not a whole shard.
    """
    count = shard_token_count(path)
    tokens = np.fromfile(path, dtype="<u2", count=count, offset=SHARD_HEADER_BYTES)
    if tokens.size != count:
        raise SetupError(f"{path}: {tokens.size:,} of {count:,} tokens read; the file changed meanwhile")
    return tokens.astype(np.uint16, copy=False)


def write_shard(path: Path, tokens: np.ndarray) -> None:
    """Write tokens (one dimension, 0 to 65,535) as a shard; the file appears whole or not at all.

    Raises SetupError for ids that uint16 cannot hold, for more tokens than the header can count, and where
    the folder cannot be written.
    """
    if tokens.ndim != 1 or tokens.dtype.kind not in "iu":
        raise SetupError(f"{path}: a shard is one row of whole numbers, not {tokens.ndim}-D {tokens.dtype}")
    if tokens.size > SHARD_MAX_TOKENS:
        raise SetupError(f"{path}: {tokens.size:,} tokens; the header counts to {SHARD_MAX_TOKENS:,}")
    if tokens.dtype != np.uint16 and tokens.size and (tokens.min() < 0 or tokens.max() > 0xFFFF):
        raise SetupError(f"{path}: token ids {tokens.min()}..{tokens.max()}; a shard holds 0..65535 (uint16)")
    header = np.zeros(SHARD_HEADER_INTS, dtype="<i4")
    header[:3] = SHARD_MAGIC, SHARD_VERSION, tokens.size
    try:
        with whole_file(path) as file:
            file.write(header.tobytes())
            file.write(np.ascontiguousarray(tokens, dtype="<u2").data)
    except OSError as error:
        raise SetupError(f"{path}: cannot be written: {error.strerror or error}") from error
