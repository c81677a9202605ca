"""Our shards against those of the challenge's own export script, read from a clone."""

from __future__ import annotations

import json
import subprocess
import sys
from types import ModuleType
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from harness.tokens.byte_table import open_sentencepiece
from harness.tokens.demo_corpus import DEMO_VOCAB_SIZE, demo_data
from harness.tokens.prepare import PrepareOptions, prepare
from tests.harness.tokens.real_data import shared_data
from tests.upstream_seeds import clone_path

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [pytest.mark.shared, pytest.mark.clone]


@pytest.fixture
def original(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """data/download_hf_docs_and_tokenize.py on main; its download package is not needed for the export."""
    named = "main:data/download_hf_docs_and_tokenize.py"
    source = subprocess.run(
        ["git", "-C", str(clone_path()), "show", named], capture_output=True, check=True
    ).stdout
    errors: Any = ModuleType("huggingface_hub.utils")
    errors.EntryNotFoundError = FileNotFoundError
    package: Any = ModuleType("huggingface_hub")
    package.hf_hub_download = None
    monkeypatch.setitem(sys.modules, "huggingface_hub", package)
    monkeypatch.setitem(sys.modules, "huggingface_hub.utils", errors)
    module = ModuleType("original_export")
    module.__file__ = named
    monkeypatch.setitem(sys.modules, "original_export", module)
    exec(compile(source, named, "exec"), module.__dict__)
    return module


@pytest.mark.parametrize("vocab_size", [1024, 8192])
def test_shards_equal_those_of_the_original_export(
    original: ModuleType, tmp_path: Path, vocab_size: int
) -> None:
    data = shared_data()
    documents, model = data / "fineweb_docs.jsonl", data / "tokenizers" / f"fineweb_{vocab_size}_bpe.model"
    processor = open_sentencepiece(model)
    tokenizer = {
        "vocab_size": vocab_size,
        "bos_id": processor.bos_id(),
        "encode_batch": lambda texts: processor.encode(texts, out_type=int),
    }
    theirs, ours = tmp_path / "theirs", tmp_path / "ours"
    original.export_shards(documents, tokenizer, theirs, num_val_docs=50, shard_size=100_000, docs_total=200)
    prepare(
        PrepareOptions(
            documents=documents,
            tokenizer=model,
            out=ours,
            val_documents=50,
            shard_tokens=100_000,
            quiet=True,
        )
    )
    names = sorted(path.name for path in theirs.iterdir())
    assert len(names) >= 4
    assert names == sorted(path.name for path in ours.glob("*.bin"))
    assert all((theirs / name).read_bytes() == (ours / name).read_bytes() for name in names)


def test_the_demo_tokenizer_has_the_settings_of_the_original(original: ModuleType, tmp_path: Path) -> None:
    """Both trainers, given the same short lines, agree on every piece."""
    from harness.tokens import demo_corpus
    from harness.tokens.demo_text import demo_documents

    lines = list(demo_corpus._training_lines(demo_documents()[:20]))
    (tmp_path / "docs.jsonl").write_text("".join(json.dumps({"text": line}) + "\n" for line in lines))
    spec = {"vocab_size": DEMO_VOCAB_SIZE, "model_prefix": "theirs"}
    original.build_sentencepiece_tokenizer(
        spec=spec, docs_jsonl=tmp_path / "docs.jsonl", tokenizers_dir=tmp_path
    )
    demo_corpus.train_tokenizer(tmp_path / "ours.model", lines, vocab_size=DEMO_VOCAB_SIZE)
    ours, theirs = (open_sentencepiece(tmp_path / f"{name}.model") for name in ("ours", "theirs"))
    assert [ours.id_to_piece(i) for i in range(1024)] == [theirs.id_to_piece(i) for i in range(1024)]


def test_the_original_reader_accepts_the_demo_shards(tmp_path: Path) -> None:
    from tests.upstream_seeds import clone_path, load_original

    data = demo_data(tmp_path / "demo")
    module = load_original("baseline", clone_path())
    tokens = module.load_data_shard(data.data_dir / "fineweb_val_000000.bin")
    assert tokens.numel() == data.val_tokens
    assert int(np.count_nonzero(tokens.numpy() == 1)) == data.manifest.splits["val"].documents
