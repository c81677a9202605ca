from __future__ import annotations

import datetime

import pytest

from harness.leaderboard.board_row import Judged, Outcome, Reproduction, RowRuling, Standing, Told
from harness.leaderboard.progression import Basis, EntryRule, Status, progression
from harness.ruleset import load_ruleset
from tests.harness.leaderboard.board_samples import moment, row

RECORD = (1.0700, 1.0702, 1.0704)


def chain(*rows, rule=EntryRule.PRACTICE, basis=Basis.RULINGS):
    ruleset = load_ruleset()
    return progression(rows, ruleset.limits(ruleset.newest), rule=rule, basis=basis)


def ruling(outcome):
    return RowRuling(outcome=outcome, who="An Organiser", why="looked at it", source="#1902")


def test_the_first_row_has_nothing_to_beat():
    (step,) = chain(row(1500, *RECORD))
    assert (step.status, step.against, step.is_record) == (Status.FIRST, None, True)


def test_rows_are_taken_in_the_order_of_their_pull_requests():
    steps = chain(row(1510, 1.0600, 1.0601, 1.0602), row(1500, *RECORD))
    assert [step.row.pr for step in steps] == [1500, 1510]


def test_a_row_is_measured_against_the_best_row_before_it_not_the_last():
    steps = chain(row(1500, *RECORD), row(1510, 1.08, 1.0801, 1.0802), row(1520, 1.06, 1.0601, 1.0602))
    assert steps[2].against.pr == 1500


def test_a_later_pull_request_does_not_take_an_earlier_ones_place():
    steps = chain(row(1500, *RECORD), row(1510, 1.06, 1.0601, 1.0602), row(1505, 1.065, 1.0651, 1.0652))
    assert [(step.row.pr, step.status) for step in steps][1] == (1505, Status.ENTERED)


def test_practice_lets_in_what_shows_p_below_a_quarter():
    steps = chain(row(1500, *RECORD), row(1510, 1.0697, 1.0699, 1.0701))
    assert steps[1].status is Status.ENTERED
    assert steps[1].numbers.no_margin.p < 0.25


def test_practice_keeps_out_what_shows_less():
    steps = chain(row(1500, *RECORD), row(1510, 1.0700, 1.0701, 1.0703))
    assert steps[1].status is Status.NOT_SHOWN
    assert "not below 0.25" in steps[1].reason


def test_the_text_wants_five_thousandths_of_a_nat_per_token():
    rows = (row(1500, *RECORD), row(1510, 1.0689, 1.0690, 1.0691))
    assert chain(*rows)[1].status is Status.ENTERED
    step = chain(*rows, rule=EntryRule.TEXT)[1]
    assert step.status is Status.NOT_SHOWN
    assert step.reason.endswith("nats per token, below 0.005")


def test_the_text_wants_the_margin_shown_at_one_percent():
    far = row(1510, 1.0600, 1.0601, 1.0602)
    assert chain(row(1500, *RECORD), far, rule=EntryRule.TEXT)[1].status is Status.ENTERED
    wide = row(1510, 1.0560, 1.0601, 1.0700)
    assert chain(row(1500, *RECORD), wide, rule=EntryRule.TEXT)[1].status is Status.NOT_SHOWN


def test_before_the_chain_the_point_estimate_decides():
    steps = chain(row(500, *RECORD), row(510, 1.0670, 1.0681, 1.0692), row(520, 1.0665, 1.0675, 1.0685))
    assert [step.status for step in steps] == [Status.FIRST, Status.ENTERED, Status.NOT_SHOWN]


def test_a_board_as_of_a_day_before_the_chain_uses_the_point_estimate():
    ruleset = load_ruleset()
    rows = (row(1500, *RECORD), row(1510, 1.0689, 1.0690, 1.0691))

    def second(day):
        return progression(rows, ruleset.limits(day), rule=EntryRule.PRACTICE)[1]

    assert second(datetime.date(2026, 4, 27)).status is Status.NOT_SHOWN
    assert second(datetime.date(2026, 4, 28)).status is Status.ENTERED


def told(text):
    return Told(value=moment(text), standing=Standing.CURATED, source="api")


def test_a_pull_request_opened_at_the_cutoff_is_no_record():
    late = row(1510, 1.06, 1.0601, 1.0602, created_at=told("2026-05-02T00:00:00+00:00"))
    step = chain(row(1500, *RECORD), late)[1]
    assert step.status is Status.REJECTED
    assert "not before the cutoff" in step.reason


def test_the_last_second_before_the_cutoff_counts():
    timely = row(1510, 1.06, 1.0601, 1.0602, created_at=told("2026-05-01T23:59:59+00:00"))
    assert chain(row(1500, *RECORD), timely)[1].status is Status.ENTERED


def test_evidence_after_the_cutoff_waits_for_grace_and_a_ruling_grants_it():
    times = {
        "created_at": told("2026-05-01T10:00:00+00:00"),
        "evidence_at": told("2026-05-02T10:00:00+00:00"),
    }
    late = row(1510, 1.06, 1.0601, 1.0602, **times)
    step = chain(row(1500, *RECORD), late)[1]
    assert (step.status, step.reason.endswith("does grace apply?")) == (Status.HELD, True)
    granted = row(1510, 1.06, 1.0601, 1.0602, ruling=ruling(Outcome.ACCEPTED), **times)
    assert chain(row(1500, *RECORD), granted)[1].is_record


def test_reproduction_runs_of_the_record_count_as_well():
    runs = Reproduction(scores=(1.0701, 1.0703), who="Somebody", source="#1868")
    step = chain(row(1500, 1.0702, reproductions=(runs,)), row(1510, 1.0690, 1.0691, 1.0692))[1]
    assert len(step.with_reproductions.old) == 3


