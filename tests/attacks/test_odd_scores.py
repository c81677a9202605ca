"""Scores that are no numbers, and would win a comparison or poison a mean."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np
import pytest

from harness.runs.record_store import read_record, write_record
from tests.attacks.whole_runs import HONEST
from tests.harness.scoring.scored_runs import LOG_P, fixed, run, sealed

if TYPE_CHECKING:
    from tests.attacks.whole_runs import Victim


@pytest.mark.parametrize("score", ["nan", "inf", "-inf", "1e999", "-1.0", "1e-999", "0x1p-3"])
def test_an_odd_score_is_not_taken_for_a_score(victim: Victim, score: str) -> None:
    line = f"final_int8_zlib_roundtrip_exact val_loss:{score} val_bpb:{score}"
    attacked = victim.run(HONEST.rpartition("print(")[0] + f"print({line!r})")
    assert attacked.record.measured is None
    assert attacked.record.claimed.val_bpb in {None, 0.0}
    path = attacked.attempt / "run.json"
    write_record(path, attacked.record)
    assert read_record(path) == attacked.record
    text = path.read_text()
    assert "NaN" not in text
    assert "Infinity" not in text
    json.loads(text, parse_constant=pytest.fail)


@pytest.mark.parametrize(
    ("value", "reason"),
    [(np.nan, "not-finite"), (-np.inf, "not-finite"), (np.inf, "not-finite"), (0.5, "above-one")],
)
def test_odd_log_probabilities_end_the_evaluation(value: float, reason: str) -> None:
    def odd(scoring):
        tokens = scoring.tokens_until(4, fixed)
        scores = LOG_P[tokens[1:]].copy()
        scores[1] = value
        scoring.seal(1, scores)

    evaluation, told = run(odd, sealed())
    assert (evaluation.score, evaluation.reason, evaluation.position) == (None, reason, 2)
    assert told
