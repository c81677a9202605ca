"""Chunk by chunk adaptation, score first."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from reference_model.config import Config, TttKind
from reference_model.distributed import World
from reference_model.evaluation.evaluate import evaluate_sliding, evaluate_with_ttt
from reference_model.evaluation.score_ledger import ScoreLedger
from reference_model.evaluation.test_time_training import adapted_parameters
from reference_model.network.gpt import GPT
from reference_model.optimizers.schedules import ttt_cosine
from reference_model.presets import preset
from tests.reference_model.evaluation.test_evaluate import UniformMixer
from tests.reference_model.evaluation_cases import VOCABULARY, byte_table, stream, tiny_config, tiny_model

WORLD = World()


def nats(config: Config, *, tokens: np.ndarray | None = None) -> np.ndarray:
    tokens = stream() if tokens is None else tokens
    score = evaluate_with_ttt(tiny_model(config), tokens, byte_table(), config, WORLD)
    assert score.ledger is not None
    return score.ledger.nats(len(tokens) - 1)


def plainly_trained(model: GPT, config: Config, *, chunks: int) -> GPT:
    """The recipe in the plainest form: a torch optimiser over separate tensors."""
    tokens, ttt = torch.from_numpy(stream().astype(np.int64)), config.ttt
    parameters = list(adapted_parameters(model, ttt).values())
    optimizer = torch.optim.SGD(parameters, lr=ttt.lr, momentum=ttt.momentum)
    for chunk in range(chunks):
        optimizer.param_groups[0]["lr"] = ttt_cosine(chunk, 5, ttt.lr)
        span = tokens[32 * chunk : 32 * chunk + 33]
        for _ in range(ttt.epochs):
            model.zero_grad()
            model(span[:-1].view(2, 16), span[1:].view(2, 16)).backward()
            torch.nn.utils.clip_grad_norm_(parameters, ttt.grad_clip)
            optimizer.step()
    return model


def test_each_chunk_is_scored_by_the_weights_trained_on_the_chunks_before_it() -> None:
    config = tiny_config()
    adapted = plainly_trained(tiny_model(config), config, chunks=3)
    frozen_score = evaluate_sliding(adapted, stream(), byte_table(), config, WORLD, ledger=ScoreLedger())
    assert frozen_score.ledger is not None
    in_chunk_3 = slice(3 * 32, 4 * 32)  # positions 97 to 128
    np.testing.assert_allclose(nats(config)[in_chunk_3], frozen_score.ledger.nats(149)[in_chunk_3], rtol=1e-5)


def test_the_first_chunk_is_scored_by_the_weights_as_they_came() -> None:
    config = tiny_config()
    score = evaluate_sliding(tiny_model(config), stream(), byte_table(), config, WORLD, ledger=ScoreLedger())
    assert score.ledger is not None
    assert nats(config)[:32].tolist() == score.ledger.nats(149)[:32].tolist()


def test_no_score_depends_on_tokens_after_its_position() -> None:
    config, changed = tiny_config(), stream()
    changed[100:] = (changed[100:] + 5) % 30 + 1
    before, after = nats(config)[:99], nats(config, tokens=changed)[:99]
    np.testing.assert_allclose(before, after, rtol=1e-6)


def test_adapting_lowers_the_loss_on_a_stream_that_repeats() -> None:
    config, tokens = tiny_config(ttt={"lr": 0.1, "epochs": 3}), np.tile(stream(32), 8)
    still = evaluate_sliding(tiny_model(config), tokens, byte_table(), config, WORLD)
    assert nats(config, tokens=tokens).mean() < still.val_loss_nats - 0.1


def test_weights_gradients_and_flags_come_back_bit_for_bit() -> None:
    config = tiny_config()
    model, untouched = tiny_model(config), tiny_model(config)
    evaluate_with_ttt(model, stream(), byte_table(), config, WORLD)
    for a, b in zip(model.parameters(), untouched.parameters(), strict=True):
        assert torch.equal(a, b)
        assert a.requires_grad
        assert a.grad is None


def test_weights_come_back_after_an_error() -> None:
    config = tiny_config()
    model, untouched = tiny_model(config), tiny_model(config)

    def interrupted(_progress: object) -> None:
        if not torch.equal(next(model.parameters()), next(untouched.parameters())):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        evaluate_with_ttt(model, stream(), byte_table(), config, WORLD, progress=interrupted)
    assert all(map(torch.equal, model.parameters(), untouched.parameters()))


def test_the_ledger_holds_every_update_and_leaves_the_last_chunk_untrained() -> None:
    config = tiny_config()
    score = evaluate_with_ttt(tiny_model(config), stream(), byte_table(), config, WORLD)
    assert score.ledger is not None
    assert [(update.first, update.end) for update in score.ledger.updates[::2]] == [
        (1, 33),
        (33, 65),
        (65, 97),
        (97, 129),
    ]
    assert len(score.ledger.updates) == 4 * config.ttt.epochs


def test_a_mixer_composes_with_adaptation() -> None:
    config, mixer = tiny_config(), UniformMixer()
    score = evaluate_with_ttt(tiny_model(config), stream(), byte_table(), config, WORLD, mixer=mixer)
    assert sorted(mixer.asked) == list(range(1, 150))
    assert score.val_loss_nats == pytest.approx(np.log(VOCABULARY), rel=1e-14)


def test_small_batches_are_updates_of_their_own() -> None:
    config = tiny_config(ttt={"batch_seqs": 1, "epochs": 1})
    score = evaluate_with_ttt(tiny_model(config), stream(), byte_table(), config, WORLD)
    assert score.ledger is not None
    assert [(update.first, update.end) for update in score.ledger.updates[:2]] == [(1, 17), (17, 33)]


def test_adamw_adapts_too() -> None:
    config = tiny_config(ttt={"kind": TttKind.CHUNK_ADAMW, "lr": 0.001})
    assert nats(config)[:32].tolist() == nats(tiny_config())[:32].tolist()
    assert not np.allclose(nats(config)[32:], nats(tiny_config())[32:])


def test_a_shared_core_of_a_frozen_block_is_frozen() -> None:
    config = tiny_config(ttt={"freeze_blocks": 1})
    names = adapted_parameters(tiny_model(config), config.ttt).keys()
    assert not any(name.startswith(("blocks.0.", "cores.0.")) for name in names)
    assert "blocks.2.attn_scale" in names


def test_block_1_frozen_does_not_freeze_block_10() -> None:
    config = preset("pr461")
    with torch.device("meta"):
        model = GPT(config.model)
    adapted = adapted_parameters(model, config.ttt)
    assert "blocks.10.attn_scale" in adapted
    trained = sum(parameter.numel() for parameter in adapted.values())
    total = sum(parameter.numel() for parameter in model.parameters())
    assert (trained, total - trained) == (19_911_748, 4_722_704)  # as in the log of PR #461


def test_a_stream_of_one_chunk_is_only_scored() -> None:
    config = tiny_config()
    score = evaluate_with_ttt(tiny_model(config), stream(30), byte_table(), config, WORLD)
    assert score.ledger is not None
    assert not score.ledger.updates


def test_strides_that_do_not_divide_the_chunk_stay_score_first() -> None:
    config = tiny_config(ttt={"chunk_tokens": 37}, evaluation={"stride": 5})
    assert (
        evaluate_with_ttt(tiny_model(config), stream(203), byte_table(), config, WORLD).scored_tokens == 202
    )


def test_freezing_everything_but_the_embeddings_is_possible() -> None:
    config = tiny_config()
    config = replace(config, ttt=replace(config.ttt, freeze_blocks=config.model.num_layers))
    assert len(nats(config)) == 149
