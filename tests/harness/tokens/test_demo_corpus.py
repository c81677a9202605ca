from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest

from harness.errors import SetupError
from harness.tokens import demo_corpus
from harness.tokens.byte_table import open_sentencepiece
from harness.tokens.demo_corpus import DemoData, demo_data
from harness.tokens.demo_text import demo_documents
from harness.tokens.verify import verify_folder

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(scope="module")
def documents() -> list[str]:
    return demo_documents()


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory, documents: list[str]) -> DemoData:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(demo_corpus, "demo_documents", lambda: documents)
        return demo_data(tmp_path_factory.mktemp("demo") / "data")


def test_the_demo_data_passes_its_own_verification(made: DemoData) -> None:
    result = verify_folder(made.data_dir, quiet=True)
    assert not result.findings
    assert result.splits["val"].tokens == made.val_tokens


def test_there_is_enough_to_validate_and_to_train(made: DemoData) -> None:
    assert made.val_tokens >= 50_000
    assert made.train_tokens >= 100_000


def test_control_ids_are_those_of_the_challenge(made: DemoData) -> None:
    processor = open_sentencepiece(made.tokenizer_path)
    ids = [processor.pad_id(), processor.bos_id(), processor.eos_id(), processor.unk_id()]
    assert (made.vocab_size, ids) == (1024, [0, 1, 2, 3])


def test_making_it_again_gives_the_same_bytes(made: DemoData, tmp_path: Path) -> None:
    assert demo_data(tmp_path / "again").manifest == made.manifest


def test_a_second_run_makes_nothing(made: DemoData, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(demo_corpus, "demo_documents", lambda: pytest.fail("made again"))
    assert demo_data(made.data_dir) == made


def test_a_damaged_cache_is_made_anew(
    made: DemoData, documents: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GOLF_CACHE_DIR", str(tmp_path))
    monkeypatch.setattr(demo_corpus, "demo_documents", lambda: documents)
    folder = tmp_path / f"demo-{made.manifest.source['recipe_digest'][:16]}"
    shutil.copytree(made.data_dir, folder)
    (folder / "fineweb_val_000000.bin").write_bytes(b"damaged")
    assert demo_data().manifest == made.manifest


def test_a_folder_that_holds_other_things_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(SetupError, match="not an empty folder"):
        demo_data(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


def test_a_failure_leaves_no_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(demo_corpus, "demo_documents", lambda: ["too little"])
    with pytest.raises(SetupError, match="is only 10 bytes"):
        demo_data(tmp_path / "data")
    assert not list(tmp_path.iterdir())


def test_no_long_paragraph_of_the_text_is_in_two_documents(documents: list[str]) -> None:
    """A topic that is a section of another one is left out, else training would hold validation text."""
    paragraphs = [part for text in documents for part in set(text.split("\n\n")) if len(part) > 400]
    assert len(paragraphs) - len(set(paragraphs)) <= len(paragraphs) // 100
