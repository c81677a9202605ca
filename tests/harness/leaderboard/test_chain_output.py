from __future__ import annotations

from harness.leaderboard.chain_output import chain_markdown, chain_text
from harness.leaderboard.progression import EntryRule, progression
from harness.ruleset import load_ruleset
from tests.harness.leaderboard.board_samples import row


def steps(*rows):
    ruleset = load_ruleset()
    return progression(rows, ruleset.limits(ruleset.newest), rule=EntryRule.PRACTICE)


def test_a_long_key_leaves_room_for_the_numbers():
    long = row(65, 1.2, 1.201, key="#65 2026-03-19_MixedQuant_Int6Int8_SlidingWindow")
    first = chain_text(steps(long)).splitlines()[1]
    assert first.startswith("#65 2026-03-19_MixedQua… *  2 logged")


def test_a_p_against_one_run_is_marked_and_explained():
    chain = steps(row(1500, 1.07), row(1510, 1.0690, 1.0691, 1.0692))
    for out in (chain_text(chain), chain_markdown(chain)):
        assert "0.0020¹" in out
        assert "¹ the record has one run" in out


def test_one_run_shows_why_it_has_no_p():
    line = chain_text(steps(row(1500, 1.07, 1.071), row(1510, 1.06))).splitlines()[4]
    assert line.split()[-4:] == ["1", "run", "accept", "needs-human"]
