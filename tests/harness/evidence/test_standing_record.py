"""The record to beat: from the command line, and from the rows of the board."""

from __future__ import annotations

import json
import os
import pickle
from pathlib import Path

import pytest

from harness.errors import SetupError
from harness.evidence.significance import Welch, one_sided_welch
from harness.evidence.standing_record import (
    Frontier,
    FrontierRow,
    find_frontier,
    parse_reference,
)
from tests.rules.scored_submission import stated, with_scores

CLONE = os.environ.get("GOLF_CLONE")


def row(pr: int, *scores: float, scores_pr: int | None = None) -> FrontierRow:
    return FrontierRow(pr=pr, name=f"row {pr}", scores=scores, how="a test", scores_pr=scores_pr or pr)


BOARD = Frontier(
    commit="0123456789abcdef",
    revision="main",
    rows=(row(0, 1.30), row(10, 1.20), row(12, 1.25), row(20, 1.10, 1.12, scores_pr=25)),
)


def test_the_record_is_the_best_earlier_row_not_the_latest() -> None:
    reference = BOARD.before(15)
    assert reference is not None
    assert (reference.pr, reference.scores) == (10, (1.20,))


def test_the_pull_requests_own_row_does_not_count() -> None:
    reference = BOARD.before(20)
    assert reference is not None
    assert reference.pr == 10


def test_a_row_that_rests_on_this_pull_requests_runs_does_not_count() -> None:
    reference = BOARD.before(25)
    assert reference is not None
    assert reference.pr == 10


def test_a_row_that_rests_on_another_ones_runs_counts_later() -> None:
    reference = BOARD.before(26)
    assert reference is not None
    assert (reference.pr, reference.scores) == (20, (1.10, 1.12))


def test_the_source_says_commit_and_what_the_table_cannot_tell() -> None:
    reference = BOARD.before(15)
    assert reference is not None
    assert "main at 012345678" in reference.source
    assert "may hold rows that were accepted after #15 was judged" in reference.source


def test_an_unknown_number_has_no_record_to_beat() -> None:
    assert BOARD.before(None) is None


def test_the_first_row_has_nothing_to_beat() -> None:
    assert BOARD.before(0) is None
    assert BOARD.chain()[0][1] is None


def test_a_frontier_survives_json_and_workers() -> None:
    assert Frontier.from_json(json.loads(json.dumps(BOARD.to_json()))) == BOARD
    assert pickle.loads(pickle.dumps(BOARD)) == BOARD


def test_a_stored_frontier_of_another_shape_is_refused() -> None:
    with pytest.raises(SetupError, match="not a stored frontier"):
        Frontier.from_json({"commit": "1", "revision": "main", "rows": [{"pr": 1}]})


@pytest.mark.parametrize("text", ["1.0611,1.0608,1.0622", "1.0611; 1.0608 1.0622"])
def test_scores_on_the_command_line_are_a_reference(text: str) -> None:
    assert parse_reference(text).scores == (1.0611, 1.0608, 1.0622)


@pytest.mark.parametrize("text", ["nan", "106.1", "1.06,-1", "inf", "no/such/folder"])
def test_what_is_no_score_and_no_path_is_refused(text: str) -> None:
    with pytest.raises(SetupError, match="--reference"):
        parse_reference(text)


def test_a_submission_folder_is_a_reference_with_its_logged_scores(tmp_path: Path) -> None:
    submission = with_scores(tmp_path)
    reference = parse_reference(submission.origin.path)
    assert sorted(reference.scores) == [1.2, 1.2006, 1.2012]
    assert "3 logged scores" in reference.source
    assert reference.bytes_per_token == pytest.approx(2.43593, abs=1e-4)


def test_a_submission_json_is_a_reference_with_its_stated_scores(tmp_path: Path) -> None:
    path = tmp_path / "submission.json"
    path.write_text(stated())
    assert sorted(parse_reference(str(path)).scores) == [1.2, 1.2006, 1.2012]


def test_a_json_without_scores_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "submission.json"
    path.write_text("{}")
    with pytest.raises(SetupError, match="it holds no score"):
        parse_reference(str(path))


@pytest.mark.clone
@pytest.mark.skipif(not CLONE, reason="GOLF_CLONE names no clone")
def test_the_frontier_of_the_real_clone_reproduces_published_p_values() -> None:
    from harness.git.pull_request import open_clone

    clone = open_clone(Path(CLONE or ""))
    rows = {each.pr: each for each in find_frontier(clone).rows}
    assert len(rows[1769].scores) == 5
    found = [one_sided_welch(rows[a].scores, rows[b].scores) for a, b in ((1514, 1493), (1769, 1736))]
    assert [round(test.p, 4) for test in found if isinstance(test, Welch)] == [0.0203, 0.0626]
    record = find_frontier(clone).before(1514)
    assert record is not None
    assert record.pr == 1493
