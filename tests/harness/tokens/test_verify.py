from __future__ import annotations

import json
import re
import shutil
from typing import TYPE_CHECKING

import numpy as np
import pytest

from harness.errors import SetupError
from harness.tokens.document_digests import DocumentDigests
from harness.tokens.official_totals import compare_with_official
from harness.tokens.prepare import PrepareOptions, prepare
from harness.tokens.shard_file import read_shard, write_shard
from harness.tokens.verify import verify_folder
from tests.harness.tokens.tiny_tokenizer import TINY_DOCUMENTS, tiny_tokenizer

if TYPE_CHECKING:
    from pathlib import Path

VAL = "fineweb_val_000000.bin"
TRAIN = "fineweb_train_000000.bin"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    documents = tmp_path / "docs.jsonl"
    documents.write_text("".join(json.dumps({"text": text}) + "\n" for text in TINY_DOCUMENTS))
    out = tmp_path / "out"
    prepare(
        PrepareOptions(
            documents=documents,
            tokenizer=tiny_tokenizer(),
            out=out,
            val_documents=2,
            shard_tokens=60,
            quiet=True,
        )
    )
    return out


def wrong(folder: Path) -> str:
    result = verify_folder(folder, quiet=True)
    assert result.is_wrong
    return "\n".join(f"{finding.file}: {finding.message}" for finding in result.findings)


def rewritten(folder: Path, name: str, position: int, token: int) -> None:
    tokens = read_shard(folder / name)
    tokens[position] = token
    write_shard(folder / name, tokens)


def test_a_folder_as_prepared_has_no_finding(folder: Path) -> None:
    result = verify_folder(folder, quiet=True)
    assert not result.findings
    assert (result.splits["val"].documents, result.splits["train"].documents) == (2, 4)


def test_a_shard_cut_short_is_wrong(folder: Path) -> None:
    (folder / VAL).write_bytes((folder / VAL).read_bytes()[:-2])
    assert f"{VAL}: cut short: header claims 60 tokens" in wrong(folder)


def test_a_changed_token_is_found_by_the_digest(folder: Path) -> None:
    rewritten(folder, TRAIN, 5, 260)
    assert f"{TRAIN}: SHA-256 is" in wrong(folder)


def test_an_id_outside_the_tokenizer_is_wrong(folder: Path) -> None:
    rewritten(folder, TRAIN, 5, 999)
    assert "1 of 60 ids are outside the 300 pieces of the tokenizer (largest 999)" in wrong(folder)


def test_a_split_that_begins_inside_a_document_is_wrong(folder: Path) -> None:
    rewritten(folder, VAL, 0, 300 - 1)
    assert f"{VAL}: begins with token 299, not BOS (1)" in wrong(folder)


def test_a_document_more_or_less_is_wrong(folder: Path) -> None:
    rewritten(folder, TRAIN, 5, 1)
    assert "claims 4 documents in the train split, the shards hold 5 (+1)" in wrong(folder)


def test_a_missing_shard_is_wrong(folder: Path) -> None:
    (folder / TRAIN).unlink()
    assert f"{TRAIN}: is missing: 1 of the first" in wrong(folder)


def test_a_number_far_too_large_is_told_as_a_gap(folder: Path) -> None:
    (folder / TRAIN).rename(folder / "fineweb_train_999999999999.bin")
    assert f"{TRAIN}: is missing: 999,999,999,9" in wrong(folder)


def test_a_split_without_shards_is_wrong(folder: Path) -> None:
    shutil.copytree(folder, folder.parent / "train-only", ignore=shutil.ignore_patterns("*_val_*"))
    assert "there is no val shard" in wrong(folder.parent / "train-only")


def test_a_shard_that_the_manifest_does_not_list_is_wrong(folder: Path) -> None:
    shutil.copy(folder / TRAIN, folder / "fineweb_train_000009.bin")
    assert "fineweb_train_000009.bin: is not in the manifest" in wrong(folder)


