from __future__ import annotations

import math
import os
import threading
import time
from typing import TYPE_CHECKING

import numpy as np
import pytest

from harness.errors import SetupError
from harness.scoring import wire
from harness.scoring.client import ScoringError, open_scoring
from harness.scoring.evaluator import ScoringSocket, blind_positions, evaluate
from harness.scoring.sealed_scores import BLIND_TOLERANCE_NATS
from tests.harness.scoring.scored_runs import LOG_P, TOKENS, VOCAB, fixed, honest, run, sealed

if TYPE_CHECKING:
    from pathlib import Path

NATS = -float(LOG_P[TOKENS[1:]].sum())


def test_the_score_is_nats_over_ln2_over_the_bytes_of_our_own_table() -> None:
    evaluation, told = run(honest, sealed())
    assert told == []
    assert evaluation.score is not None
    assert evaluation.score.val_loss_nats == pytest.approx(NATS / 11, abs=1e-12)
    assert evaluation.score.val_bpb == pytest.approx(NATS / math.log(2) / TOKENS[1:].sum(), abs=1e-12)
    assert evaluation.score.scored_tokens == 11


def test_whole_distributions_count_like_the_probabilities_of_the_tokens() -> None:
    def whole(scoring):
        while scoring.released < scoring.total:
            first = max(scoring.released, 1)
            tokens = scoring.tokens_until(min(scoring.released + 3, scoring.total), fixed)
            scoring.seal(first, np.tile(LOG_P, (len(tokens) - first, 1)).astype(np.float32))

    evaluation, _ = run(whole, sealed())
    assert evaluation.score is not None
    assert evaluation.score.val_loss_nats == pytest.approx(NATS / 11, abs=1e-6)


def test_tokens_that_are_out_must_be_sealed_before_more_come() -> None:
    def hoards(scoring):
        scoring.tokens_until(4, fixed)
        scoring.tokens_until(8, fixed)

    evaluation, told = run(hoards, sealed())
    assert (evaluation.reason, evaluation.position) == ("not-sealed", 1)
    assert "token 1 was handed out and is not scored yet, one of 3" in told[0]


def test_a_step_longer_than_allowed_is_refused() -> None:
    evaluation, _ = run(lambda scoring: scoring.tokens_until(6, fixed), sealed(longest_step=4))
    assert evaluation.reason == "step-too-long"


def test_a_token_is_scored_once() -> None:
    def again(scoring):
        tokens = scoring.tokens_until(4, fixed)
        scoring.seal(1, LOG_P[tokens[1:]])
        scoring.seal(3, LOG_P[tokens[3:]])

    evaluation, _ = run(again, sealed())
    assert (evaluation.reason, evaluation.position) == ("scored-twice", 3)


def test_a_stream_with_a_token_left_out_has_no_score() -> None:
    def stops(scoring):
        tokens = scoring.tokens_until(4, fixed)
        scoring.seal(1, LOG_P[tokens[1:]])

    evaluation, _ = run(stops, sealed())
    assert (evaluation.reason, evaluation.position, evaluation.score) == ("unscored", 4, None)


@pytest.mark.parametrize(
    ("value", "reason"), [(math.nan, "not-finite"), (-math.inf, "not-finite"), (0.5, "above-one")]
)
def test_what_is_no_log_probability_is_refused_with_its_token(value: float, reason: str) -> None:
    def odd(scoring):
        tokens = scoring.tokens_until(4, fixed)
        values = LOG_P[tokens[1:]].copy()
        values[1] = value
        scoring.seal(1, values)

    evaluation, _ = run(odd, sealed())
    assert (evaluation.reason, evaluation.position) == (reason, 2)


def test_distributions_that_sum_to_more_than_one_are_refused() -> None:
    def boosted(scoring):
        scoring.tokens_until(3, fixed)
        scoring.seal(1, np.stack([LOG_P, LOG_P + 0.01]))

    evaluation, _ = run(boosted, sealed())
    assert (evaluation.reason, evaluation.position) == ("not-normalised", 2)
    assert "sum to 1.010050" in evaluation.message


def test_a_token_given_no_chance_that_comes_is_refused() -> None:
    def sure(scoring):
        scoring.tokens_until(2, fixed)
        scoring.seal(1, np.where(np.eye(VOCAB)[[0]] == 1, 0.0, -np.inf))

    evaluation, _ = run(sure, sealed())
    assert (evaluation.reason, evaluation.position) == ("impossible", 1)


def test_an_honest_submission_answers_blind_questions_and_they_are_kept() -> None:
    seen = []

    def predict(tokens):
        seen.append(tokens.tolist())
        return LOG_P

    evaluation, told = run(lambda scoring: honest(scoring, predict), sealed(blind=(4, 6)))
    assert told == []
    assert seen == [TOKENS[:4].tolist(), TOKENS[:6].tolist()]  # nothing of the token itself
    assert evaluation.score is not None
    assert [answer.position for answer in evaluation.score.blind] == [4, 6]
    assert evaluation.score.blind[0].probability_sum == pytest.approx(1.0)


def test_a_score_better_than_the_blind_answer_is_refused() -> None:
    def peeks(scoring):
        while scoring.released < scoring.total:
            first = max(scoring.released, 1)
            tokens = scoring.tokens_until(min(scoring.released + 4, scoring.total), fixed)
            scoring.seal(first, LOG_P[tokens[first:]] * 0.5)  # as if half of it had been known

    evaluation, told = run(peeks, sealed(blind=(6,)))
    assert (evaluation.reason, evaluation.position) == ("other-than-blind", 6)
    assert "may not depend on its own token" in told[0]


