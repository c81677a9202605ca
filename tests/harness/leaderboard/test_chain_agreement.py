from __future__ import annotations

import json

import pytest

from harness.evidence.leaderboard_table import TableRow
from harness.leaderboard.board_row import Judged, Outcome, RowRuling
from harness.leaderboard.chain_agreement import (
    chain_agreement,
    chain_agreement_json,
    chain_agreement_markdown,
    chain_agreement_text,
)
from harness.ruleset import load_ruleset
from tests.harness.leaderboard.board_samples import row

ACCEPTED = RowRuling(outcome=Outcome.ACCEPTED, who="them", why="in the table", source="README.md")
FIRST = row(1493, 1.0808, 1.0810, 1.0812, ruling=ACCEPTED)


def shown(pull, line=9):
    return TableRow(line=line, run=f"run {pull}", score=1.0, author="", date="", pulls=(pull,), folders=())


def compared(*rows, table=()):
    ruleset = load_ruleset()
    return chain_agreement((FIRST, *rows), table, ruleset.limits(ruleset.newest), 1494, 1908)


def better(pull, by, **facts):
    return row(pull, *(score - by for score in FIRST.values), **facts)


def test_a_row_that_both_name_is_no_difference():
    (one,) = compared(better(1514, 0.001, ruling=ACCEPTED), table=[shown(1514)]).placed
    assert (one.by_rule, one.in_table, one.is_disputed) == (True, True, False)


def test_the_chain_starts_with_the_record_before_the_range():
    (one,) = compared(better(1514, 0.001, ruling=ACCEPTED), table=[shown(1514)]).placed
    assert one.step.against.pr == 1493


def test_a_row_of_the_table_that_the_rule_does_not_let_in_is_only_there():
    (one,) = compared(better(1514, 0.00001, ruling=ACCEPTED), table=[shown(1514)]).placed
    assert (one.by_rule, one.in_table) == (False, True)
    assert "not below 0.25" in one.step.reason


def test_a_row_that_only_the_rule_lets_in_is_named():
    (one,) = compared(better(1514, 0.001)).placed
    assert (one.by_rule, one.in_table) == (True, False)


@pytest.mark.parametrize(
    ("judged", "kind"),
    [
        (Judged(verdict="needs-human", asked=("hardware",)), "waiting"),
        (Judged(verdict="reject", failed=("bpb-formula",)), "rejected"),
    ],
)
def test_a_row_that_would_enter_but_for_golf_check_is_listed_with_the_reason(judged, kind):
    found = compared(better(1514, 0.001, judged=judged))
    assert [step.row.pr for step in getattr(found, kind)] == [1514]
    assert found.placed == ()


def test_a_row_of_the_table_that_the_board_lacks_is_absent():
    assert [one.line for one in compared(table=[shown(1514, 12), shown(2000, 13)]).absent] == [12]


@pytest.mark.parametrize("form", [chain_agreement_text, chain_agreement_markdown, chain_agreement_json])
def test_every_form_names_the_rows(form):
    asked = Judged(verdict="needs-human", asked=("hardware",))
    out = form(
        compared(better(1514, 0.001, ruling=ACCEPTED), better(1530, 0.01, judged=asked), table=[shown(1514)])
    )
    assert "1514" in out
    assert "1530" in out
    if form is chain_agreement_json:
        assert json.loads(out)["placed"][0]["by_rule"] is True
