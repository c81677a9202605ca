"""A script changes tokens in place, so that what is scored later is easier."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from harness.runs.run_record import RunStatus
from tests.attacks.whole_runs import HONEST
from tests.harness.scoring.scored_runs import LOG_P, TOKENS, fixed, honest, run, sealed

if TYPE_CHECKING:
    from harness.scoring.client import Scoring
    from tests.attacks.whole_runs import Victim

CHANGES = """
import ctypes, mmap
path = data + "/fineweb_val_000000.bin"
for what, change in (
    ("write", lambda: open(path, "r+b").write(b"0")),
    ("truncate", lambda: os.truncate(path, 0)),
    ("replace", lambda: (open("easy", "wb").write(b"0"), os.replace("easy", path))),
    ("remove", lambda: os.remove(path)),
    ("map", lambda: mmap.mmap(os.open(path, os.O_RDWR), 0)),
    ("add", lambda: open(data + "/fineweb_val_000001.bin", "wb").write(b"0")),
):
    try:
        change()
        print("CHANGED", what)
    except OSError as error:
        print("no way:", what, error.errno)
"""


def test_shards_cannot_be_changed(victim: Victim) -> None:
    attacked = victim.run(HONEST + CHANGES)
    assert "CHANGED" not in attacked.log
    assert attacked.log.count("no way:") == 6
    assert attacked.record.status is RunStatus.FINISHED


def test_tokens_are_handed_out_as_a_copy_that_refuses_to_be_written() -> None:
    refused: list[str] = []

    def writes(scoring: Scoring) -> None:
        tokens = scoring.tokens_until(4, fixed)
        try:
            tokens[:] = 4
        except ValueError as error:
            refused.append(str(error))

    run(writes, sealed())
    assert "read-only" in refused[0]


def test_a_copy_that_is_changed_all_the_same_changes_no_score() -> None:
    def lies(scoring: Scoring) -> None:
        while scoring.released < scoring.total:
            first = max(scoring.released, 1)
            tokens = scoring.tokens_until(min(scoring.released + 4, scoring.total), fixed).copy()
            scoring._tokens[:] = 4  # the likeliest token of all
            scoring.seal(first, LOG_P[tokens[first:]])

    before = TOKENS.copy()
    changed, _ = run(lies, sealed())
    fair, _ = run(honest, sealed())
    assert changed.score is not None
    assert fair.score is not None
    assert changed.score.val_bpb == pytest.approx(fair.score.val_bpb)
    assert np.array_equal(before, TOKENS)


def test_scores_of_other_tokens_than_those_handed_out_are_seen_by_blind_questions() -> None:
    def scores_the_likeliest(scoring: Scoring) -> None:
        while scoring.released < scoring.total:
            first = max(scoring.released, 1)
            tokens = scoring.tokens_until(min(scoring.released + 4, scoring.total), fixed)
            scoring.seal(first, np.full(len(tokens) - first, LOG_P.max()))

    evaluation, _ = run(scores_the_likeliest, sealed(blind=(6,)))
    assert (evaluation.score, evaluation.reason) == (None, "other-than-blind")
