"""Write documents as shards of two splits, counting tokens, documents and bytes; the folder appears whole.

Source: export_shards of data/download_hf_docs_and_tokenize.py of openai/parameter-golf: BOS before each
document, no EOS, shards filled to the last token, so that a document may go on in the next shard.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from harness import __version__
from harness.errors import SetupError
from harness.tokens.byte_table import byte_table_of_processor, open_sentencepiece
from harness.tokens.manifest import (
    TOKENIZER_NAME,
    FileEntry,
    Manifest,
    SplitEntry,
    file_entry,
    write_manifest,
)
from harness.tokens.shard_file import SHARD_MAX_TOKENS, write_shard

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

OFFICIAL_SHARD_TOKENS = 100_000_000  # data/README.md: "the current shard size"
_MAX_VOCABULARY = 1 << 16  # ids are uint16


class SplitWriter:
    """One split of a folder: documents in, shards out."""

    def __init__(self, folder: Path, split: str, *, bos_id: int, shard_tokens: int) -> None:
        self._folder = folder
        self._split = split
        self._bos_id = bos_id
        # Memory is taken page by page as tokens arrive, so a large shard costs nothing up front.
        self._buffer = np.empty(shard_tokens, dtype=np.uint16)
        self._filled = 0
        self._shards: list[FileEntry] = []
        self._documents = 0
        self._utf8_bytes = 0

    def add(self, ids: np.ndarray, utf8_bytes: int) -> None:
        """Append a document: its ids without BOS, and the bytes they stand for."""
        self._documents += 1
        self._utf8_bytes += utf8_bytes
        self._append(np.array([self._bos_id]))
        self._append(ids)

    def _append(self, ids: np.ndarray) -> None:
        while ids.size:
            room = self._buffer.size - self._filled
            self._buffer[self._filled : self._filled + ids[:room].size] = ids[:room]
            self._filled += ids[:room].size
            ids = ids[room:]
            if self._filled == self._buffer.size:
                self._flush()

    def _flush(self) -> None:
        path = self._folder / f"fineweb_{self._split}_{len(self._shards):06d}.bin"
        write_shard(path, self._buffer[: self._filled])
        self._shards.append(file_entry(path, tokens=self._filled))
        self._filled = 0

    def finish(self) -> SplitEntry:
        """Write what is left and say what the split holds."""
        if self._filled:
            self._flush()
        return SplitEntry(
            documents=self._documents,
            tokens=sum(shard.tokens for shard in self._shards),
            utf8_bytes=self._utf8_bytes,
            shards=tuple(self._shards),
        )


class DatasetWriter:
    """A data folder: both splits, its own copy of the tokenizer, the manifest.

    Raises SetupError for tokenizers whose ids do not fit uint16 or that have no BOS piece, and for shards
    longer than a header can count.
    """

    def __init__(self, folder: Path, tokenizer: Path, *, shard_tokens: int) -> None:
        self.processor = open_sentencepiece(tokenizer)
        self._table = byte_table_of_processor(self.processor)
        if self._table.vocab_size > _MAX_VOCABULARY:
            raise SetupError(
                f"{tokenizer}: {self._table.vocab_size:,} pieces; a shard holds ids below {_MAX_VOCABULARY:,}"
            )
        if shard_tokens > SHARD_MAX_TOKENS:
            raise SetupError(f"{shard_tokens:,} tokens a shard; a header counts to {SHARD_MAX_TOKENS:,}")
        self._bos_id = int(self.processor.bos_id())
        if self._bos_id < 0:
            raise SetupError(f"{tokenizer}: has no BOS piece; every document of a shard begins with one")
        self._folder = folder
        self._tokenizer = folder / TOKENIZER_NAME
        if tokenizer != self._tokenizer:
            shutil.copyfile(tokenizer, self._tokenizer)
        self._splits = {
            split: SplitWriter(folder, split, bos_id=self._bos_id, shard_tokens=shard_tokens)
            for split in ("val", "train")
        }

    def add(self, split: str, texts: list[str], *, threads: int) -> None:
        """Tokenize documents and append them to a split, in order."""
        writer = self._splits[split]
        for encoded in self.processor.encode(texts, out_type=int, num_threads=threads):
            stream = np.array([self._bos_id, *encoded])
            writer.add(stream[1:], self._table.stream_bytes(stream))

    def finish(self, source: Mapping[str, Any]) -> Manifest:
        """Write the last shards and the manifest."""
        manifest = Manifest(
            tool_version=__version__,
            source=source,
            tokenizer=file_entry(self._tokenizer),
            vocab_size=self._table.vocab_size,
            bos_id=self._bos_id,
            splits={split: writer.finish() for split, writer in self._splits.items()},
        )
        write_manifest(self._folder, manifest)
        return manifest


def refuse_used_folder(out: Path) -> None:
    """Raise SetupError where `out` exists and is not an empty folder: nothing of anyone's is overwritten."""
    if out.is_symlink() or (out.exists() and (not out.is_dir() or any(out.iterdir()))):
        raise SetupError(f"{out}: exists and is not an empty folder; remove it or choose another --out")


@contextlib.contextmanager
def built_folder(out: Path) -> Iterator[Path]:
    """A temporary folder beside `out`: takes its name when the block ends well, else goes away."""
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        folder = Path(tempfile.mkdtemp(dir=out.parent, prefix=f".{out.name}.partial-"))
    except OSError as error:
        raise SetupError(f"{out}: cannot be made: {error.strerror or error}") from error
    try:
        yield folder
        folder.chmod(0o755)
        os.replace(folder, out)  # noqa: PTH105 - replaces an empty folder, which Path.rename may not
    except OSError as error:
        raise SetupError(f"{out}: cannot be written: {error.strerror or error}") from error
    finally:
        shutil.rmtree(folder, ignore_errors=True)
