"""Many seeds are run, or one seed many times, and the best three are shown."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from harness.runs.run_plan import RunRequest
from harness.runs.seed_series import Series, SeriesOptions, run_series
from tests.harness.runs.toy_runs import SCRIPT, toy_data, toy_submission

if TYPE_CHECKING:
    from pathlib import Path

pytest.importorskip("inotify_simple", reason="golf-run needs the extra run")


def ran(tmp_path: Path, *seeds: int, script: str = SCRIPT, again: bool = False, secret: int = 0) -> Series:
    submission = tmp_path / "ours" / "toy"
    if not submission.exists():
        toy_submission(tmp_path / "ours", script)
        toy_data(tmp_path)
    request = RunRequest(
        submission=str(submission),
        seeds=seeds,
        extra_seeds=secret,
        track="smoke",
        data=tmp_path / "data",
        out=tmp_path / "runs",
        sandbox="none",
    )
    return run_series(request, SeriesOptions(again=again, quiet=True, writes_package=False))


def test_seeds_that_were_run_and_are_not_shown_are_told(tmp_path: Path) -> None:
    ran(tmp_path, 1, 2, 3)
    best = ran(tmp_path, 1, 2)
    assert best.summary.remarks == ("seeds that are not counted were run too: 3 (1.200003)",)
    assert "seeds that are not counted were run too" in best.as_text()


def test_a_seed_that_was_run_until_it_was_good_is_told(tmp_path: Path) -> None:
    first = ran(tmp_path, 7)
    assert first.summary.remarks == ()
    again = ran(tmp_path, 7, again=True)
    (said,) = again.summary.remarks
    assert said == "seed 7 was run 2 times to an end: 1 (1.200007), 2 (1.200007)"


def test_a_failed_seed_is_not_quietly_run_again(tmp_path: Path) -> None:
    script = "import os\nif os.path.exists(os.environ['DATA_PATH']): raise SystemExit(1)"
    ran(tmp_path, 13, script=script)
    second = ran(tmp_path, 13)
    assert second.summary.results[0].was_found
    assert int(second.summary.exit_status()) == 1
