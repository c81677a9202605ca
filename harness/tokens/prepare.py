"""Documents to shards: the first N documents validate, the rest train, as the challenge's export does.

Source: data/download_hf_docs_and_tokenize.py of openai/parameter-golf (NUM_VAL_DOCS = 50,000; the text is
tokenized as it stands). Memory holds a batch of documents and one shard.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING

from harness.errors import SetupError
from harness.tokens.byte_progress import shown_bytes
from harness.tokens.byte_table import open_sentencepiece
from harness.tokens.dataset_writer import DatasetWriter, built_folder, refuse_used_folder
from harness.tokens.document_lines import SkippedLines, documents_of
from harness.tokens.manifest import sha256_of_file

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from harness.tokens.manifest import Manifest

_BATCH_DOCUMENTS = 256
_BATCH_CHARACTERS = 4 << 20  # few long documents make a batch, so that memory stays small


@dataclass(frozen=True, slots=True, kw_only=True)
class PrepareOptions:
    """What golf-data prepare is asked for."""

    documents: Path
    tokenizer: Path
    out: Path
    val_documents: int
    shard_tokens: int
    threads: int = 1
    skip_bad: bool = False
    quiet: bool = False


def _batches(texts: Iterable[str]) -> Iterator[list[str]]:
    batch: list[str] = []
    characters = 0
    for text in texts:
        batch.append(text)
        characters += len(text)
        if len(batch) == _BATCH_DOCUMENTS or characters >= _BATCH_CHARACTERS:
            yield batch
            batch, characters = [], 0
    if batch:
        yield batch


def prepare(options: PrepareOptions) -> Manifest:
    """Write the data folder and say what it holds; it appears whole or not at all.

    Raises SetupError for bad lines (unless they are skipped), fewer documents than validation needs, a
    tokenizer that cannot write shards, and a folder in use.
    """
    refuse_used_folder(options.out)
    open_sentencepiece(options.tokenizer)
    skipped = SkippedLines() if options.skip_bad else None
    try:
        size = options.documents.stat().st_size
    except OSError as error:
        raise SetupError(f"{options.documents}: cannot be read: {error.strerror or error}") from error
    with (
        built_folder(options.out) as folder,
        shown_bytes(size, "tokenized", quiet=options.quiet) as tell_bytes,
    ):
        writer = DatasetWriter(folder, options.tokenizer, shard_tokens=options.shard_tokens)
        texts = documents_of(options.documents, skipped=skipped, tell_bytes=tell_bytes)
        found = 0
        for batch in _batches(itertools.islice(texts, options.val_documents)):
            writer.add("val", batch, threads=options.threads)
            found += len(batch)
        if found < options.val_documents:
            raise SetupError(
                f"{options.documents}: holds {found:,} documents, but {options.val_documents:,} are to "
                f"validate; lower --val-docs"
            )
        for batch in _batches(texts):
            writer.add("train", batch, threads=options.threads)
        return writer.finish(
            {
                "kind": "documents",
                "file": options.documents.name,
                "bytes": size,
                "sha256": sha256_of_file(options.documents),
                "skipped_lines": 0 if skipped is None else skipped.count,
                "first_skipped": "" if skipped is None else skipped.first,
            }
        )
