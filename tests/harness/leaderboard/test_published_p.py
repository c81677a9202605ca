from __future__ import annotations

import json

import pytest

from harness.evidence.leaderboard_table import TableRow
from harness.leaderboard.board_row import Reproduction
from harness.leaderboard.published_output import published_json, published_markdown, published_text
from harness.leaderboard.published_p import PublishedP, checked, published_in
from tests.harness.leaderboard.board_samples import row

OLD = (1.08079352, 1.08103132, 1.08118402)
NEW = (1.0792827, 1.07996699, 1.08024799)  # against OLD: Welch .0203, population deviations .0126


def shown(pull, summary):
    return TableRow(
        line=9, run="a", score=1.0, author="", date="", pulls=(pull,), folders=(), summary=summary
    )


def stated(p, digits=3):
    return PublishedP(line=9, new=1514, against=1493, p=p, digits=digits)


@pytest.mark.parametrize(
    ("summary", "against", "p"),
    [
        ("On PR #1514: legal TTT; 3-seed sweep beats #1493 (p=0.020)", 1493, 0.02),
        ("On PR #1514: 5 seeds (p=0.063 vs #1736)", 1736, 0.063),
        ("On PR #1514: support (p = .188 vs PR #1868 latest rerun)", 1868, 0.188),
    ],
)
def test_a_p_value_of_a_summary_is_read_with_its_rival(summary, against, p):
    (found,) = published_in([shown(1514, summary)])
    assert (found.new, found.against, found.p) == (1514, against, p)


@pytest.mark.parametrize("summary", ["On PR #1514: (p=0.02)", "map=0.5 vs #3", "p<1e-7 vs #3", ""])
def test_a_summary_without_p_or_rival_says_nothing(summary):
    assert list(published_in([shown(1514, summary)])) == []


def test_a_p_value_of_the_submissions_own_runs_is_reproduced():
    found = checked(stated(0.020), [row(1493, *OLD), row(1514, *NEW)])
    assert found.reproduced is found.plain
    assert found.plain.p == pytest.approx(0.0203, abs=5e-5)


def test_a_p_value_of_population_deviations_is_named_as_such():
    found = checked(stated(0.0126, 4), [row(1493, *OLD), row(1514, *NEW)])
    assert found.reproduced.how == "Welch, population deviations"


def test_a_p_value_with_reproduction_runs_names_whose_they_are():
    runs = Reproduction(scores=(1.0795, 1.0796, 1.0797), who="Ada", source="thread")
    found = checked(stated(0.0001, 4), [row(1493, *OLD), row(1514, *NEW, reproductions=(runs,))])
    assert found.reproduced.new.name == "3 own + 3 by Ada"


def test_a_p_value_that_nothing_gives_stays_unreproduced():
    found = checked(stated(0.5), [row(1493, *OLD), row(1514, *NEW)])
    assert found.reproduced is None
    assert "no set of runs" in published_text([found])


def test_a_rival_that_the_board_does_not_hold_is_named():
    assert checked(stated(0.02), [row(1514, *NEW)]).missing == "no row of this board is #1493 with scores"


@pytest.mark.parametrize("form", [published_text, published_markdown, published_json])
def test_every_form_shows_the_runs_behind_the_number(form):
    out = form([checked(stated(0.020), [row(1493, *OLD), row(1514, *NEW)])])
    assert "1.08079" in out
    assert "1514" in out
    if form is published_json:
        assert json.loads(out)["published"][0]["readings"][0]["agrees"] is True
