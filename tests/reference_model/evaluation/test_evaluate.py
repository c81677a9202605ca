"""Plain and sliding evaluation, against a position by position reference."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch

from harness.errors import SetupError
from reference_model.config import ConfigError, NgramConfig, NgramKind, TttKind
from reference_model.distributed import World
from reference_model.evaluation.evaluate import evaluate_plain, evaluate_sliding, evaluate_with_ttt
from reference_model.evaluation.score_ledger import LedgerError, ScoreLedger
from reference_model.evaluation.score_tally import ScoreTally
from reference_model.evaluation.sliding_windows import Tail, planned_windows
from reference_model.evaluation.window_scoring import window_scorer
from reference_model.ngrams.ngram_mixing import ngram_mixer
from tests.reference_model.evaluation_cases import VOCABULARY, byte_table, stream, tiny_config, tiny_model

if TYPE_CHECKING:
    from reference_model.evaluation.score_tally import EvaluationProgress
    from reference_model.network.gpt import GPT

WORLD = World()


def nats_at(model: GPT, tokens: np.ndarray, start: int, position: int) -> float:
    """Nats of one position with the tokens from `start` on as context."""
    context = torch.from_numpy(tokens[start:position].astype(np.int64))[None]
    with torch.no_grad():
        logits = model.eval().logits(context)[0, -1].double()
    return float(torch.log_softmax(logits, dim=-1)[int(tokens[position])].neg())


class UniformMixer:
    """Scores ln V everywhere and remembers what it was asked."""

    def __init__(self) -> None:
        self.asked: list[int] = []

    def mix(self, positions: np.ndarray, logits_NV: torch.Tensor, targets_N: torch.Tensor) -> torch.Tensor:
        assert logits_NV.shape == (len(positions), VOCABULARY)
        assert targets_N.tolist() == stream()[positions].tolist()
        self.asked += positions.tolist()
        return torch.full((len(positions),), math.log(VOCABULARY), dtype=torch.float64)

    def distribution(self, position: int, logits_V: torch.Tensor) -> np.ndarray:
        return np.full(VOCABULARY, 1 / VOCABULARY)


def test_plain_windows_lie_side_by_side_and_the_tail_keeps_a_full_context() -> None:
    config = tiny_config()
    model, tokens, ledger = tiny_model(config), stream(), ScoreLedger()
    evaluate_plain(model, tokens, byte_table(), config, WORLD, ledger=ledger)
    sampled = [1, 2, 15, 16, 17, 18, 32, 33, 100, 143, 144, 145, 146, 149]
    starts = [(p - 1) // 16 * 16 if p < 145 else 149 - 16 for p in sampled]
    expected = [nats_at(model, tokens, start, p) for start, p in zip(starts, sampled, strict=True)]
    np.testing.assert_allclose(ledger.nats(149)[np.array(sampled) - 1], expected, rtol=2e-5)


def test_sliding_windows_give_each_position_the_longest_context() -> None:
    config = tiny_config()
    model, tokens, ledger = tiny_model(config), stream(), ScoreLedger()
    evaluate_sliding(model, tokens, byte_table(), config, WORLD, ledger=ledger)
    sampled = [1, 15, 16, 17, 20, 21, 24, 25, 99, 144, 145, 148, 149]
    starts = [0 if p <= 16 else min((p - 17) // 4 * 4 + 4, 149 - 16) for p in sampled]
    expected = [nats_at(model, tokens, start, p) for start, p in zip(starts, sampled, strict=True)]
    np.testing.assert_allclose(ledger.nats(149)[np.array(sampled) - 1], expected, rtol=2e-5)


def test_every_position_and_byte_counts_once() -> None:
    config, tokens = tiny_config(), stream()
    score = evaluate_sliding(tiny_model(config), tokens, byte_table(), config, WORLD)
    assert score.scored_tokens == 149
    assert score.scored_bytes == byte_table().stream_bytes(tokens)


def test_the_score_is_that_of_its_ledger() -> None:
    config, tokens = tiny_config(), stream()
    score = evaluate_sliding(tiny_model(config), tokens, byte_table(), config, WORLD, ledger=ScoreLedger())
    assert score.ledger is not None
    assert score.val_loss_nats == pytest.approx(score.ledger.val_loss(), rel=1e-14)
    bytes_of = byte_table().byte_counts(tokens[:-1], tokens[1:])
    assert score.val_bpb == pytest.approx(score.ledger.val_bpb(bytes_of), rel=1e-14)


def test_the_tail_may_be_dropped_as_in_the_originals() -> None:
    config = tiny_config()
    model, tokens = tiny_model(config), stream()
    dropped = evaluate_plain(model, tokens, byte_table(), config, WORLD, tail=Tail.DROPPED)
    assert dropped.scored_tokens == 149 // 16 * 16
    whole = evaluate_plain(model, tokens[:145], byte_table(), config, WORLD)
    assert dropped.val_loss_nats == whole.val_loss_nats


def test_batch_size_does_not_matter() -> None:
    one, many = (tiny_config(evaluation={"batch_seqs": rows}) for rows in (1, 64))
    model = tiny_model(one)
    scores = [evaluate_sliding(model, stream(), byte_table(), each, WORLD) for each in (one, many)]
    assert scores[0].val_loss_nats == pytest.approx(scores[1].val_loss_nats, rel=1e-6)


def test_a_mixer_is_asked_once_for_every_position() -> None:
    config, mixer = tiny_config(), UniformMixer()
    score = evaluate_sliding(tiny_model(config), stream(), byte_table(), config, WORLD, mixer=mixer)
    assert sorted(mixer.asked) == list(range(1, 150))
    assert score.val_loss_nats == pytest.approx(math.log(VOCABULARY), rel=1e-14)


def test_short_batches_padded_to_the_compiled_shape_score_the_same() -> None:
    config = tiny_config()
    model, tokens = tiny_model(config), stream()
    scorer = window_scorer(model, tokens, config, WORLD.device, None)
    padding = replace(scorer, compiled=(model.nll, model.logits))
    tallies = [_tally(tokens), _tally(tokens)]
    for each, tally in zip((scorer, padding), tallies, strict=True):
        each.score(planned_windows(len(tokens), seq_len=16, stride=4), tally)
    losses = [tally.total().val_loss_nats for tally in tallies]
    assert losses[0] == pytest.approx(losses[1], rel=1e-6)


def _tally(tokens: np.ndarray) -> ScoreTally:
    return ScoreTally(
        tokens=tokens,
        table=byte_table(),
        world=WORLD,
        positions_to_score=len(tokens) - 1,
        ledger=ScoreLedger(),
    )


def test_counts_of_scored_tokens_help_on_a_stream_that_repeats() -> None:
    config, tokens = tiny_config(), np.tile(stream(40), 6)
    counts = NgramConfig(kind=NgramKind.BACKOFF, alpha_low=0.5, alpha_high=0.9)
    mixer = ngram_mixer(tokens, VOCABULARY, counts)
    model = tiny_model(config)
    alone = evaluate_sliding(model, tokens, byte_table(), config, WORLD)
    mixed = evaluate_sliding(model, tokens, byte_table(), config, WORLD, mixer=mixer)
    assert mixed.val_loss_nats < alone.val_loss_nats / 2


def test_a_model_that_diverged_is_refused_with_the_first_position() -> None:
    config = tiny_config()
    model, tokens = tiny_model(config), stream()
    with torch.no_grad():
        model.tok_emb.weight[31] = math.nan  # the head's row too: every distribution is nan
    with pytest.raises(LedgerError, match="position 1 scored nan nats"):
        evaluate_sliding(model, tokens, byte_table(), config, WORLD)


def test_ids_of_another_tokenizer_are_refused() -> None:
    config, tokens = tiny_config(), stream()
    tokens[7] = VOCABULARY
    with pytest.raises(SetupError, match="ids 1 to 32 and the tokenizer knows 32, but"):
        evaluate_plain(tiny_model(config), tokens, byte_table(), config, WORLD)


def test_progress_ends_with_all_positions() -> None:
    config = tiny_config()
    seen: list[EvaluationProgress] = []
    score = evaluate_sliding(tiny_model(config), stream(), byte_table(), config, WORLD, progress=seen.append)
    assert (seen[-1].done, seen[-1].total) == (149, 149)
    assert seen[-1].val_bpb == score.val_bpb


def test_the_model_keeps_its_mode() -> None:
    config = tiny_config()
    model = tiny_model(config).train()
    evaluate_plain(model, stream(), byte_table(), config, WORLD)
    assert model.training


def test_asking_for_no_adaptation_is_a_configuration_error() -> None:
    config = tiny_config()
    config = replace(config, ttt=replace(config.ttt, kind=TttKind.NONE))
    with pytest.raises(ConfigError, match=r"ttt\.kind none; choose one of chunk_sgd, chunk_adamw"):
        evaluate_with_ttt(tiny_model(config), stream(), byte_table(), config, WORLD)
