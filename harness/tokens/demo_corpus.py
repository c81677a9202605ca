"""The embedded demo data: a tokenizer and shards made on the spot from text that every Python brings along.

Deterministic for one version of Python and of sentencepiece: documents, their order, the split and the
tokenizer are functions of the text alone. Tokenizer settings are those of the challenge
(data/download_hf_docs_and_tokenize.py: BPE with byte fallback, split digits, nmt_nfkc, no dummy prefix,
ids pad 0, bos 1, eos 2, unk 3), but only training documents are shown to it.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import io
import platform
from dataclasses import dataclass
from typing import TYPE_CHECKING

from harness.errors import SetupError
from harness.result_cache import default_cache_dir
from harness.tokens.dataset_writer import (
    OFFICIAL_SHARD_TOKENS,
    DatasetWriter,
    built_folder,
    refuse_used_folder,
)
from harness.tokens.demo_text import demo_documents, demo_text_digest
from harness.tokens.manifest import MANIFEST_NAME, TOKENIZER_NAME, Manifest, read_manifest, sha256_of_file

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

DEMO_VOCAB_SIZE = 1024  # the vocabulary of the challenge's first tokenizer
DEMO_VAL_BYTES = 160_000  # spaces fall together and a token is about 2.7 bytes: more than 50,000 tokens
# Changes whenever the same text would give other shards.
_RECIPE = f"golf-data demo 1, {DEMO_VOCAB_SIZE} pieces, {DEMO_VAL_BYTES} bytes"
_LONGEST_SENTENCE_BYTES = 4192  # SentencePiece leaves out longer training lines silently


@dataclass(frozen=True, slots=True, kw_only=True)
class DemoData:
    """Where the demo data lies and what it holds."""

    data_dir: Path
    tokenizer_path: Path
    manifest: Manifest

    @property
    def vocab_size(self) -> int:
        """Pieces of the tokenizer."""
        return self.manifest.vocab_size

    @property
    def train_tokens(self) -> int:
        """Tokens of the training split, BOS included."""
        return self.manifest.splits["train"].tokens

    @property
    def val_tokens(self) -> int:
        """Tokens of the validation split, BOS included."""
        return self.manifest.splits["val"].tokens


def _recipe_digest() -> str:
    """Identifies the result before it is made: the text, the recipe, the tokenizer trainer."""
    try:
        trainer = importlib.metadata.version("sentencepiece")
    except importlib.metadata.PackageNotFoundError as error:
        raise SetupError("sentencepiece is not installed; run: pip install 'golf-harness[model]'") from error
    return hashlib.sha256(f"{_RECIPE}\n{trainer}\n{demo_text_digest()}".encode()).hexdigest()


def _training_lines(documents: Sequence[str]) -> Iterator[str]:
    for document in documents:
        for paragraph in document.split("\n\n"):
            line = " ".join(paragraph.split())
            if line:
                yield line.encode()[:_LONGEST_SENTENCE_BYTES].decode(errors="ignore")


def train_tokenizer(path: Path, documents: Sequence[str], *, vocab_size: int) -> None:
    """Train a SentencePiece BPE tokenizer with byte fallback; one thread, so that it is repeatable."""
    import sentencepiece

    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=_training_lines(documents),
        model_writer=model,
        model_type="bpe",
        vocab_size=vocab_size,
        character_coverage=0.999,
        byte_fallback=True,
        split_digits=True,
        normalization_rule_name="nmt_nfkc",
        add_dummy_prefix=False,
        pad_id=0,
        bos_id=1,
        eos_id=2,
        unk_id=3,
        num_threads=1,
        minloglevel=2,
    )
    path.write_bytes(model.getvalue())


def _split_documents(documents: list[str]) -> tuple[list[str], list[str]]:
    """The first documents of DEMO_VAL_BYTES together are for validation, the rest for training."""
    size = 0
    for count, document in enumerate(documents, 1):
        size += len(document.encode())
        if size >= DEMO_VAL_BYTES:
            return documents[:count], documents[count:]
    return documents, []


def _build_demo(folder: Path, digest: str) -> Manifest:
    documents = demo_documents()
    val, train = _split_documents(documents)
    if not train:
        size = sum(len(text.encode()) for text in documents)
        raise SetupError(
            f"the documentation of this Python is only {size:,} bytes; the demo data needs more than "
            f"{DEMO_VAL_BYTES:,}; use golf-data prepare with text of your own"
        )
    train_tokenizer(folder / TOKENIZER_NAME, train, vocab_size=DEMO_VOCAB_SIZE)
    writer = DatasetWriter(folder, folder / TOKENIZER_NAME, shard_tokens=OFFICIAL_SHARD_TOKENS)
    writer.add("val", val, threads=1)
    writer.add("train", train, threads=1)
    return writer.finish(
        {
            "kind": "demo",
            "text": "documentation topics and docstrings of the Python library (PSF-2.0)",
            "python": platform.python_version(),
            "sentencepiece": importlib.metadata.version("sentencepiece"),
            "recipe_digest": digest,
            "documents_digest": hashlib.sha256("\0".join(documents).encode()).hexdigest(),
        }
    )


def _whole_demo(folder: Path, digest: str) -> DemoData | None:
    """The demo data of a folder, None where it is missing, of other text, or not as its manifest says."""
    try:
        manifest = read_manifest(folder)
        if manifest is None or manifest.source.get("recipe_digest") != digest:
            return None
        entries = [
            manifest.tokenizer,
            *(shard for split in manifest.splits.values() for shard in split.shards),
        ]
        if any(sha256_of_file(folder / entry.file) != entry.sha256 for entry in entries):
            return None
    except SetupError:
        return None  # damaged: it is made anew
    return DemoData(data_dir=folder, tokenizer_path=folder / TOKENIZER_NAME, manifest=manifest)


def demo_data(out: Path | None = None) -> DemoData:
    """The demo data in `out`, or in the cache of this user; made where it is not there yet.

    Raises SetupError where the folder holds other things, cannot be written, or this Python lacks its
    documentation topics.
    """
    digest = _recipe_digest()
    folder = out or default_cache_dir() / f"demo-{digest[:16]}"
    if found := _whole_demo(folder, digest):
        return found
    if out is not None:
        refuse_used_folder(folder)
    elif (folder / MANIFEST_NAME).exists():
        _discard_cached(folder)
    try:
        with built_folder(folder) as partial:
            _build_demo(partial, digest)
    except SetupError:
        # Another process may have made the same folder meanwhile; what counts is that it is there.
        if _whole_demo(folder, digest) is None:
            raise
    made = _whole_demo(folder, digest)
    if made is None:
        raise SetupError(f"{folder}: changed while it was made; run golf-data demo again")
    return made


def _discard_cached(folder: Path) -> None:
    """Remove a damaged cache entry file by file: only names that golf-data writes."""
    names = [MANIFEST_NAME, TOKENIZER_NAME, *(path.name for path in folder.glob("fineweb_*.bin"))]
    try:
        for name in names:
            (folder / name).unlink(missing_ok=True)
    except OSError as error:
        raise SetupError(f"{folder}: cannot be renewed: {error.strerror or error}") from error
