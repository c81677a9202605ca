from __future__ import annotations

import json
import math

import pytest

from harness.errors import SetupError
from harness.leaderboard.board_row import Standing
from harness.leaderboard.report_rows import row_of_report, rows_of_file
from tests.harness.leaderboard.board_samples import report


def test_logged_scores_count_and_name_their_lines():
    row = row_of_report(report())
    assert row.values == (1.0610, 1.0612)
    assert row.standing is Standing.LOGGED
    assert [score.source for score in row.sample] == ["train_seed1.log:10", "train_seed2.log:20"]


def test_a_claimed_score_is_kept_but_never_averaged_with_logged_ones():
    row = row_of_report(report(claimed_val_bpb=0.9))
    assert row.mean == pytest.approx(1.0611)
    assert [score.val_bpb for score in row.scores if score.standing is Standing.CLAIMED] == [0.9]


def test_a_claim_counts_where_no_log_proves_a_score():
    document = report()
    document["measured"]["per_seed"] = {}
    row = row_of_report(document)
    assert (row.values, row.standing) == ((1.0611,), Standing.CLAIMED)


@pytest.mark.parametrize("absurd", [0.0, -1.2, 900.0])
def test_an_absurd_score_is_left_out_and_said(absurd):
    document = report()
    document["measured"]["per_seed"]["1"]["val_bpb"] = absurd
    row = row_of_report(document)
    assert row.values == (1.0612,)
    assert row.notes == (f"train_seed1.log:10: a score of {absurd} bits per byte is left out",)


def test_a_claim_that_is_not_a_number_is_left_out():
    document = report(claimed_val_bpb=math.nan)
    assert all(score.standing is Standing.LOGGED for score in row_of_report(document).scores)


def test_bytes_per_token_follow_from_loss_and_score():
    assert row_of_report(report()).bytes_per_token == pytest.approx(2.583 / math.log(2), rel=1e-6)


def test_rules_about_the_standing_record_are_left_to_the_chain():
    judged = row_of_report(report()).judged
    assert (judged.verdict, judged.failed, judged.open) == ("incomplete", (), ("c1-causal",))


def test_a_failed_rule_rejects_the_row():
    document = report()
    document["rules_checked"]["artifact-cap"] = "FAIL"
    assert row_of_report(document).judged.failed == ("artifact-cap",)


def test_the_creation_time_has_a_zone():
    row = row_of_report(report(created_at="2026-04-09T12:00:00"))
    assert row.created_at.value.isoformat() == "2026-04-09T12:00:00+00:00"


def test_a_file_of_reports_gives_one_row_a_line(tmp_path):
    path = tmp_path / "verdicts.jsonl"
    path.write_text(json.dumps(report()) + "\n\n" + json.dumps(report(pr=7)) + "\n")
    assert [row.key for row, _ in rows_of_file(path)] == ["#1493", "#7"]


@pytest.mark.parametrize("line", ["{", "[]", "{}", '"x"', json.dumps({**report(), "schema_version": 9})])
def test_a_line_that_is_no_report_is_named(tmp_path, line):
    path = tmp_path / "verdicts.jsonl"
    path.write_text(json.dumps(report()) + "\n" + line + "\n")
    with pytest.raises(SetupError, match=r"verdicts\.jsonl:( report)? ?2: "):
        list(rows_of_file(path))