def test_validation_documents_in_training_are_wrong_without_a_manifest_too(folder: Path) -> None:
    (folder / "manifest.json").unlink()
    for path in folder.glob("*_train_*"):
        path.unlink()
    write_shard(folder / TRAIN, np.concatenate([read_shard(path) for path in sorted(folder.glob("*_val_*"))]))
    assert "2 of 2 validation documents of at least 32 tokens (100.00%) are in the training" in wrong(folder)


def test_a_tokenizer_other_than_the_manifest_says_is_wrong(folder: Path) -> None:
    content = (folder / "tokenizer.model").read_bytes()
    (folder / "tokenizer.model").write_bytes(content.replace(b"nmt_nfkc", b"nmt_nfkd"))
    assert "is not the tokenizer of the manifest" in wrong(folder)


def test_a_damaged_manifest_is_wrong(folder: Path) -> None:
    document = json.loads((folder / "manifest.json").read_text())
    document["splits"]["val"]["tokens"] = "many"
    (folder / "manifest.json").write_text(json.dumps(document))
    assert "manifest.json: " in wrong(folder)


@pytest.mark.parametrize("name", ["../tokenizer.model", "/etc/passwd", "", "..", "x" * 300, "a\0b", "\ud800"])
def test_a_manifest_cannot_point_outside_its_folder(folder: Path, name: str) -> None:
    document = json.loads((folder / "manifest.json").read_text())
    document["tokenizer"]["file"] = name
    (folder / "manifest.json").write_text(json.dumps(document))
    assert "which is not beside it" in wrong(folder)


def test_without_manifest_and_tokenizer_what_is_unchecked_is_said(folder: Path) -> None:
    (folder / "manifest.json").unlink()
    (folder / "tokenizer.model").unlink()
    result = verify_folder(folder, quiet=True)
    assert not result.is_wrong
    assert [finding.file for finding in result.findings] == ["manifest.json", "tokenizer.model"]
    assert result.splits["val"].utf8_bytes is None


def test_an_empty_folder_is_nothing_to_check(tmp_path: Path) -> None:
    with pytest.raises(SetupError, match=r"holds no fineweb_\*\.bin"):
        verify_folder(tmp_path)


@pytest.mark.parametrize("cut", range(8))
def test_a_document_has_one_digest_however_shards_cut_it(cut: int) -> None:
    tokens = np.array([1, 5, 6, 7, 1, 8, 9], dtype=np.uint16)
    whole, cut_up = DocumentDigests(1), DocumentDigests(1)
    expected = [*whole.feed(tokens), *whole.finish()]
    assert [*cut_up.feed(tokens[:cut]), *cut_up.feed(tokens[cut:]), *cut_up.finish()] == expected
    assert [document.tokens for document in expected] == [3, 2]


OFFICIAL = {"documents": 50_000, "tokens": 62_021_846, "utf8_bytes": 151_080_891}


def test_the_official_totals_are_recognised() -> None:
    comparison = compare_with_official("fineweb10B_sp1024", **OFFICIAL)
    assert comparison is not None
    assert comparison.agrees
    assert "151,080,891" in comparison.words


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"documents": 10_000}, "10,000 documents, but the validation split of the challenge has 50,000"),
        ({"tokens": 62_021_000}, r"62,021,846 \(-846\)"),
        ({"utf8_bytes": 176_332_748}, r"\+25,251,857, \+16\.71%"),
    ],
)
def test_a_folder_named_as_the_export_must_have_its_totals(changed: dict[str, int], words: str) -> None:
    comparison = compare_with_official("fineweb10B_sp1024", **{**OFFICIAL, **changed})
    assert comparison is not None
    assert not comparison.agrees
    assert re.search(words, comparison.words)


def test_other_data_is_not_held_against_the_export() -> None:
    assert compare_with_official("mine", documents=50_000, tokens=9, utf8_bytes=9) is None
