from __future__ import annotations

import pytest

from harness.errors import SetupError
from harness.evidence.leaderboard_table import read_leaderboard
from harness.leaderboard.board_row import Outcome, RowRuling, Standing, Told
from harness.leaderboard.readme_table import BEGIN, END, agreements, table_markdown, with_table
from tests.harness.leaderboard.board_samples import row

ACCEPTED = RowRuling(outcome=Outcome.ACCEPTED, who="staff", why="merged", source="README.md:9")
README = f"# Challenge\n\n{BEGIN}\nold\n{END}\n\nmore\n"


def claim(text):
    return Told(value=text, standing=Standing.CLAIMED, source="submission.json")


def accepted(pr, *scores, **replace):
    return row(pr, *scores, ruling=ACCEPTED, **replace)


def test_only_accepted_rows_of_the_record_track_are_shown_best_first():
    rows = (
        accepted(3, 1.07),
        accepted(5, 1.06),
        row(7, 1.0),
        accepted(9, 1.01, track="unlimited"),
        accepted(11),
    )
    table = table_markdown(rows)
    assert [line.split("|")[2].strip() for line in table.splitlines()[2:]] == ["1.0600", "1.0700"]


def test_writing_the_table_twice_changes_nothing():
    once = with_table(README, table_markdown((accepted(3, 1.07),)))
    assert with_table(once, table_markdown((accepted(3, 1.07),))) == once


def test_text_outside_the_markers_stays_as_it_was():
    text = with_table(README, "| new |\n")
    assert text.startswith("# Challenge\n\n")
    assert text.endswith(f"{END}\n\nmore\n")
    assert "old" not in text


@pytest.mark.parametrize(
    "broken",
    ["no markers", f"{BEGIN} only", f"{END}\n{BEGIN}", f"{BEGIN}\n{BEGIN}\n{END}", f"{BEGIN}\n{END}\n{END}"],
)
def test_a_readme_without_both_markers_is_refused(broken):
    with pytest.raises(SetupError, match="nothing was written"):
        with_table(broken, "| new |\n")


@pytest.mark.parametrize(
    "name",
    [
        "a | b",
        "<script>alert(1)</script>",
        "[x](javascript:x)",
        "**bold**",
        "\x1b[31mred",
        "\u202eevil",
        "a\nb",
    ],
)
def test_a_name_cannot_break_out_of_its_cell(name):
    table = table_markdown((accepted(3, 1.07, title=claim(name)),))
    (line,) = table.splitlines()[2:]
    assert line.count("|") == 7
    assert not any(mark in line for mark in ("<script", "](java", "**", "\x1b", "\u202e"))


def test_the_written_table_is_read_back_as_a_leaderboard():
    table = table_markdown((accepted(3, 1.07, folder="records/track/a b", title=claim("a | b")),))
    (found,) = read_leaderboard(f"## Leaderboard\n\n{table}")
    assert (found.score, found.folders) == (1.07, ("records/track/a b",))


def agreed(line, *rows):
    table = (
        "## Leaderboard\n\n| Run | Score | Author | Summary | Date | Info |\n|---|---|---|---|---|---|\n"
        + line
    )
    (found,) = agreements(rows, read_leaderboard(table))
    return found


LINE = "| A | 1.0601 | Ada | words | 2026-04-09 | [info](records/track/5/README.md) |"


def test_a_row_that_agrees_in_everything_has_nothing_to_explain():
    found = agreed(LINE, accepted(5, 1.0600, 1.0602, author=claim("ada"), date=claim("2026-04-09T10:00:00Z")))
    assert (found.score, found.author, found.date, found.link, found.why) == (True, True, True, True, ())


def test_a_best_seed_shown_as_the_score_is_told():
    found = agreed(LINE, accepted(5, 1.0601, 1.0640))
    assert found.score is False
    assert "score: shown 1.0601, the mean of 2 is 1.06205; shown is the best seed" in found.why


def test_an_author_who_is_not_stated_is_neither_right_nor_wrong():
    assert agreed(LINE, accepted(5, 1.0601)).author is None


def test_a_row_without_a_folder_is_told():
    found = agreed(LINE.replace("track/5", "track/8"), accepted(5, 1.0601))
    assert (found.row, found.link) == (None, False)


@pytest.mark.parametrize("day", ["0001-01-01T00:00:00+00:00", "9999-12-31T23:59:59-14:00", "yesterday"])
def test_a_stated_day_that_no_other_clock_has_is_only_different(day):
    found = agreed(LINE, accepted(5, 1.0601, author=claim("Ada"), date=claim(day)))
    assert (found.date, found.why) == (False, (f"date: shown 2026-04-09, stated {day}",))


def test_a_stated_moment_of_the_shown_day_in_california_is_told():
    found = agreed(LINE, accepted(5, 1.0601, date=claim("2026-04-10T03:00:00Z")))
    assert "that moment is the shown day in California" in found.why[-1]