def test_rounding_between_blind_answer_and_score_is_no_offence() -> None:
    def predict(_):
        moved = LOG_P.copy()
        moved[0] += BLIND_TOLERANCE_NATS / 2
        return moved - np.log(np.exp(moved).sum())

    evaluation, _ = run(lambda scoring: honest(scoring, predict), sealed(blind=(6,)))
    assert evaluation.score is not None


def test_a_blind_answer_that_is_no_distribution_is_refused() -> None:
    evaluation, _ = run(lambda scoring: honest(scoring, lambda _: LOG_P + 1.0), sealed(blind=(5,)))
    assert (evaluation.reason, evaluation.position) == (
        "above-one",
        5,
    ) or evaluation.reason == "not-normalised"


def test_the_digest_tells_another_order_of_the_same_scores_apart() -> None:
    def backwards(scoring):
        while scoring.released < scoring.total:
            first = max(scoring.released, 1)
            tokens = scoring.tokens_until(min(scoring.released + 4, scoring.total), fixed)
            for at in reversed(range(first, len(tokens))):
                scoring.seal(at, LOG_P[tokens[at : at + 1]])

    one, other = run(honest, sealed())[0].score, run(backwards, sealed())[0].score
    assert one is not None
    assert other is not None
    assert one.val_bpb == other.val_bpb
    assert one.digest != other.digest


def test_a_submission_that_goes_away_is_told_as_closed() -> None:
    def leaves(scoring):
        scoring.tokens_until(4, fixed)
        raise ScoringError("gone")

    evaluation, _ = run(leaves, sealed())
    assert evaluation.reason == "closed"


def test_a_submission_that_never_answers_is_late() -> None:
    evaluation, _ = run(lambda scoring: time.sleep(1.0), sealed(), seconds=0.2)
    assert evaluation.reason == "late"


@pytest.mark.parametrize(
    "sent",
    [
        b"GET / HTTP/1.1\r\n\r\n" * 4,
        wire._HEADER.pack(b"SCOR", 1 << 31, 0),
        wire._HEADER.pack(b"SCOR", 2, 1 << 60) + b"{}",
        wire._HEADER.pack(b"HELO", 3, 0) + b"[1]",
        wire._HEADER.pack(b"HELO", 4, 0) + b"{,}}",
        wire._HEADER.pack(b"HELO", 16, 0) + b'{"version":true}',
    ],
    ids=["other-protocol", "huge-json", "huge-payload", "no-object", "no-json", "no-number"],
)
def test_noise_on_the_pipe_is_malformed_and_allocates_nothing(sent: bytes) -> None:
    to_child, from_child = os.pipe(), os.pipe()
    os.write(from_child[1], sent)
    os.close(from_child[1])
    evaluation = evaluate(sealed(), from_child[0], to_child[1], deadline=time.monotonic() + 20)
    for descriptor in (*to_child, from_child[0]):
        os.close(descriptor)
    assert evaluation.reason == "malformed"


def test_lengths_that_do_not_fit_the_numbers_are_malformed() -> None:
    def lies(scoring):
        scoring.tokens_until(4, fixed)
        fields = {"first": 1, "rows": 3, "columns": 0, "form": "<f8"}
        scoring._send(wire.Message(wire.SCORES, fields, b"\0" * 8))
        scoring._receive(wire.SEALED)

    evaluation, _ = run(lies, sealed())
    assert evaluation.reason == "malformed"


def test_blind_positions_depend_on_the_secret_and_stay_inside_the_stream() -> None:
    one, other = blind_positions(5, 1000, secret=1), blind_positions(5, 1000, secret=2)
    assert one != other
    assert all(1 <= position < 1000 for position in one + other)
    assert blind_positions(50, 4, secret=1) == (1, 2, 3)


def test_outside_an_evaluation_the_client_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(wire.SOCKET_VARIABLE, raising=False)
    with pytest.raises(ScoringError, match="GOLF_SCORING_SOCKET is not set"):
        open_scoring()


def test_a_submission_finds_the_evaluator_by_its_socket(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = ScoringSocket(tmp_path / "s")
    monkeypatch.setenv(wire.SOCKET_VARIABLE, str(place.path))

    def play() -> None:
        with open_scoring() as scoring:
            honest(scoring)

    thread = threading.Thread(target=play)
    thread.start()
    evaluation = place.evaluate(sealed(), deadline=time.monotonic() + 20)
    thread.join(30)
    assert evaluation.score is not None
    with pytest.raises(ScoringError, match="does not answer"):  # one submission, one connection
        open_scoring()


def test_a_submission_that_ends_without_asking_is_told_so(tmp_path: Path) -> None:
    place = ScoringSocket(tmp_path / "s")
    assert place.evaluate(sealed(), gone=lambda: True).reason == "never-asked"


def test_a_submission_that_comes_too_late_is_refused_and_does_not_wait(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = ScoringSocket(tmp_path / "s")
    monkeypatch.setenv(wire.SOCKET_VARIABLE, str(place.path))
    assert place.evaluate(sealed(), deadline=time.monotonic()).reason == "late"
    with pytest.raises(ScoringError, match="does not answer"):
        open_scoring()


def test_a_socket_that_cannot_be_made_is_a_fault_of_the_machine(tmp_path: Path) -> None:
    with pytest.raises(SetupError, match="scoring socket cannot be made"):
        ScoringSocket(tmp_path / ("x" * 120))
