"""The challenge's published data export: what its manifest says about a variant, and where its files lie.

Source: data/cached_challenge_fineweb.py and data/README.md of openai/parameter-golf. Remote paths are below
`datasets/` of the dataset repository; locally the files lie as its scripts expect them:
OUT/datasets/fineweb10B_<variant>/fineweb_*.bin and OUT/tokenizers/*.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from harness.errors import SetupError, UsageError
from harness.tokens.manifest import MANIFEST_NAME, read_json_object

if TYPE_CHECKING:
    from collections.abc import Mapping

PUBLISHED_REPOSITORY = "willdepueoai/parameter-golf"  # data/cached_challenge_fineweb.py: REPO_ID
PUBLISHED_ROOT = "datasets"  # data/cached_challenge_fineweb.py: REMOTE_ROOT_PREFIX
_VARIANT = re.compile(r"byte260|sp[1-9]\d{0,5}")
_MOST_SHARDS = 100_000
_PLAIN_PATH = re.compile(r"\w[\w./-]{0,199}", re.ASCII)
_TOKENIZER_KEYS = ("model_path", "vocab_path", "path")


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishedExport:
    """One variant of the export, as the published manifest has it."""

    dataset: str
    val_shards: int
    train_shards: int
    tokenizer_paths: tuple[str, ...]  # relative to the remote root

    def remote_paths(self, train_shards: int) -> list[str]:
        """Files to fetch, relative to the remote root: tokenizer, all validation, the first training shards.

        Raises SetupError where fewer training shards were published.
        """
        if train_shards > self.train_shards:
            raise SetupError(
                f"{self.dataset}: {train_shards:,} training shards asked for, but {self.train_shards:,} are "
                f"published; lower --train-shards"
            )
        return list(self.tokenizer_paths) + shard_names(self.dataset, self.val_shards, train_shards)


def shard_names(dataset: str, val_shards: int, train_shards: int) -> list[str]:
    """Remote paths of the validation shards and of the first training shards."""
    val = [f"datasets/{dataset}/fineweb_val_{number:06d}.bin" for number in range(val_shards)]
    return val + [f"datasets/{dataset}/fineweb_train_{number:06d}.bin" for number in range(train_shards)]


def dataset_of_variant(variant: str) -> str:
    """The folder name of a variant; raises UsageError for names the export cannot have."""
    if not _VARIANT.fullmatch(variant):
        raise UsageError(f"variant {variant!r} does not exist; write sp1024, sp8192, ... or byte260")
    return f"fineweb10B_{variant}"


def _named(document: Mapping[str, Any], key: str, name: object, where: Path) -> Mapping[str, Any]:
    entries = document.get(key)
    for entry in entries if isinstance(entries, list) else ():
        if isinstance(entry, dict) and entry.get("name") == name:
            return entry
    raise SetupError(f"{where}: has no {name!r} under {key!r}; was this variant published?")


def _count(stats: object, key: str, where: Path) -> int:
    value = stats.get(key) if isinstance(stats, dict) else None
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= _MOST_SHARDS:
        raise SetupError(f"{where}: {key!r} is {value!r:.40}, not a number of shards")
    return value


def _safe_path(value: object, where: Path) -> str:
    """A relative path that stays below the root: the manifest comes from the network."""
    path = PurePosixPath(value) if isinstance(value, str) else PurePosixPath("/")
    if not _PLAIN_PATH.fullmatch(str(path)) or ".." in path.parts:
        raise SetupError(f"{where}: names the tokenizer file {value!r:.80}, which is not a path below it")
    return path.as_posix()


def read_published_export(manifest: Path, dataset: str) -> PublishedExport:
    """What a downloaded manifest says about a dataset.

    Raises SetupError where it lacks the dataset or holds what no manifest of the challenge holds.
    """
    document = read_json_object(manifest)
    entry = _named(document, "datasets", dataset, manifest)
    tokenizer = _named(document, "tokenizers", entry.get("tokenizer_name"), manifest)
    paths = [_safe_path(tokenizer[key], manifest) for key in _TOKENIZER_KEYS if tokenizer.get(key)]
    if not paths:
        raise SetupError(f"{manifest}: the tokenizer of {dataset} names no file")
    return PublishedExport(
        dataset=dataset,
        val_shards=_count(entry.get("stats"), "files_val", manifest),
        train_shards=_count(entry.get("stats"), "files_train", manifest),
        tokenizer_paths=tuple(paths),
    )


def published_tokenizer(folder: Path) -> Path | None:
    """The SentencePiece model that belongs to OUT/datasets/<name>, None where the layout is another."""
    root = folder.resolve().parent.parent
    if not (root / MANIFEST_NAME).is_file():
        return None
    try:
        export = read_published_export(root / MANIFEST_NAME, folder.resolve().name)
    except SetupError:
        return None  # another project's manifest.json lies there
    models = [root / path for path in export.tokenizer_paths if path.endswith(".model")]
    return next((model for model in models if model.is_file()), None)
