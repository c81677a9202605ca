"""Document by document adaptation with low-rank adapters."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch

from reference_model.config import Config, ConfigError, TttKind
from reference_model.distributed import World
from reference_model.evaluation.evaluate import evaluate_plain, evaluate_with_ttt
from reference_model.evaluation.lora_adapters import DocumentAdapters
from tests.reference_model.evaluation.test_evaluate import UniformMixer, nats_at
from tests.reference_model.evaluation_cases import VOCABULARY, byte_table, stream, tiny_config, tiny_model

if TYPE_CHECKING:
    from reference_model.evaluation.score_ledger import ScoreLedger

WORLD = World()


def lora_config(**ttt: object) -> Config:
    return tiny_config(
        ttt={
            "kind": TttKind.DOCUMENT_LORA,
            "lora_chunk_tokens": 8,
            "lora_documents": 3,
            **ttt,
        }
    )


def ledger_of(config: Config, tokens: np.ndarray) -> ScoreLedger:
    ledger = evaluate_with_ttt(tiny_model(config), tokens, byte_table(), config, WORLD).ledger
    assert ledger is not None
    return ledger


def documents(*lengths: int) -> np.ndarray:
    parts = [np.concatenate(([1], stream(length, seed=length)[1:].clip(2))) for length in lengths]
    return np.concatenate(parts).astype(np.uint16)


def test_without_a_learning_rate_documents_are_scored_with_their_own_context_alone() -> None:
    config, tokens = lora_config(lora_lr=0.0), documents(20, 7, 12)
    model = tiny_model(config)
    starts = [0 if p <= 20 else 20 if p <= 27 else 27 for p in range(1, 39)]
    ends = [min(start + -(-(p - start) // 8) * 8, end) for p, start, end in
            zip(range(1, 39), starts, [20] * 20 + [27] * 7 + [38] * 11, strict=True)]  # fmt: skip
    windows = [max(start, end - 16) for start, end in zip(starts, ends, strict=True)]
    expected = [nats_at(model, tokens, window, p) for p, window in enumerate(windows, start=1)]
    np.testing.assert_allclose(ledger_of(config, tokens).nats(38), expected, rtol=2e-5)


def test_the_first_chunk_of_every_document_is_scored_without_adapters() -> None:
    tokens = documents(20, 30)
    still, adapted = (
        ledger_of(lora_config(lora_lr=0.0), tokens).nats(49),
        ledger_of(lora_config(), tokens).nats(49),
    )
    np.testing.assert_allclose(adapted[:8], still[:8], rtol=1e-6)
    np.testing.assert_allclose(adapted[20:28], still[20:28], rtol=1e-6)
    assert not np.allclose(adapted[8:16], still[8:16], rtol=1e-5)


def test_documents_do_not_influence_each_other() -> None:
    config = lora_config()
    alone, among = (
        ledger_of(config, documents(25)).nats(24),
        ledger_of(config, documents(25, 40, 31)).nats(95),
    )
    np.testing.assert_allclose(among[:24], alone, rtol=1e-5)


def test_the_result_does_not_depend_on_how_documents_are_batched() -> None:
    one, many = (ledger_of(lora_config(lora_documents=rows), stream()).nats(149) for rows in (1, 16))
    np.testing.assert_allclose(one, many, rtol=1e-5)


def test_queries_values_and_the_head_are_adapted() -> None:
    config = lora_config()
    adapters = DocumentAdapters(tiny_model(config), documents=2, rank=3, seed=0, device=WORLD.device)
    dim, kv_dim = config.model.model_dim, config.model.kv_dim
    assert [tuple(matrix.shape) for matrix in adapters.parameters[1::2]] == [
        (2, outputs, 3) for outputs in [dim, kv_dim] * config.model.num_cores + [VOCABULARY]
    ]


def test_the_head_is_adapted_before_the_softcap() -> None:
    config = lora_config()
    model = tiny_model(config)
    tokens_BT = torch.tensor(stream(8)[None].astype(np.int64))
    adapters = DocumentAdapters(model, documents=1, rank=1, seed=0, device=WORLD.device)
    with torch.no_grad():
        down_rD, up_Vr = adapters.parameters[-2:]
        up_Vr.fill_(0.5)
        raw_BTV = model.hidden(tokens_BT) @ (model.tok_emb.weight.T + 0.5 * down_rD[0].T)
        cap = config.model.logit_softcap
        expected = cap * torch.tanh(raw_BTV / cap)
        torch.testing.assert_close(adapters.logits(tokens_BT, last=8), expected)


def test_base_weights_stay_bit_identical() -> None:
    config = lora_config(lora_epochs=2)
    model, untouched = tiny_model(config), tiny_model(config)
    evaluate_with_ttt(model, stream(), byte_table(), config, WORLD)
    for a, b in zip(model.parameters(), untouched.parameters(), strict=True):
        assert torch.equal(a, b)
        assert a.requires_grad


def test_adapters_leave_no_trace_on_the_model() -> None:
    config = lora_config()
    model = tiny_model(config)
    before = evaluate_plain(model, stream(), byte_table(), config, WORLD).val_loss_nats
    evaluate_with_ttt(model, stream(), byte_table(), config, WORLD)
    assert evaluate_plain(model, stream(), byte_table(), config, WORLD).val_loss_nats == before


def test_adapting_helps_on_a_document_that_repeats() -> None:
    tokens = np.concatenate(([1], np.tile(stream(8)[1:].clip(2), 12))).astype(np.uint16)
    still, adapted = (ledger_of(lora_config(lora_lr=lr), tokens).val_loss() for lr in (0.0, 0.02))
    assert adapted < still - 0.05


def test_no_score_depends_on_tokens_after_its_position() -> None:
    tokens = documents(30, 40)
    changed = tokens.copy()
    changed[50:] = (changed[50:] + 5) % 29 + 2
    before, after = (ledger_of(lora_config(), each).nats(69)[:49] for each in (tokens, changed))
    np.testing.assert_allclose(before, after, rtol=1e-5)


def test_the_last_chunk_of_a_document_is_not_trained_on() -> None:
    updates = ledger_of(lora_config(), documents(20)).updates
    assert [(update.version, update.first, update.end) for update in updates] == [(1, 1, 9), (2, 9, 17)]


def test_a_mixer_is_asked_once_for_every_position() -> None:
    config, mixer = lora_config(), UniformMixer()
    score = evaluate_with_ttt(tiny_model(config), stream(), byte_table(), config, WORLD, mixer=mixer)
    assert score.val_loss_nats == pytest.approx(np.log(VOCABULARY), rel=1e-12)
    assert set(mixer.asked) == set(range(1, 150))


def test_a_mixer_does_not_change_what_is_learned() -> None:
    config = lora_config()
    mixed = evaluate_with_ttt(tiny_model(config), stream(), byte_table(), config, WORLD, mixer=UniformMixer())
    assert mixed.ledger is not None
    updates = ledger_of(config, stream()).updates
    assert [(u.first, u.end) for u in mixed.ledger.updates] == [(u.first, u.end) for u in updates]


def test_chunks_longer_than_a_window_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"ttt\.lora_chunk_tokens 32 exceeds evaluation.eval_seq_len 16"):
        lora_config(lora_chunk_tokens=32)
