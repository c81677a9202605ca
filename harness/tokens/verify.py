"""Is a data folder what it claims to be? Shards, ids, documents, bytes, digests, train against validation.

Sources: the shard format and the 50,000 validation documents of the challenge's export
(data/download_hf_docs_and_tokenize.py); issue #2127 on training data that held validation documents.
"""

from __future__ import annotations

import itertools
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from harness.errors import SetupError
from harness.tokens.byte_progress import shown_bytes
from harness.tokens.byte_table import ByteTable, byte_table_of_processor, open_sentencepiece
from harness.tokens.document_digests import DocumentDigests
from harness.tokens.manifest import TOKENIZER_NAME, read_manifest, sha256_of_file
from harness.tokens.official_totals import compare_with_official
from harness.tokens.published_export import published_tokenizer
from harness.tokens.shard_file import read_shard
from harness.tokens.verification import SplitFacts, Verification

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from harness.tokens.document_digests import DocumentDigest
    from harness.tokens.manifest import FileEntry, Manifest

_DEFAULT_BOS_ID = 1  # every tokenizer of the challenge, the byte tokenizer included
_TELLING_TOKENS = 32  # shorter documents ("Page not found") recur by chance
# A crawl repeats pages, so a few shared documents are its nature; a wrong split shares tens of per cent.
_LEAK_SHARE = 0.01
_SHARD_NAME = re.compile(r"fineweb_(train|val)_(\d+)\.bin")


@dataclass(slots=True)
class _SharedDocuments:
    """Validation documents that the training split repeats."""

    validation: set[bytes] = field(default_factory=set)
    shared: set[bytes] = field(default_factory=set)
    occurrences: int = 0
    first: str = ""

    def see(self, split: str, file: str, documents: Iterable[DocumentDigest]) -> None:
        for number, document in enumerate(documents, 1):
            if document.tokens < _TELLING_TOKENS:
                continue
            if split == "val":
                self.validation.add(document.digest)
            elif document.digest in self.validation:
                self.shared.add(document.digest)
                self.occurrences += 1
                self.first = self.first or f"{file}, document {number:,} that ends there"


