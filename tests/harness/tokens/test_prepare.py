from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from harness.errors import SetupError
from harness.tokens import document_lines
from harness.tokens.byte_table import open_sentencepiece
from harness.tokens.manifest import read_manifest
from harness.tokens.prepare import PrepareOptions, prepare
from harness.tokens.shard_file import read_shard, shard_paths
from tests.harness.tokens.tiny_tokenizer import TINY_DOCUMENTS, tiny_tokenizer

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from harness.tokens.manifest import Manifest


def prepared(folder: Path, lines: Sequence[str | bytes], **options: Any) -> Manifest:
    documents = folder / "docs.jsonl"
    documents.write_bytes(
        b"".join((line.encode() if isinstance(line, str) else line) + b"\n" for line in lines)
    )
    asked: dict[str, Any] = {"val_documents": 2, "shard_tokens": 1000, "quiet": True, **options}
    return prepare(
        PrepareOptions(documents=documents, tokenizer=tiny_tokenizer(), out=folder / "out", **asked)
    )


def lines_of(texts: Sequence[str]) -> list[str]:
    return [json.dumps({"text": text}) for text in texts]


def tokens_of(folder: Path, split: str) -> list[int]:
    return [int(token) for path in shard_paths(folder, split) for token in read_shard(path)]


def test_the_first_documents_validate_and_the_rest_trains(tmp_path: Path) -> None:
    prepared(tmp_path, lines_of(TINY_DOCUMENTS), val_documents=2)
    processor = open_sentencepiece(tiny_tokenizer())
    val, train = TINY_DOCUMENTS[:2], TINY_DOCUMENTS[2:]
    assert tokens_of(tmp_path / "out", "val") == [t for text in val for t in (1, *processor.encode(text))]
    assert tokens_of(tmp_path / "out", "train") == [t for text in train for t in (1, *processor.encode(text))]


def test_shards_are_filled_to_the_last_token(tmp_path: Path) -> None:
    manifest = prepared(tmp_path, lines_of(TINY_DOCUMENTS), shard_tokens=50)
    sizes = [shard.tokens for shard in manifest.splits["train"].shards]
    assert set(sizes[:-1]) == {50}
    assert sum(sizes) == manifest.splits["train"].tokens == len(tokens_of(tmp_path / "out", "train"))


def test_the_manifest_counts_documents_and_bytes(tmp_path: Path) -> None:
    manifest = prepared(tmp_path, lines_of(["ab cd", "ef", "gh ij"]), val_documents=2)
    assert (manifest.splits["val"].documents, manifest.splits["val"].utf8_bytes) == (2, 7)
    assert read_manifest(tmp_path / "out") == manifest


def test_the_same_documents_give_the_same_files(tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        prepared(tmp_path / name, lines_of(TINY_DOCUMENTS))
    one, two = ({p.name: p.read_bytes() for p in (tmp_path / n / "out").iterdir()} for n in ("one", "two"))
    assert one == two


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("{'text': 1}", r"docs\.jsonl:2 is not JSON"),
        ("", "2 is not JSON"),
        ("[1]", "holds a list, not an object"),
        ('{"body": "x"}', "has no 'text' among its 1 keys"),
        ('{"text": null}', "'text' of type NoneType"),
        ('{"text": "\\ud800"}', "half a surrogate pair at character 0"),
        (b'{"text": "\xff"}', "is not UTF-8"),
        ("[" * 100_000, "nested too deeply"),
    ],
)
def test_a_bad_line_is_named_with_its_number_and_nothing_is_left(
    tmp_path: Path, line: str | bytes, words: str
) -> None:
    with pytest.raises(SetupError, match=words):
        prepared(tmp_path, ['{"text": "good"}', line])
    assert [path.name for path in tmp_path.iterdir()] == ["docs.jsonl"]


def test_a_huge_line_is_refused_without_reading_it_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(document_lines, "LINE_CAP_BYTES", 100)
    huge = json.dumps({"text": "x" * 1000})
    with pytest.raises(SetupError, match=":2 is longer than 100 bytes"):
        prepared(tmp_path, ['{"text": "good"}', huge])


def test_bad_lines_can_be_left_out_and_are_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(document_lines, "LINE_CAP_BYTES", 100)
    lines = ['{"text": "a"}', "bad", '{"text": "b"}', json.dumps({"text": "x" * 1000}), '{"text": "c"}']
    manifest = prepared(tmp_path, lines, skip_bad=True)
    assert manifest.source["skipped_lines"] == 2
    assert manifest.source["first_skipped"].startswith("line 2 is not JSON")
    assert [manifest.splits[split].documents for split in ("val", "train")] == [2, 1]


def test_fewer_documents_than_validation_needs_are_refused(tmp_path: Path) -> None:
    with pytest.raises(SetupError, match="holds 2 documents, but 5 are to validate"):
        prepared(tmp_path, lines_of(["a", "b"]), val_documents=5)


def test_a_folder_in_use_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine").write_text("mine")
    with pytest.raises(SetupError, match="not an empty folder"):
        prepared(tmp_path, lines_of(["a", "b"]))


def test_documents_that_are_not_a_file_are_refused(tmp_path: Path) -> None:
    with pytest.raises(SetupError, match="not a regular file"):
        prepare(
            PrepareOptions(
                documents=tmp_path,
                tokenizer=tiny_tokenizer(),
                out=tmp_path / "out",
                val_documents=1,
                shard_tokens=10,
                quiet=True,
            )
        )
