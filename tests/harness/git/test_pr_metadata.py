from __future__ import annotations

import datetime
import json
from typing import TYPE_CHECKING

import pytest

from harness.errors import SetupError
from harness.git.pr_metadata import PullRequestInfo, read_pr_metadata, with_pr_metadata
from harness.submission import Origin

if TYPE_CHECKING:
    from pathlib import Path

GH = {
    "number": 7,
    "title": "Record: own work",
    "createdAt": "2026-04-01T10:00:00Z",
    "author": {"login": "someone", "is_bot": False},
    "isDraft": False,
}
REST = {
    "number": 7,
    "title": "Record: own work",
    "created_at": "2026-04-01T10:00:00Z",
    "user": {"login": "someone"},
    "draft": False,
}
INFO = PullRequestInfo(
    number=7,
    title="Record: own work",
    created_at=datetime.datetime(2026, 4, 1, 10, tzinfo=datetime.UTC),
    author="someone",
    draft=False,
)


def saved(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "pulls.json"
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize(
    "text",
    [
        json.dumps([GH]),
        json.dumps([REST]),
        json.dumps(GH),
        json.dumps({"7": {key: value for key, value in GH.items() if key != "number"}}),
        json.dumps({"items": [REST]}),
        json.dumps([[REST]]),
        "\ufeff" + json.dumps([GH]),
        json.dumps(REST) + "\n\n" + json.dumps(GH) + "\n",
    ],
)
def test_every_shape_gives_the_same_facts(tmp_path: Path, text: str) -> None:
    assert read_pr_metadata(saved(tmp_path, text)) == ({7: INFO}, ())


def test_a_time_without_an_offset_is_utc(tmp_path: Path) -> None:
    known, _ = read_pr_metadata(saved(tmp_path, '[{"number": 7, "createdAt": "2026-04-01T10:00:00"}]'))
    assert known[7].created_at == INFO.created_at


@pytest.mark.parametrize("value", ["soon", 5, None, "2026-13-45"])
def test_a_bad_time_is_unknown(tmp_path: Path, value: object) -> None:
    known, _ = read_pr_metadata(saved(tmp_path, json.dumps([{"number": 7, "createdAt": value}])))
    assert known[7].created_at is None


def test_a_row_without_a_number_is_skipped_and_reported(tmp_path: Path) -> None:
    known, problems = read_pr_metadata(saved(tmp_path, json.dumps([GH, {"title": "x"}, 5, {"number": True}])))
    assert list(known) == [7]
    assert problems[0] == "row 2: no pull request number; row skipped"
    assert len(problems) == 3


def test_a_broken_line_is_skipped_and_reported(tmp_path: Path) -> None:
    known, problems = read_pr_metadata(saved(tmp_path, json.dumps(GH) + '\n{"number": 8,\n'))
    assert list(known) == [7]
    assert problems[0].startswith("line 2 is not JSON")


def test_a_later_row_wins_and_keeps_what_only_the_earlier_one_says(tmp_path: Path) -> None:
    known, _ = read_pr_metadata(saved(tmp_path, json.dumps([GH, {"number": 7, "title": "New"}])))
    assert (known[7].title, known[7].author) == ("New", "someone")


@pytest.mark.parametrize("text", ["", "[]", "not json", "[" * 100_000, '{"title": "x"}'])
def test_a_file_without_a_usable_row_says_how_to_save_one(tmp_path: Path, text: str) -> None:
    with pytest.raises(SetupError, match="gh pr list --state all"):
        read_pr_metadata(saved(tmp_path, text))


def test_a_missing_file_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(SetupError, match="cannot be read"):
        read_pr_metadata(tmp_path / "none.json")


def test_facts_fill_the_origin_and_leave_the_rest() -> None:
    origin = Origin(source="git", path="clone", entry="records/x", pr=7, author="from the merge")
    filled = with_pr_metadata(origin, PullRequestInfo(number=7, title="Title", draft=True))
    assert (filled.title, filled.draft, filled.author) == ("Title", True, "from the merge")


def test_without_facts_the_origin_stays() -> None:
    origin = Origin(source="git", path="clone", entry="records/x", title="as merged")
    assert with_pr_metadata(origin, None) is origin