class _FolderCheck:
    """The state of one verification: what is known of the folder, what was found."""

    def __init__(self, folder: Path, tokenizer: Path | None) -> None:
        self.folder = folder
        self.result = Verification()
        self.manifest = self._read_manifest()
        self.table, self.bos_id = self._read_tokenizer(tokenizer)
        self.shared = _SharedDocuments()
        self.done_bytes = 0

    def _read_manifest(self) -> Manifest | None:
        try:
            manifest = read_manifest(self.folder)
        except SetupError as error:
            self.result.wrong("manifest.json", str(error))
            return None
        if manifest is None:
            self.result.note(
                "manifest.json", "not there, so digests and counts have nothing to be held against"
            )
        return manifest

    def _read_tokenizer(self, tokenizer: Path | None) -> tuple[ByteTable | None, int]:
        beside = self.folder / TOKENIZER_NAME
        chosen = tokenizer or (beside if beside.is_file() else published_tokenizer(self.folder))
        if chosen is None:
            self.result.note(
                TOKENIZER_NAME, "not there, so ids and bytes are unchecked; name one with --tokenizer"
            )
            return None, _DEFAULT_BOS_ID if self.manifest is None else self.manifest.bos_id
        processor = open_sentencepiece(chosen)
        if self.manifest is not None and sha256_of_file(chosen) != self.manifest.tokenizer.sha256:
            self.result.wrong(chosen.name, "is not the tokenizer of the manifest: their SHA-256 differ")
        return byte_table_of_processor(processor), int(processor.bos_id())

    def check_split(self, split: str, paths: list[Path], tell_bytes: Callable[[int], None]) -> None:
        facts = self.result.splits[split] = SplitFacts()
        digests = DocumentDigests(self.bos_id)
        previous: int | None = None
        for path in paths:
            try:
                tokens = read_shard(path)
            except SetupError as error:
                self.result.wrong(path.name, str(error).removeprefix(f"{path}: "))
                facts.utf8_bytes = None
                continue
            facts.shards += 1
            if tokens.size == 0:
                self.result.wrong(path.name, "holds no token")
                continue
            self._check_shard(path.name, tokens, facts, previous)
            previous = int(tokens[-1])
            self.shared.see(split, path.name, digests.feed(tokens))
            self.done_bytes += path.stat().st_size
            tell_bytes(self.done_bytes)
        self.shared.see(split, paths[-1].name if paths else "", digests.finish())
        self._compare_with_manifest(split, facts)

    def _check_shard(self, name: str, tokens: np.ndarray, facts: SplitFacts, previous: int | None) -> None:
        largest = int(tokens.max())
        facts.tokens += tokens.size
        facts.documents += int(np.count_nonzero(tokens == self.bos_id))
        facts.largest_id = max(facts.largest_id, largest)
        if previous is None and int(tokens[0]) != self.bos_id:
            self.result.wrong(
                name, f"begins with token {int(tokens[0])}, not BOS ({self.bos_id}): a document was cut"
            )
        if self.table is None or facts.utf8_bytes is None:
            facts.utf8_bytes = None
        elif largest >= self.table.vocab_size:
            outside = int(np.count_nonzero(tokens >= self.table.vocab_size))
            self.result.wrong(
                name,
                f"{outside:,} of {tokens.size:,} ids are outside the {self.table.vocab_size:,} pieces of the "
                f"tokenizer (largest {largest:,}); the shards were written with another tokenizer",
            )
            facts.utf8_bytes = None
        else:
            facts.utf8_bytes += self.table.stream_bytes(tokens)
            if previous is not None:
                facts.utf8_bytes += int(self.table.byte_counts(np.array([previous]), tokens[:1])[0])

    def _compare_with_manifest(self, split: str, facts: SplitFacts) -> None:
        claimed = None if self.manifest is None else self.manifest.splits.get(split)
        if claimed is None:
            return
        counted = {
            "documents": (facts.documents, claimed.documents),
            "tokens": (facts.tokens, claimed.tokens),
            "utf8 bytes": (facts.utf8_bytes, claimed.utf8_bytes),
        }
        for what, (found, expected) in counted.items():
            if found is not None and found != expected:
                self.result.wrong(
                    "manifest.json",
                    f"claims {expected:,} {what} in the {split} split, the shards hold {found:,} "
                    f"({found - expected:+,})",
                )

    def check_files(self, paths: list[Path]) -> None:
        if self.manifest is None:
            return
        entries = [shard for split in self.manifest.splits.values() for shard in split.shards]
        named = {entry.file for entry in entries}
        for path in paths:
            if path.name not in named:
                self.result.wrong(path.name, "is not in the manifest; remove it or prepare the folder again")
        for entry in [self.manifest.tokenizer, *entries]:
            self._check_file(entry)

    def _check_file(self, entry: FileEntry) -> None:
        path = self.folder / entry.file
        if not path.is_file():
            self.result.wrong(entry.file, f"is missing; the manifest lists it with {entry.bytes:,} bytes")
        elif (size := path.stat().st_size) != entry.bytes:
            self.result.wrong(entry.file, f"has {size:,} bytes, the manifest says {entry.bytes:,}")
        elif (digest := sha256_of_file(path)) != entry.sha256:
            self.result.wrong(
                entry.file, f"SHA-256 is {digest[:16]}..., the manifest says {entry.sha256[:16]}..."
            )

    def check_names(self, split: str, paths: list[Path]) -> None:
        numbers = {int(match[2]) for path in paths if (match := _SHARD_NAME.fullmatch(path.name))}
        expected = max(numbers, default=-1) + 1
        if len(numbers) < expected:
            first = next(number for number in itertools.count() if number not in numbers)
            self.result.wrong(
                f"fineweb_{split}_{first:06d}.bin",
                f"is missing: {expected - len(numbers):,} of the first {expected:,} {split} shards",
            )
        if not paths:
            self.result.wrong(f"fineweb_{split}_*.bin", f"there is no {split} shard")

    def check_shared(self) -> None:
        seen = self.shared
        if not seen.shared:
            return
        share = len(seen.shared) / len(seen.validation)
        message = (
            f"{len(seen.shared):,} of {len(seen.validation):,} validation documents of at least "
            f"{_TELLING_TOKENS} tokens ({share:.2%}) are in the training split, {seen.occurrences:,} times; "
            f"first: {seen.first}"
        )
        (self.result.wrong if share > _LEAK_SHARE else self.result.note)("fineweb_train_*.bin", message)


def verify_folder(folder: Path, *, tokenizer: Path | None = None, quiet: bool = False) -> Verification:
    """Check every shard of a folder; memory holds one shard and a digest per validation document.

    Raises SetupError where there is nothing to check, or the tokenizer named cannot be read.
    """
    if not folder.is_dir():
        raise SetupError(f"{folder}: no such data folder")
    by_split = {split: sorted(folder.glob(f"fineweb_{split}_*.bin")) for split in ("val", "train")}
    paths = [path for found in by_split.values() for path in found]
    if not paths:
        raise SetupError(f"{folder}: holds no fineweb_*.bin; golf-data demo, prepare and fetch make them")
    check = _FolderCheck(folder, tokenizer)
    total = sum(path.stat().st_size for path in paths if path.is_file())
    with shown_bytes(total, "verified", quiet=quiet) as tell_bytes:
        for split, found in by_split.items():
            check.check_names(split, found)
            check.check_split(split, found, tell_bytes)
    check.check_files(paths)
    check.check_shared()
    val = check.result.splits["val"]
    comparison = compare_with_official(
        folder.name, documents=val.documents, tokens=val.tokens, utf8_bytes=val.utf8_bytes
    )
    if comparison is not None:
        (check.result.note if comparison.agrees else check.result.wrong)(
            "fineweb_val_*.bin", comparison.words
        )
    return check.result
