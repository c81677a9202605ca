from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from harness.errors import SetupError
from harness.evidence.standing_record import Reference
from harness.exit_status import Exit
from harness.runs.extra_seeds import extra_seeds
from harness.runs.projection import projected_times
from harness.runs.run_record import (
    ClaimedScore,
    MeasuredScore,
    Notice,
    PhaseTime,
    RunRecord,
    RunStatus,
)
from harness.runs.run_summary import RunSummary, SeedResult
from harness.runs.run_table import render_summary
from tests.harness.runs.toy_runs import LIMITS

if TYPE_CHECKING:
    from pathlib import Path


def record(seed: int, score: float | None = 1.1, **changed: Any) -> RunRecord:
    measured = None
    if score is not None:
        measured = MeasuredScore(
            val_loss_nats=score * 1.7, val_bpb=score, scored_tokens=10, scored_bytes=25, digest="d"
        )
    phases = tuple(
        PhaseTime(name=name, seconds=10.0, limit_seconds=600, boundary="", outcome="exited")
        for name in ("train", "evaluate")
    )
    whole = RunRecord(
        submission="toy", seed=seed, track="smoke", attempt=1, status=RunStatus.FINISHED, reason="",
        message="", started_at="2026-05-02T00:00:00Z", phases=phases, measured=measured,
    )  # fmt: skip
    return replace(whole, **changed)


def summary(*records: RunRecord | None, secret: tuple[int, ...] = (), **changed: Any) -> RunSummary:
    results = tuple(
        SeedResult(
            seed=each.seed if each is not None else 99, record=each,
            is_secret=each is not None and each.seed in secret,
        )
        for each in records
    )  # fmt: skip
    return replace(RunSummary(name="toy", track="smoke", results=results, margin_nats=0.005), **changed)


def test_seeds_with_measured_scores_and_nothing_open_exit_with_0() -> None:
    whole = summary(record(1, 1.10), record(2, 1.12))
    assert (whole.exit_status(), whole.mean, whole.is_complete) == (Exit.OK, pytest.approx(1.11), True)
    assert "record-eligible: every seed ran as the track asks" in render_summary(whole)


@pytest.mark.parametrize(
    ("other", "status"),
    [
        (record(2, None, claimed=ClaimedScore(val_bpb=1.1)), Exit.REVIEW),
        (record(2, notices=(Notice(kind="socket", message="reached out"),)), Exit.REVIEW),
        (record(2, None), Exit.REVIEW),
        (record(2, None, status=RunStatus.FAILED), Exit.FAIL),
        (record(2, None, status=RunStatus.COULD_NOT_RUN), Exit.NOT_CHECKED),
        (record(2, None, status=RunStatus.INTERRUPTED), Exit.INTERRUPTED),
        (None, Exit.NOT_CHECKED),
    ],
)
def test_the_gravest_seed_gives_the_exit_status(other: RunRecord | None, status: Exit) -> None:
    assert summary(record(1), other).exit_status() is status


def test_a_run_that_was_stopped_exits_with_130_whatever_failed() -> None:
    failed = record(2, None, status=RunStatus.FAILED)
    assert summary(record(1), failed, is_stopped=True).exit_status() is Exit.INTERRUPTED


def test_review_can_be_asked_to_exit_with_0_and_a_failure_cannot() -> None:
    claimed = record(1, None, claimed=ClaimedScore(val_bpb=1.1))
    assert summary(claimed).exit_status(zero_on_review=True) is Exit.OK
    failed = record(1, None, status=RunStatus.FAILED)
    assert summary(failed).exit_status(zero_on_review=True) is Exit.FAIL


def test_usual_notices_leave_nothing_open() -> None:
    usual = Notice(kind="validation-in-training", message="a validation loss is printed")
    assert summary(record(1, notices=(usual,))).exit_status() is Exit.OK


def test_a_secret_seed_is_shown_beside_the_mean_and_not_in_it() -> None:
    whole = summary(record(1, 1.10), record(2, 1.12), record(77, 1.30), secret=(77,))
    assert whole.mean == pytest.approx(1.11)
    assert "secret seed 77: 1.30000000, +0.19000000 from the mean, 13.4 standard" in render_summary(whole)


def test_a_failed_score_is_in_no_mean() -> None:
    failed = record(2, 0.1, status=RunStatus.FAILED)
    assert summary(record(1, 1.2), failed).mean == pytest.approx(1.2)


def test_one_score_of_a_reference_is_taken_as_exact() -> None:
    reference = Reference(name="#1", scores=(1.2,), source="given")
    shown = render_summary(summary(record(1, 1.10), record(2, 1.12), reference=reference))
    assert "against #1 (mean 1.20000000 of 1 score): +0.09000000 bpb lower" in shown
    assert "one-sample t-test" in shown


def test_the_json_of_a_summary_holds_whole_records() -> None:
    data = summary(record(1), None).as_json()
    assert data["seeds"][0]["record"]["record_id"] == record(1).record_id
    assert (data["seeds"][1]["record"], data["seeds"][1]["status"]) == (None, "could-not-run")
    assert data["record_eligible"] is False


def test_times_of_other_gpus_are_projected_by_their_peaks() -> None:
    machine = {"gpus": [{"name": "NVIDIA A100-SXM4-80GB"}]}
    found = projected_times(machine, 1, [("train", 4800.0), ("train", 4000.0)], LIMITS)
    assert found.factor == pytest.approx(312.0 / (8 * 989.4))
    assert found.seconds == (("train", pytest.approx(4800.0 * 312.0 / (8 * 989.4))),)
    shown = render_summary(summary(record(1), projection=found))
    assert "PROJECTION to 8x H100 SXM, not a measurement: train 189 s" in shown
    assert "the score is not projected" in shown


@pytest.mark.parametrize(
    ("gpus", "why"),
    [([], "a processor has no peak"), ([{"name": "Abacus 9"}], "no peak is known for Abacus 9")],
)
def test_without_a_known_peak_nothing_is_projected(gpus: list[dict[str, str]], why: str) -> None:
    found = projected_times({"gpus": gpus}, 1, [("train", 10.0)], LIMITS)
    assert found.factor is None
    assert why in found.why_not


def test_secret_seeds_are_drawn_once_and_are_none_of_the_chosen(tmp_path: Path) -> None:
    first = extra_seeds(tmp_path, 2, (13, 14))
    assert extra_seeds(tmp_path, 2, (13, 14)) == first
    assert extra_seeds(tmp_path, 1, (13, 14)) == first[:1]
    assert first[0] not in extra_seeds(tmp_path, 2, (first[0],))


def test_damaged_secret_seeds_are_not_drawn_anew(tmp_path: Path) -> None:
    (tmp_path / "extra_seeds.json").write_text('["x"]')
    with pytest.raises(SetupError, match="is no list of seeds"):
        extra_seeds(tmp_path, 1, ())
