from __future__ import annotations

import dataclasses

import pytest

from harness.errors import SetupError
from harness.leaderboard.board_row import Standing
from harness.leaderboard.run_rows import rows_of_runs
from harness.runs.record_store import write_record
from harness.runs.run_record import ClaimedScore, MeasuredScore, RunRecord, RunStatus

MEASURED = MeasuredScore(val_loss_nats=3.0, val_bpb=1.1, scored_tokens=10, scored_bytes=40, digest="ab")


def kept(out, seed=13, **replace):
    facts = {
        "submission": "mine",
        "seed": seed,
        "track": "record-10min-16mb",
        "attempt": 1,
        "status": RunStatus.FINISHED,
        "reason": "",
        "message": "",
        "started_at": "",
        "measured": MEASURED,
        **replace,
    }
    folder = out / "mine" / str(seed)
    folder.mkdir(parents=True)
    write_record(folder / "run.json", RunRecord(**facts))


def test_a_measured_seed_is_a_measured_score_that_names_its_record(tmp_path):
    kept(tmp_path)
    (row,) = rows_of_runs(tmp_path)
    assert (row.key, row.values, row.standing) == ("run mine", (1.1,), Standing.MEASURED)
    assert row.sample[0].source.startswith("run ")
    assert row.bytes_per_token == 4.0


def test_a_printed_score_stays_a_claim(tmp_path):
    kept(tmp_path, measured=None, claimed=ClaimedScore(val_bpb=1.2))
    assert rows_of_runs(tmp_path)[0].standing is Standing.CLAIMED


def test_a_printed_score_is_not_averaged_with_measured_ones(tmp_path):
    kept(tmp_path, seed=1)
    kept(tmp_path, seed=2, measured=None, claimed=ClaimedScore(val_bpb=1.2))
    assert rows_of_runs(tmp_path)[0].values == (1.1,)


def test_a_failed_seed_gives_no_score_and_is_told(tmp_path):
    kept(tmp_path, status=RunStatus.FAILED, message="over the limit")
    row = rows_of_runs(tmp_path)[0]
    assert (row.values, row.notes) == ((), ("seed 13: failed: over the limit",))


def test_a_run_on_another_machine_stays_off_the_record_track(tmp_path):
    kept(tmp_path, seed=1)
    kept(tmp_path, seed=2, not_eligible=("1 GPU",))
    assert rows_of_runs(tmp_path)[0].track == "unlimited"


def test_an_absurd_score_is_left_out(tmp_path):
    kept(tmp_path, measured=dataclasses.replace(MEASURED, val_bpb=0.0001))
    assert rows_of_runs(tmp_path)[0].values == ()


def test_a_folder_without_runs_is_named(tmp_path):
    with pytest.raises(SetupError, match="holds no run"):
        rows_of_runs(tmp_path)
    with pytest.raises(SetupError, match="is no folder"):
        rows_of_runs(tmp_path / "none")
