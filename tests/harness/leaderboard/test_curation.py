from __future__ import annotations

import pytest

from harness.errors import SetupError
from harness.leaderboard.board_row import Outcome, RowRuling, Standing
from harness.leaderboard.curation import read_curation
from tests.harness.leaderboard.board_samples import row

SIGNED = 'by = "Ada"\non = 2026-04-29\n'


def curated(tmp_path, text):
    path = tmp_path / "leaderboard.toml"
    path.write_text(text)
    return read_curation(path)


def test_a_title_names_who_wrote_it_and_when(tmp_path):
    entries = curated(tmp_path, f'[[row]]\npr = 5\ntitle = "Better name"\n{SIGNED}')
    (found,) = entries.apply([row(5, 1.06)])
    assert (found.title.value, found.title.standing) == ("Better name", Standing.CURATED)
    assert found.title.source == "leaderboard.toml [[row]] 1, Ada 2026-04-29"


def test_an_entry_is_about_its_row_only(tmp_path):
    entries = curated(tmp_path, f'[[row]]\npr = 5\ntitle = "Better name"\n{SIGNED}')
    assert entries.apply([row(6, 1.06)])[0].title is None


def test_a_folder_tells_two_rows_of_one_pull_request_apart(tmp_path):
    entries = curated(tmp_path, f'[[row]]\npr = 5\nfolder = "records/track/5"\ntitle = "One"\n{SIGNED}')
    titles = [found.title for found in entries.apply([row(5, 1.06), row(5, 1.07, folder="records/track/6")])]
    assert [title and title.value for title in titles] == ["One", None]


def test_a_ruling_says_who_decided(tmp_path):
    entries = curated(tmp_path, f'[[ruling]]\npr = 5\noutcome = "rejected"\nwhy = "leak"\n{SIGNED}')
    ruling = entries.apply([row(5, 1.06)])[0].ruling
    assert (ruling.outcome, ruling.who, ruling.why) == (Outcome.REJECTED, "Ada", "leak")


def test_reproduction_runs_stay_apart_from_the_rows_own_scores(tmp_path):
    entries = curated(tmp_path, f'[[reproduction]]\npr = 5\nscores = [1.05]\nsource = "#9"\n{SIGNED}')
    (found,) = entries.apply([row(5, 1.06)])
    assert found.values == (1.06,)
    assert found.reproductions[0].scores == (1.05,)


def test_entries_about_no_row_are_told(tmp_path):
    entries = curated(tmp_path, f'[[row]]\npr = 5\ntitle = "x"\n{SIGNED}')
    (line,) = entries.unused([row(6, 1.06)])
    assert "[[row]] is about #5" in line


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[[rulling]]\npr = 5\n", "unknown table 'rulling'"),
        (f'[[row]]\npr = 5\ntitel = "x"\n{SIGNED}', "unknown key 'titel'"),
        ('[[row]]\npr = 5\ntitle = "x"\nby = "Ada"\n', "'on' is missing"),
        (f'[[row]]\ntitle = "x"\n{SIGNED}', "which row"),
        (f"[[row]]\npr = -5\n{SIGNED}", "pr is '-5'"),
        (f"[[row]]\npr = true\n{SIGNED}", "pr is 'True'"),
        ('[[row]]\npr = 5\nby = "Ada"\non = "yesterday"\n', "on is 'yesterday'"),
        (f'[[ruling]]\npr = 5\noutcome = "fine"\nwhy = "x"\n{SIGNED}', "outcome is 'fine'"),
        (f'[[reproduction]]\npr = 5\nscores = [nan]\nsource = "x"\n{SIGNED}', "scores must be"),
        (f'[[reproduction]]\npr = 5\nscores = []\nsource = "x"\n{SIGNED}', "scores must be"),
        (f"[[time]]\npr = 5\ncreated_at = 2026-04-09T10:00:00\n{SIGNED}", "needs a time with its zone"),
        (f"[[row]]\npr = 5\ntitle = 3\n{SIGNED}", "title must be a text"),
        ("row = 3\n", r"write \[\[row\]\]"),
        ("= broken", "not valid TOML"),
    ],
)
def test_a_slip_is_named(tmp_path, text, said):
    with pytest.raises(SetupError, match=said):
        curated(tmp_path, text)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(SetupError, match="--curation"):
        read_curation(tmp_path / "none.toml")


def test_an_entry_by_folder_alone_is_about_the_first_row_that_has_it(tmp_path):
    entries = curated(tmp_path, f'[[row]]\nfolder = "records/track/5"\ntitle = "Better name"\n{SIGNED}')
    rows = entries.apply([row(9, 1.0, folder="records/track/5"), row(5, 1.06)])
    assert [one.title is not None for one in rows] == [False, True]


def test_an_entry_by_folder_alone_is_about_the_accepted_row_though_a_lower_number_names_it(tmp_path):
    entries = curated(tmp_path, f'[[row]]\nfolder = "records/track/5"\ntitle = "Better name"\n{SIGNED}')
    accepted = RowRuling(outcome=Outcome.ACCEPTED, who="Ada", why="fine", source="#5")
    rows = entries.apply([row(2, 1.0, folder="records/track/5"), row(5, 1.06, ruling=accepted)])
    assert [one.title is not None for one in rows] == [False, True]
