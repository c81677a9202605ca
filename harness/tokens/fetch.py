"""Fetch the challenge's published shards and tokenizer into the layout its scripts expect.

Source: data/cached_challenge_fineweb.py of openai/parameter-golf. The published manifest has no digests, so a
file is held against its announced size, and a shard against its own header.
"""

from __future__ import annotations

import shutil
import urllib.parse
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from harness.errors import SetupError, UsageError
from harness.tokens.byte_progress import shown_bytes
from harness.tokens.byte_table import open_sentencepiece
from harness.tokens.dataset_writer import OFFICIAL_SHARD_TOKENS
from harness.tokens.download import DownloadOptions, download
from harness.tokens.manifest import MANIFEST_NAME, read_json_object, read_manifest
from harness.tokens.published_export import (
    PUBLISHED_ROOT,
    dataset_of_variant,
    read_published_export,
    shard_names,
)
from harness.tokens.shard_file import SHARD_HEADER_BYTES, SHARD_TOKEN_BYTES, shard_token_count

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

_SHARD_BYTES = SHARD_HEADER_BYTES + OFFICIAL_SHARD_TOKENS * SHARD_TOKEN_BYTES


@dataclass(frozen=True, slots=True, kw_only=True)
class FetchOptions:
    """What golf-data fetch is asked for."""

    variant: str
    train_shards: int
    out: Path
    endpoint: str  # "https://huggingface.co" or a mirror of it
    repository: str
    revision: str = "main"
    quiet: bool = False
    download: DownloadOptions = field(default_factory=DownloadOptions)


@dataclass(frozen=True, slots=True, kw_only=True)
class Fetched:
    """Where the files lie, and how many came or were there already."""

    data_dir: Path
    fetched: int
    present: int


def remote_url(options: FetchOptions, path: str) -> str:
    """The address of a file of the export; raises UsageError for an endpoint that is not http(s)."""
    if not options.endpoint.startswith(("http://", "https://")):
        raise UsageError(f"endpoint {options.endpoint!r} is not an http(s) address")
    quoted = urllib.parse.quote(f"{options.repository}/resolve/{options.revision}/{PUBLISHED_ROOT}/{path}")
    return f"{options.endpoint.rstrip('/')}/datasets/{quoted}"


def planned_urls(options: FetchOptions) -> list[str]:
    """The addresses that can be told without asking: the manifest, one validation shard, training shards.

    How many validation shards there are, and the name of the tokenizer file, stand in the manifest.
    """
    names = shard_names(dataset_of_variant(options.variant), 1, options.train_shards)
    return [remote_url(options, name) for name in (MANIFEST_NAME, *names)]


def _check_shard(path: Path) -> None:
    shard_token_count(path)


def _check_manifest(path: Path) -> None:
    read_json_object(path)


def _check_tokenizer(path: Path) -> None:
    open_sentencepiece(path)


def _check_not_empty(path: Path) -> None:
    if path.stat().st_size == 0:
        raise SetupError(f"{path}: arrived empty")


def _check_of(name: str) -> Callable[[Path], None]:
    if name.endswith(".bin"):
        return _check_shard
    return _check_tokenizer if name.endswith(".model") else _check_not_empty


def _is_present(path: Path, check: Callable[[Path], None]) -> bool:
    if not path.is_file():
        return False
    try:
        check(path)
    except SetupError:
        return False  # damaged: it is fetched anew
    return True


def _refuse_full_disk(out: Path, shards: int) -> None:
    needed = shards * _SHARD_BYTES
    free = shutil.disk_usage(out).free
    if needed > free:
        raise SetupError(
            f"{out}: {shards:,} shards need up to {needed:,} bytes, {free:,} are free; lower --train-shards"
        )


def fetch(options: FetchOptions) -> Fetched:
    """Fetch what is not there yet; files that are there and whole are left alone.

    Raises SetupError where the host cannot be reached or refuses, the variant was not published, a file is
    not what it should be, or the disk is too small.
    """
    dataset = dataset_of_variant(options.variant)
    manifest = options.out / MANIFEST_NAME
    if read_manifest(options.out) is not None:
        raise SetupError(f"{options.out}: holds data of golf-data demo or prepare; choose another --out")
    if not _is_present(manifest, _check_manifest):
        download(
            remote_url(options, MANIFEST_NAME),
            manifest,
            check=_check_manifest,
            tell_bytes=lambda done: None,
            options=options.download,
        )
    names = read_published_export(manifest, dataset).remote_paths(options.train_shards)
    missing = [name for name in names if not _is_present(options.out / name, _check_of(name))]
    shards = [name for name in missing if name.endswith(".bin")]
    _refuse_full_disk(options.out, len(shards))
    before = 0
    with shown_bytes(len(shards) * _SHARD_BYTES, "fetched", quiet=options.quiet) as tell_bytes:
        for name in missing:
            path = options.out / name
            download(
                remote_url(options, name),
                path,
                check=_check_of(name),
                tell_bytes=lambda done, before=before: tell_bytes(before + done),  # type: ignore[misc]
                options=options.download,
            )
            before += path.stat().st_size
    return Fetched(
        data_dir=options.out / PUBLISHED_ROOT / dataset,
        fetched=len(missing),
        present=len(names) - len(missing),
    )
