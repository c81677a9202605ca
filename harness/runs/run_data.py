"""The data of a run: whole shards, a tokenizer that fits them, and one digest that names both.

Shards of the full data are tens of gigabytes, so the digest covers every byte of the validation shards and of
the tokenizer, and name, size, first and last MiB of each training shard. A fault here is the operator's: it
is found before a clock starts and is no submission's failure.
"""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

from harness.errors import SetupError
from harness.wording import count_of

if TYPE_CHECKING:
    from pathlib import Path

_EDGE_BYTES = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class RunData:
    """A data folder that was looked at. `tokenizer` is None where none was found."""

    folder: Path
    tokenizer: Path | None
    digest: str
    train_shards: int
    train_tokens: int
    val_tokens: int

    @property
    def summary(self) -> str:
        """One line for people."""
        named = self.tokenizer.name if self.tokenizer is not None else "no tokenizer"
        return (
            f"{self.folder}: {self.train_tokens:,} training tokens in "
            f"{count_of(self.train_shards, 'shard')}, "
            f"{self.val_tokens:,} validation tokens, {named}, sha256 {self.digest[:12]}"
        )


def checked_data(folder: Path, tokenizer: Path | None = None) -> RunData:
    """Look at the data of a run. Raises `SetupError` for missing or torn shards, or another tokenizer.

    Without `tokenizer` the folder's own `.model` is taken, else the one beside a published export.
    """
    from harness.tokens.published_export import published_tokenizer
    from harness.tokens.shard_file import shard_paths, shard_token_count

    folder = folder.resolve()
    if folder.is_file():
        raise SetupError(f"{folder}: is a file; name the folder that holds the shards")
    train, val = shard_paths(folder, "train"), shard_paths(folder, "val")
    counts = {path: shard_token_count(path) for path in (*train, *val)}
    chosen = tokenizer or next(iter(sorted(folder.glob("*.model"))), None) or published_tokenizer(folder)
    if chosen is not None:
        chosen = chosen.resolve()
        if not chosen.is_file():
            raise SetupError(f"{chosen}: there is no such tokenizer; name one with --tokenizer FILE.model")
        _refuse_other_vocabulary(chosen, val)
    return RunData(
        folder=folder,
        tokenizer=chosen,
        digest=_digest(train, val, chosen),
        train_shards=len(train),
        train_tokens=sum(counts[path] for path in train),
        val_tokens=sum(counts[path] for path in val),
    )


def _refuse_other_vocabulary(tokenizer: Path, val: list[Path]) -> None:
    """No shard holds an id the tokenizer has no piece for, and no manifest names another tokenizer."""
    from harness.tokens.byte_table import open_sentencepiece
    from harness.tokens.manifest import read_manifest, sha256_of_file
    from harness.tokens.shard_file import read_shard

    if tokenizer.suffix != ".model":
        return  # of another kind: a byte tokenizer of a published export
    pieces = int(open_sentencepiece(tokenizer).vocab_size())
    largest = max((int(tokens.max()) for path in val if (tokens := read_shard(path)).size), default=0)
    if largest >= pieces:
        raise SetupError(
            f"{tokenizer}: has {pieces:,} pieces, the validation shards hold token {largest:,}: they were "
            "made with another tokenizer; name theirs with --tokenizer FILE.model"
        )
    manifest = read_manifest(val[0].parent)
    if manifest is not None and sha256_of_file(tokenizer) != manifest.tokenizer.sha256:
        raise SetupError(
            f"{tokenizer}: is not the tokenizer that {val[0].parent}/manifest.json names (their SHA-256 "
            "differ); name that one with --tokenizer FILE.model"
        )


def _digest(train: list[Path], val: list[Path], tokenizer: Path | None) -> str:
    digest = hashlib.sha256()
    try:
        for path in train:
            digest.update(f"train {path.name} {path.stat().st_size} {_edges(path)}\n".encode())
        for path in (*val, *([tokenizer] if tokenizer is not None else [])):
            with path.open("rb") as file:
                whole = hashlib.file_digest(file, "sha256").hexdigest()
            digest.update(f"{path.name} {whole}\n".encode())
    except OSError as error:
        raise SetupError(
            f"{error.filename}: cannot be read ({error.strerror}); mend the data folder"
        ) from error
    return digest.hexdigest()


def _edges(path: Path) -> str:
    with path.open("rb") as file:
        digest = hashlib.sha256(file.read(_EDGE_BYTES))
        size = file.seek(0, os.SEEK_END)
        file.seek(max(size - _EDGE_BYTES, 0))
        digest.update(file.read(_EDGE_BYTES))
    return digest.hexdigest()
