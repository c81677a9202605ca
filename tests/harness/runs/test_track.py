from __future__ import annotations

import datetime
from typing import TYPE_CHECKING

import pytest

from harness.errors import SetupError, UsageError
from harness.ruleset import load_ruleset
from harness.runs.track import load_track

if TYPE_CHECKING:
    from pathlib import Path

LIMITS = load_ruleset().limits(datetime.date(2026, 5, 2))


def test_the_record_track_holds_the_readme_s_limits() -> None:
    track = load_track("record-10min-16mb", LIMITS)
    assert (track.train_seconds, track.eval_seconds, track.cap_bytes) == (600.0, 600.0, 16_000_000)
    assert (track.ranks, track.can_be_record) == (8, True)


def test_a_scaled_track_has_more_time_and_says_so() -> None:
    track = load_track("record-10min-16mb", LIMITS).scaled(8)
    assert (track.train_seconds, track.time_scale) == (4800.0, 8.0)
    assert track.cap_bytes == 16_000_000


@pytest.mark.parametrize("factor", [0.0, -1.0, float("nan"), float("inf")])
def test_a_scale_that_is_no_factor_is_a_wrong_usage(factor: float) -> None:
    with pytest.raises(UsageError, match="--time-scale"):
        load_track("smoke", LIMITS).scaled(factor)


def test_an_unknown_track_names_the_known_ones() -> None:
    with pytest.raises(UsageError, match="record-10min-16mb, smoke"):
        load_track("marathon", LIMITS)


@pytest.mark.parametrize(
    "text", ["", "[a]\n", "[a]\ntrain_seconds = true\n", "[a]\ntrain_seconds = 'no.such'\n", "[a\n", "\xff"]
)
def test_a_damaged_file_of_tracks_is_told_with_its_place(tmp_path: Path, text: str) -> None:
    (tmp_path / "tracks.toml").write_bytes(text.encode("latin-1"))
    with pytest.raises((SetupError, UsageError), match=r"tracks\.toml|no\.such"):
        load_track("a", LIMITS, tmp_path)
