"""What a ledger says of the ruled-out orders, and what they gain by breaking the rule."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from reference_model.config import TttKind
from reference_model.distributed import World
from reference_model.evaluation.evaluate import evaluate_with_ttt
from reference_model.evaluation.score_ledger import LedgerError, ScoreLedger
from reference_model.evaluation.score_tally import ScoreTally
from submissions.illegal_systems.adapt_then_score import adapt_then_score, train_on_all_then_score
from submissions.illegal_systems.discarded_scores import discard_then_score, train_past_discarded_scores
from tests.reference_model.evaluation_cases import byte_table, stream, tiny_config, tiny_model

CONFIG = tiny_config("pr555", ttt={"kind": TttKind.CHUNK_ADAMW, "lr": 0.01, "epochs": 2})
ORDERS = pytest.mark.parametrize("order", [train_on_all_then_score, train_past_discarded_scores])
SHIPPED = pytest.mark.parametrize("order", [adapt_then_score, discard_then_score])


def run(order, *, tokens=None) -> ScoreTally:
    tokens = stream() if tokens is None else tokens
    tally = ScoreTally(
        tokens=tokens,
        table=byte_table(),
        world=World(),
        positions_to_score=len(tokens) - 1,
        ledger=ScoreLedger(),
    )
    order(tiny_model(CONFIG), tally, CONFIG)
    return tally


@ORDERS
def test_an_honest_ledger_of_a_ruled_out_order_is_refused(order) -> None:
    ledger = run(order).ledger
    assert ledger is not None
    updates = ledger.updates[-1].version
    with pytest.raises(
        LedgerError,
        match=f"^position 1 was trained on by update 1 and scored only after update {updates} ",
    ):
        ledger.verify(149)


@ORDERS
def test_only_the_order_is_wrong_every_position_is_scored_once(order) -> None:
    ledger = run(order).ledger
    assert ledger is not None
    assert len(ledger.nats(149)) == 149


def test_the_ledger_of_the_legal_twin_passes() -> None:
    score = evaluate_with_ttt(tiny_model(CONFIG), stream(), byte_table(), CONFIG, World())
    assert score.ledger is not None
    score.ledger.verify(149)
    assert score.ledger.updates


@ORDERS
def test_early_scores_of_a_ruled_out_order_depend_on_later_tokens(order) -> None:
    changed = stream()
    changed[100:] = (changed[100:] + 5) % 30 + 1
    before, after = run(order).ledger, run(order, tokens=changed).ledger
    assert before is not None
    assert after is not None
    assert np.abs(before.nats(149)[:96] - after.nats(149)[:96]).max() > 1e-3


@SHIPPED
def test_the_shipped_form_keeps_no_ledger_as_the_originals(order) -> None:
    tally = run(order)
    assert tally.ledger is None
    assert tally.total().scored_tokens == 149


@SHIPPED
def test_a_ruled_out_order_beats_its_legal_twin_on_tokens_that_nothing_predicts(order) -> None:
    config = replace(CONFIG, ttt=replace(CONFIG.ttt, epochs=6))
    legal = evaluate_with_ttt(tiny_model(config), stream(), byte_table(), config, World())
    assert run(order).total().val_loss_nats < legal.val_loss_nats
