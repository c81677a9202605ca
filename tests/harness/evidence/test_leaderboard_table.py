"""The leaderboard table of a README is read row by row, whatever stands around it."""

from __future__ import annotations

from harness.evidence.leaderboard_table import read_leaderboard

README = """# Challenge

| Run | Score |
|---|---|
| not under a leaderboard heading | 9.0 |

## Leaderboard

| Run | Score | Author | Summary | Date | Info |
|-----|------:|--------|---------|------|------|
| Third | 1.10 | c | x | d | [info](https://x.org/o/pull/30), [rerun](https://x.org/o/pull/31) |
| Second | 1.15 | b | a \\| b | d | [info](records/track_10min_16mb/2026-04-01_B/README.md) |
| Broken | soon | b | x | d | |
| First | 1.2244 | a | x | d | [info](records/track_10min_16mb/2026-03-17_A%20a/README.md) |

#### Leaderboard of another track

| Run | Score | Author | Summary | Date | Info |
|---|---|---|---|---|---|
| Elsewhere | 1.0 | e | x | d | [info](records/track_x/E/README.md) |
"""


def test_rows_of_the_first_leaderboard_are_read() -> None:
    assert [row.score for row in read_leaderboard(README)] == [1.10, 1.15, 1.2244]


def test_linked_pull_requests_keep_their_order() -> None:
    assert read_leaderboard(README)[0].pulls == (30, 31)


def test_linked_folders_are_relative_to_the_root_and_unescaped() -> None:
    rows = read_leaderboard(README)
    assert rows[1].folders == ("records/track_10min_16mb/2026-04-01_B",)
    assert rows[2].folders == ("records/track_10min_16mb/2026-03-17_A a",)


def test_a_row_knows_its_line() -> None:
    assert read_leaderboard(README)[0].line == 11


def test_a_readme_without_leaderboard_has_no_rows() -> None:
    assert read_leaderboard("# Challenge\n\ntext\n") == ()


def test_a_table_cut_short_does_not_harm() -> None:
    assert read_leaderboard("## Leaderboard\n| Run | Score |\n|---|---|\n| a\n| b | 1.5 |\n")[0].score == 1.5
