from __future__ import annotations

import numpy as np
import pytest

from harness.dynamic.data_folder import DataNames, write_data_folder
from harness.dynamic.tiny_data import PASSAGE_TOKENS, Layout, tiny_data
from harness.dynamic.tiny_vocabulary import (
    BOS_ID,
    BYTE_VOCABULARY,
    FIRST_BYTE_ID,
    Alphabet,
    VocabularyKey,
    marked_case,
)
from harness.errors import SetupError
from harness.tokens.shard_file import read_shard

BYTES = VocabularyKey(alphabet=Alphabet.BYTES, size=BYTE_VOCABULARY)


@pytest.fixture(scope="module")
def single(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GOLF_CACHE_DIR", str(tmp_path_factory.mktemp("cache")))
        yield tiny_data(BYTES, Layout.SINGLE)


@pytest.fixture(scope="module")
def several(single):
    return tiny_data(BYTES, Layout.SEVERAL)


def windows(ids, width):
    return [tuple(ids[at : at + width]) for at in range(len(ids) - width + 1)]


def test_a_single_stream_is_one_document(single):
    assert single.validation.size == 2049
    assert np.flatnonzero(single.validation == BOS_ID).tolist() == [0]


def test_a_stream_of_several_documents_has_ten_of_different_lengths(several):
    starts = np.flatnonzero(several.validation == BOS_ID)
    lengths = np.diff([*starts, several.validation.size])
    assert several.validation.size == 4097
    assert len(lengths) == len(set(lengths)) == 10


def test_no_window_of_the_validation_stream_occurs_twice(single):
    found = windows(single.validation.tolist(), 24)
    assert len(set(found)) == len(found)


def test_nothing_of_the_validation_stream_is_trained_on(single, several):
    train = set(windows(single.train.tolist(), 24))
    for data in (single, several):
        assert train.isdisjoint(windows(data.validation.tolist(), 24))


def test_a_replaced_suffix_changes_every_token_from_its_start_on_and_none_before(several):
    changed = several.with_suffix_replaced(3000)
    differs = changed.validation != several.validation
    is_bos = several.validation == BOS_ID
    assert not differs[:3000].any()
    assert (differs[3000:] | is_bos[3000:]).all()
    assert ((changed.validation == BOS_ID) == is_bos).all()


def test_a_planted_passage_stands_fifteen_times_and_ends_at_the_asked_position(single):
    planted = single.with_planted(1536)
    passage = planted.passage()
    at = [
        end
        for end in range(PASSAGE_TOKENS - 1, 2049)
        if np.array_equal(planted.validation[end - PASSAGE_TOKENS + 1 : end + 1], passage)
    ]
    assert len(at) == 15
    assert at[-1] == 1536
    assert len(set(passage.tolist())) == PASSAGE_TOKENS


def test_a_passage_without_room_before_it_is_refused(single):
    with pytest.raises(ValueError, match="fit before position"):
        single.with_planted(100)


def test_noise_is_drawn_with_the_weights_it_tells_and_the_same_each_time(several):
    noise, weights = several.with_noise(), several.noise_weights()
    is_bos = several.validation == BOS_ID
    assert (weights[noise.validation[~is_bos]] > 0).all()
    assert ((noise.validation == BOS_ID) == is_bos).all()
    assert np.array_equal(noise.validation, several.with_noise().validation)
    drawn = np.exp(-noise.chances()[~is_bos])
    assert np.allclose(drawn, weights[noise.validation[~is_bos]] / weights.sum())


def test_all_that_text_is_trained_on_can_be_drawn_and_what_is_common_more_often(several):
    weights, counts = several.noise_weights(), np.bincount(several.train, minlength=260)
    trained_on = np.flatnonzero(counts)
    first, last = FIRST_BYTE_ID + ord(" "), FIRST_BYTE_ID + ord("~")
    trained_on = trained_on[(trained_on >= first) & (trained_on <= last)]
    assert (weights[trained_on] > 0).all()
    assert weights[BOS_ID] == 0
    assert weights.argmax() == trained_on[counts[trained_on].argmax()]


def test_a_repetition_begins_at_its_half_and_no_window_of_it_stands_twice(single):
    doubled = single.with_repetition(1061).validation
    assert np.array_equal(doubled[:1061], single.validation[:1061])
    same = doubled[1061:] == single.validation[1 : 1 + 2049 - 1061]
    assert 0.8 < same.mean() < 0.9
    assert np.diff(np.flatnonzero(~same)).max() == 6


def test_documents_begin_at_their_first_token(several):
    documents = several.documents()
    assert [each.start for each in documents] == np.flatnonzero(several.validation == BOS_ID).tolist()
    assert documents[-1].stop == several.validation.size


def test_bytes_of_tokens_add_up_to_the_text(single):
    text = bytes((single.validation[1:] - 4).astype(np.uint8))
    assert single.token_bytes().sum() == len(text)
    assert b"string" in text


def test_case_marks_lose_nothing_and_cost_no_bytes(monkeypatch, tmp_path):
    monkeypatch.setenv("GOLF_CACHE_DIR", str(tmp_path))
    assert marked_case("A Word of USA inCode") == "\ue001a \ue001word of \ue002usa in\ue003code"
    data = tiny_data(VocabularyKey(alphabet=Alphabet.CASE_PIECES, size=512), Layout.SINGLE)
    import sentencepiece

    text = sentencepiece.SentencePieceProcessor(model_proto=data.vocabulary.model).decode(
        data.validation[1:].tolist()
    )
    marks = sum(text.count(mark) for mark in "\ue001\ue002\ue003")
    assert marks > 10
    assert data.token_bytes().sum() == len(text.encode()) - 3 * marks


def test_the_folder_holds_the_streams_under_every_name(single, tmp_path):
    places = write_data_folder(
        tmp_path / "data", single, DataNames(datasets=("fineweb10B_mine", "../out"), has_byte_files=True)
    )
    assert places.dataset == "datasets/fineweb10B_byte260"
    assert np.array_equal(read_shard(tmp_path / "data" / places.val_files[0]), single.validation)
    train = [read_shard(tmp_path / "data" / name) for name in places.train_files]
    assert np.array_equal(np.concatenate(train), single.train)
    other = tmp_path / "data" / "datasets" / "fineweb10B_mine" / "fineweb_val_bytes_000000.bin"
    assert np.array_equal(read_shard(other), single.token_bytes())
    assert not (tmp_path / "out").exists()


def test_a_second_request_comes_from_the_cache_bit_for_bit(monkeypatch, tmp_path):
    from harness.dynamic import tiny_data as module

    monkeypatch.setenv("GOLF_CACHE_DIR", str(tmp_path))
    module._streams.cache_clear()
    made = module.tiny_data(BYTES, Layout.SINGLE)
    module._streams.cache_clear()
    monkeypatch.setattr(module, "_made", lambda key: pytest.fail("made again"))
    assert np.array_equal(module.tiny_data(BYTES, Layout.SINGLE).train, made.train)


def test_a_size_no_tokenizer_has_is_refused():
    with pytest.raises(SetupError, match="300 to 20,000"):
        VocabularyKey(size=100)


def test_every_document_begins_with_a_space_that_the_official_count_leaves_out(monkeypatch, tmp_path):
    monkeypatch.setenv("GOLF_CACHE_DIR", str(tmp_path))
    data = tiny_data(VocabularyKey(size=512), Layout.SEVERAL)
    at = np.flatnonzero(data.validation == BOS_ID) + 1
    first, table = data.validation[at], data.vocabulary.byte_table
    assert table.has_leading_space[first].all()
    assert (data.token_bytes()[at] == table.base_bytes[first]).all()


def test_tokens_replaced_evenly_differ_where_asked_and_only_there(several):
    where = np.arange(several.validation.size) >= 500
    changed = several.with_even(where).validation
    is_text = several.validation != BOS_ID
    assert np.array_equal(changed != several.validation, where & is_text)
    assert np.isin(changed[where & is_text], several.vocabulary.ordinary_ids()).all()
