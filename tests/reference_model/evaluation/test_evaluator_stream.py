"""Handing scores in to an evaluator gives the score that the evaluation gives by itself."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest

from harness.errors import SetupError
from reference_model.config import ConfigError, NgramKind, TttKind
from reference_model.distributed import World
from reference_model.evaluation.evaluate import evaluate_plain, evaluate_sliding, evaluate_with_ttt
from reference_model.evaluation.evaluator_stream import EvaluatorStream, evaluator_stream
from reference_model.evaluation.score_ledger import LedgerError, ScoreLedger
from reference_model.ngrams.growing_mixers import growing_mixer
from reference_model.ngrams.ngram_mixing import ngram_mixer
from tests.reference_model.evaluation.evaluators import evaluator
from tests.reference_model.evaluation_cases import VOCABULARY, byte_table, stream, tiny_config, tiny_model

if TYPE_CHECKING:
    from collections.abc import Callable

    from reference_model.config import Config
    from reference_model.evaluation.score_tally import Score

BLIND = (1, 5, 40, 77, 148)


def with_ngrams(config: Config, kind: NgramKind) -> Config:
    return replace(config, ngram=replace(config.ngram, kind=kind, min_count=1))


def phrases() -> np.ndarray:
    """A stream with repeats, so that n-grams are found."""
    return np.tile(stream(50), 3)


CASES: dict[str, tuple[Callable[..., Score], Config]] = {
    "plain": (evaluate_plain, tiny_config()),
    "sliding": (evaluate_sliding, tiny_config()),
    "chunk-sgd": (evaluate_with_ttt, tiny_config()),
    "chunk-adamw": (evaluate_with_ttt, tiny_config(ttt={"kind": TttKind.CHUNK_ADAMW, "lr": 0.01})),
    "backoff": (evaluate_sliding, with_ngrams(tiny_config(), NgramKind.BACKOFF)),
    "tilt": (evaluate_sliding, with_ngrams(tiny_config(), NgramKind.TILT)),
    "ttt-and-backoff": (evaluate_with_ttt, with_ngrams(tiny_config(), NgramKind.BACKOFF)),
}


@pytest.mark.parametrize("case", CASES)
def test_the_sealed_score_is_the_one_computed_without_an_evaluator(
    case: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    evaluate, config = CASES[case]
    tokens, table, world = phrases(), byte_table(), World()
    mixer = ngram_mixer(tokens, VOCABULARY, config.ngram)
    alone = evaluate(tiny_model(config), tokens, table, config, world, ledger=ScoreLedger(), mixer=mixer)
    with (
        evaluator(monkeypatch, tokens, table, longest_step=33, blind=BLIND) as served,
        evaluator_stream(world, VOCABULARY) as handed_out,
    ):
        assert handed_out is not None
        printed = evaluate(
            tiny_model(config), handed_out.tokens, table, config, world, ledger=ScoreLedger(),
            mixer=growing_mixer(handed_out, VOCABULARY, config.ngram), stream=handed_out,
        )  # fmt: skip
    assert served.evaluation is not None
    assert served.evaluation.message == ""
    assert served.evaluation.score is not None
    assert len(served.evaluation.score.blind) == len(BLIND)
    assert served.evaluation.score.val_bpb == pytest.approx(alone.val_bpb, abs=1e-6)
    assert printed.val_bpb == pytest.approx(alone.val_bpb, abs=1e-6)
    assert printed.scored_bytes == alone.scored_bytes == served.evaluation.score.scored_bytes


def test_training_on_a_chunk_before_its_scores_are_sealed_is_impossible(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with (
        evaluator(monkeypatch, phrases(), byte_table(), longest_step=64) as served,
        pytest.raises(LedgerError, match="the evaluator ended the scoring: token 1 was handed out"),
    ):
        _ask_for_more_unsealed()
    assert served.evaluation is not None
    assert served.evaluation.reason == "not-sealed"


def _ask_for_more_unsealed() -> None:
    with evaluator_stream(World(), VOCABULARY) as handed_out:
        assert handed_out is not None
        for end in (33, 65):
            handed_out.require(end, lambda _: np.zeros(VOCABULARY))


def some_stream(longest_step: int = 10) -> EvaluatorStream:
    """Of ten tokens, without an evaluator behind it."""
    tokens = np.zeros(10, dtype=np.uint32)
    return EvaluatorStream(world=World(), tokens=tokens, longest_step=longest_step)


def six_out() -> EvaluatorStream:
    handed_out = some_stream()
    handed_out.require(6, lambda _: np.zeros(VOCABULARY))
    return handed_out


def test_a_position_left_out_is_told_before_anything_is_sealed() -> None:
    handed_out = six_out()
    handed_out.add(np.array([1, 2, 4, 5]), np.ones(4))
    with pytest.raises(LedgerError, match="position 3 was scored 0 times"):
        handed_out.seal()


def test_scores_of_tokens_that_are_not_out_are_refused() -> None:
    with pytest.raises(LedgerError, match="5 to 6 were scored while 1 to 5 were due"):
        six_out().add(np.array([5, 6]), np.ones(2))


def test_another_vocabulary_than_the_model_s_is_a_fault_of_the_set_up(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with (
        evaluator(monkeypatch, phrases(), byte_table(), longest_step=64),
        pytest.raises(SetupError, match=r"scores 32 tokens of vocabulary, but model\.vocab_size is 31"),
        evaluator_stream(World(), 31),
    ):
        pass


def test_a_window_longer_than_a_step_says_what_to_set() -> None:
    config, handed_out = tiny_config(), some_stream(longest_step=8)
    with pytest.raises(ConfigError, match="one window predicts 17 tokens, but the evaluator hands out 8"):
        evaluate_plain(tiny_model(config), phrases(), byte_table(), config, World(), stream=handed_out)


def test_document_adapters_say_that_they_need_the_whole_stream() -> None:
    config = tiny_config(ttt={"kind": TttKind.DOCUMENT_LORA})
    with pytest.raises(ConfigError, match=r"choose another ttt\.kind"):
        evaluate_with_ttt(tiny_model(config), phrases(), byte_table(), config, World(), stream=some_stream())


def test_without_the_variable_there_is_no_evaluator() -> None:
    with evaluator_stream(World(), VOCABULARY) as handed_out:
        assert handed_out is None