def test_an_equal_mean_does_not_beat_the_record():
    steps = chain(row(1500, *RECORD), row(1510, *RECORD))
    assert (steps[1].status, steps[1].reason) == (Status.TRAILS, "its mean equals that of #1500")


def test_one_seed_cannot_be_tested_and_needs_a_person():
    steps = chain(row(1500, *RECORD), row(1510, 1.06))
    assert steps[1].status is Status.HELD
    assert "1 run" in steps[1].reason


def test_against_a_record_of_one_run_the_one_sample_test_is_used():
    steps = chain(row(1500, 1.07), row(1510, 1.0690, 1.0691, 1.0692))
    assert steps[1].status is Status.ENTERED


def test_equal_scores_of_all_seeds_cannot_be_tested():
    steps = chain(row(1500, 1.07, 1.07, 1.07), row(1510, 1.06, 1.06, 1.06))
    assert steps[1].status is Status.HELD


def test_two_rows_of_one_pull_request_do_not_compete_with_each_other():
    first = row(1500, *RECORD)
    twin = row(1500, 1.0600, 1.0601, 1.0602, folder="records/track/other")
    assert [step.against for step in chain(first, twin)] == [None, None]


def test_a_rejected_row_does_not_move_the_record():
    bad = row(1510, 1.0, 1.0001, 1.0002, judged=Judged(verdict="reject", failed=("ngram-key-target",)))
    steps = chain(row(1500, *RECORD), bad, row(1520, 1.06, 1.0601, 1.0602))
    assert (steps[1].status, steps[1].reason) == (Status.REJECTED, "golf-check rejects it: ngram-key-target")
    assert steps[2].against.pr == 1500


def test_a_row_that_golf_check_asks_about_waits_for_a_person():
    asked = row(1510, 1.06, 1.0601, 1.0602, judged=Judged(verdict="needs-human", asked=("hardware",)))
    step = chain(row(1500, *RECORD), asked)[1]
    assert (step.status, step.reason, step.is_record) == (
        Status.HELD,
        "golf-check asks about hardware",
        False,
    )


def test_missing_evidence_is_not_a_pass():
    unseen = row(1510, 1.06, 1.0601, 1.0602, judged=Judged(verdict="incomplete", open=("c1-causal",)))
    assert chain(row(1500, *RECORD), unseen)[1].status is Status.HELD


def test_a_ruling_weighs_more_than_golf_check():
    asked = Judged(verdict="needs-human", asked=("hardware",))
    ruled = row(1510, 1.06, 1.0601, 1.0602, judged=asked, ruling=ruling(Outcome.ACCEPTED))
    assert chain(row(1500, *RECORD), ruled)[1].is_record


def test_a_row_ruled_in_against_the_statistics_is_the_record_and_says_so():
    ruled = row(1510, 1.0700, 1.0701, 1.0703, ruling=ruling(Outcome.ACCEPTED))
    step = chain(row(1500, *RECORD), ruled)[1]
    assert (step.status, step.is_record, step.ruled_otherwise) == (Status.NOT_SHOWN, True, True)


def test_the_rule_alone_lets_no_ruling_move_the_record():
    ruled = row(1510, 1.0700, 1.0701, 1.0703, ruling=ruling(Outcome.ACCEPTED))
    assert not chain(row(1500, *RECORD), ruled, basis=Basis.RULE)[1].is_record


def test_a_rejecting_ruling_names_who_and_where():
    out = row(1510, 1.06, 1.0601, 1.0602, ruling=ruling(Outcome.REJECTED))
    step = chain(row(1500, *RECORD), out)[1]
    assert step.status is Status.REJECTED
    assert step.reason == "rejected by An Organiser: looked at it (#1902)"


def test_reproduction_runs_let_a_row_in_and_are_named():
    runs = Reproduction(scores=(1.0690, 1.0691, 1.0692), who="Somebody", source="#1967")
    step = chain(row(1500, *RECORD), row(1510, 1.0700, 1.0701, 1.0703, reproductions=(runs,)))[1]
    assert step.status is Status.ENTERED
    assert "with 3 reproduction runs" in step.reason
    assert len(step.numbers.new) == 3


def test_evidence_that_came_after_the_creation_needs_a_person():
    late = row(
        1510,
        1.06,
        1.0601,
        1.0602,
        created_at=Told(value=moment("2026-04-20T10:00:00+00:00"), standing=Standing.CURATED, source="api"),
        evidence_at=Told(value=moment("2026-04-25T10:00:00+00:00"), standing=Standing.CURATED, source="api"),
    )
    step = chain(row(1500, *RECORD), late)[1]
    assert step.status is Status.HELD
    assert "2026-04-25" in step.reason


@pytest.mark.parametrize("track", ["non-record", "unlimited"])
def test_other_tracks_stay_outside_the_chain(track):
    step = chain(row(1500, *RECORD), row(1510, 1.0, 1.0001, 1.0002, track=track))[1]
    assert (step.status, step.is_record) == (Status.OUTSIDE, False)


def test_a_row_without_a_score_stays_outside():
    assert chain(row(1500))[0].reason == "no score is known"


def test_a_row_that_golf_run_measured_competes_with_all_before_it():
    ours = row(None, 1.06, 1.0601, 1.0602, standing=Standing.MEASURED, key="mine", folder=None)
    assert chain(ours, row(1500, *RECORD))[1].against.pr == 1500


def test_a_row_that_golf_check_could_not_look_at_says_so():
    unseen = row(1500, track="", judged=Judged(verdict="could-not-check", error="no submission folder"))
    step = chain(unseen)[0]
    assert (step.status, step.reason) == (
        Status.OUTSIDE,
        "golf-check could not look at it: no submission folder",
    )
