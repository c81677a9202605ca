"""manifest.json of a data folder: what golf-data wrote there, counted and hashed, so that it can be verified.

It holds no time and no machine path: the same input gives the same bytes.
"""

from __future__ import annotations

import hashlib
import json
import re
import stat
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from harness.errors import SetupError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

MANIFEST_NAME = "manifest.json"
MANIFEST_FORMAT = "golf-data 1"
TOKENIZER_NAME = "tokenizer.model"
_PLAIN_NAME = re.compile(r"\w[\w.-]{0,199}", re.ASCII)
_SHA256 = re.compile(r"[0-9a-f]{64}")
MANIFEST_CAP_BYTES = 64 << 20  # 80 shards need 20 kB; anything near this is not a manifest


@dataclass(frozen=True, slots=True, kw_only=True)
class FileEntry:
    """A file of the folder; `tokens` is 0 for the tokenizer."""

    file: str
    bytes: int
    sha256: str
    tokens: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class SplitEntry:
    """One split: `utf8_bytes` counts the normalised text as the byte table does (the denominator of BPB)."""

    documents: int
    tokens: int
    utf8_bytes: int
    shards: tuple[FileEntry, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """What a data folder holds; `source` says in its own keys where the text came from."""

    tool_version: str
    source: Mapping[str, Any]
    tokenizer: FileEntry
    vocab_size: int
    bos_id: int
    splits: Mapping[str, SplitEntry]


def sha256_of_file(path: Path) -> str:
    """The SHA-256 of a file in hex; raises SetupError where it cannot be read."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise SetupError(f"{path}: cannot be read: {error.strerror or error}") from error


def file_entry(path: Path, *, tokens: int = 0) -> FileEntry:
    """The entry of a file that lies in the folder of the manifest."""
    return FileEntry(file=path.name, bytes=path.stat().st_size, sha256=sha256_of_file(path), tokens=tokens)


def write_manifest(folder: Path, manifest: Manifest) -> None:
    """Write manifest.json into a folder that is being built."""
    document = {"format": MANIFEST_FORMAT, **asdict(manifest)}
    (folder / MANIFEST_NAME).write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")


def read_json_object(path: Path) -> dict[str, Any]:
    """A JSON object from a file of bounded size; raises SetupError for anything else."""
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            raise SetupError(f"{path}: is not a regular file")
        if path.stat().st_size > MANIFEST_CAP_BYTES:
            raise SetupError(f"{path}: {path.stat().st_size:,} bytes is too long for a manifest")
        document = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise SetupError(f"{path}: cannot be read: {error.strerror or error}") from error
    except (ValueError, RecursionError) as error:
        raise SetupError(f"{path}: is not JSON: {error}") from error
    if not isinstance(document, dict):
        raise SetupError(f"{path}: holds no JSON object")
    return document


def _typed(document: Mapping[str, Any], key: str, kind: type, path: Path) -> Any:
    value = document.get(key)
    if not isinstance(value, kind) or isinstance(value, bool) or (isinstance(value, int) and value < 0):
        raise SetupError(f"{path}: {key!r} is {value!r:.80}, not a {kind.__name__} as golf-data writes it")
    return value


def _file_entry_of(value: Mapping[str, Any], path: Path) -> FileEntry:
    name = _typed(value, "file", str, path)
    if not _PLAIN_NAME.fullmatch(name):
        raise SetupError(f"{path}: names the file {name!r:.80}, which is not beside it")
    digest = _typed(value, "sha256", str, path)
    if not _SHA256.fullmatch(digest):
        raise SetupError(f"{path}: 'sha256' of {name} is {digest!r:.80}, not 64 hexadecimal digits")
    return FileEntry(
        file=name,
        bytes=_typed(value, "bytes", int, path),
        sha256=digest,
        tokens=_typed(value, "tokens", int, path),
    )


def _split_entry_of(value: Mapping[str, Any], path: Path) -> SplitEntry:
    shards = _typed(value, "shards", list, path)
    if not all(isinstance(shard, dict) for shard in shards):
        raise SetupError(f"{path}: 'shards' is not a list of objects")
    return SplitEntry(
        documents=_typed(value, "documents", int, path),
        tokens=_typed(value, "tokens", int, path),
        utf8_bytes=_typed(value, "utf8_bytes", int, path),
        shards=tuple(_file_entry_of(shard, path) for shard in shards),
    )


def read_manifest(folder: Path) -> Manifest | None:
    """The manifest of a folder, None where it has none of ours (the published export has another).

    Raises SetupError where the file is ours but damaged.
    """
    path = folder / MANIFEST_NAME
    if not path.exists():
        return None
    document = read_json_object(path)
    if document.get("format") != MANIFEST_FORMAT:
        return None
    splits = _typed(document, "splits", dict, path)
    return Manifest(
        tool_version=_typed(document, "tool_version", str, path),
        source=_typed(document, "source", dict, path),
        tokenizer=_file_entry_of(_typed(document, "tokenizer", dict, path), path),
        vocab_size=_typed(document, "vocab_size", int, path),
        bos_id=_typed(document, "bos_id", int, path),
        splits={name: _split_entry_of(_typed(splits, name, dict, path), path) for name in splits},
    )
