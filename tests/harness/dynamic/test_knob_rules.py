from __future__ import annotations

import pytest

from harness.dynamic.knob_rules import is_sequence_length, shrinks_literal, small_value
from harness.dynamic.tiny_scale import Scale, table_slots

USUAL = Scale()


@pytest.mark.parametrize(
    ("name", "value", "small"),
    [
        ("TRAIN_SEQ_LEN", 2048, 256),
        ("EVAL_STRIDE", 64, 64),
        ("TTT_CHUNK_TOKENS", 32_768, 512),
        ("TTT_CHUNK_SIZE", 48, 128),
        ("TRAIN_BATCH_TOKENS", 786_432, 2048),
        ("VAL_BATCH_SIZE", 524_288, 4096),
        ("EVAL_BATCH_SEQS", 32, 2),
        ("MODEL_DIM", 512, 64),
        ("NUM_HEADS", 8, 4),
        ("NUM_KV_HEADS", 4, 2),
        ("ROPE_DIMS", 16, 8),
        ("BIGRAM_VOCAB_SIZE", 10_240, 256),
        ("VE_DIM", 128, 16),
        ("TTT_LORA_RANK", 96, 4),
        ("ITERATIONS", 20_000, 6),
        ("WARMUP_STEPS", 20, 1),
        ("warmup_cu_iters", 3, 1),
        ("BITNET_GROUP_SIZE", 128, 16),
        ("WARMDOWN_ITERS", 3500, 3),
        ("MUON_MOMENTUM_WARMUP_STEPS", 1500, 3),
        ("SWA_EVERY", 50, 1),
        ("VAL_LOSS_EVERY", 4000, 1000),
        ("TTT_EPOCHS", 30, 3),
        ("GPTQ_CALIBRATION_BATCHES", 64, 2),
        ("PHASED_TTT_PREFIX_DOCS", 2000, 3),
        ("EMA_DECAY", 0.997, 0.5),
        ("CURRICULUM_PHASE1_SEQ", 1024, 128),
    ],
)
def test_a_size_becomes_small(name, value, small):
    assert small_value(name, value, USUAL) == small


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("MUON_MOMENTUM", 0.95),
        ("GPTQ_BLOCK_SIZE", 128),
        ("NGRAM_ORDER", 7),
        ("MUON_BACKEND_STEPS", 5),
        ("TTT_LR", 0.002),
        ("MAX_WALLCLOCK_SECONDS", 600),
        ("EMBED_BITS", 8),
        ("NGRAM_MIN_COUNT", 2),
    ],
)
def test_what_is_no_size_stays(name, value):
    assert small_value(name, value, USUAL) in {value, None}


@pytest.mark.parametrize("name", ["EVAL_SEQ_LEN", "SWA_EVERY", "EVAL_STRIDE", "TTT_EPOCHS"])
def test_a_switch_that_is_off_stays_off(name):
    assert small_value(name, 0, USUAL) == 0


def test_lengths_keep_their_ratio():
    scale = Scale(sequence=2048, train_sequence=1024)
    assert small_value("TRAIN_SEQ_LEN", 1024, scale) == 128
    assert small_value("EVAL_SEQ_LEN", 2048, scale) == 256


def test_windows_that_do_not_overlap_still_do_not():
    assert small_value("EVAL_STRIDE", 2048, USUAL) == small_value("EVAL_SEQ_LEN", 2048, USUAL)


def test_a_table_keeps_its_tokens_per_slot():
    slots = table_slots(2**22)
    assert slots == 128
    assert 2049 / slots == pytest.approx(62_021_846 / 2**22, rel=0.1)
    assert small_value("NGRAM_TABLE_BITS", 22, USUAL) == 7


def test_a_table_larger_than_the_text_stays_larger_than_the_text():
    assert table_slots(2**26) == 2048


def test_query_heads_keep_their_group():
    scale = Scale(heads=9, kv_heads=3, width=576)
    heads, kv = small_value("NUM_HEADS", 9, scale), small_value("NUM_KV_HEADS", 3, scale)
    assert heads == 3 * kv
    assert small_value("MODEL_DIM", 576, scale) % heads == 0


def test_own_width_is_kept_when_asked():
    scale = Scale(keeps_width=True, steps=2)
    assert small_value("MODEL_DIM", 512, scale) == 512
    assert small_value("NUM_HEADS", 8, scale) == 8
    assert small_value("ITERATIONS", 20_000, scale) == 2


def test_only_costly_parameters_are_overridden_by_name():
    assert shrinks_literal("batch_seqs")
    assert shrinks_literal("num_buckets")
    assert not shrinks_literal("dim")
    assert not shrinks_literal("BLOCK_SIZE")


def test_a_calibration_length_is_no_window_of_the_model():
    assert is_sequence_length("EVAL_SEQ_LEN")
    assert not is_sequence_length("GPTQ_CALIB_SEQ_LEN")
