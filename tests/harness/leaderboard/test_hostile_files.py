"""Files and folders that are not what they should be: one clear line, and nothing of anybody is lost."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from harness.cli_leaderboard import main
from harness.leaderboard import render as rendering
from harness.leaderboard.readme_table import BEGIN, END
from tests.harness.leaderboard.board_samples import report

FINDING = {
    "rule": "artifact-cap",
    "verdict": "FAIL",
    "message": "too large",
    "places": [{"file": "a.log", "line": 3, "note": "here", "excerpt": "Total 17000000"}],
    "authority": ["A1 README"],
}


def written(tmp_path, *documents, name="verdicts.jsonl"):
    path = tmp_path / name
    path.write_text("".join(json.dumps(document) + "\n" for document in documents))
    return path


def frontier(path, *more):
    return main(["frontier", "--reports", str(path), "--quiet", *more])


def rendered(tmp_path, out="site", *more):
    given = ["--reports", str(written(tmp_path, report())), "--out", str(tmp_path / out), "--quiet"]
    return main(["render", *given, *more])


def changed(field, value):
    """A report whose field, named as "part.key", holds that value."""
    document = report()
    document["findings"] = [json.loads(json.dumps(FINDING))]
    place, names = document, field.split(".")
    for name in names[:-1]:
        place = place[int(name) if name.isdigit() else name]
    place[names[-1]] = value
    return document


def test_a_report_with_every_field_of_its_kind_is_read(tmp_path):
    assert frontier(written(tmp_path, changed("findings.0.places.0.line", None))) == 0


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("submission.repo_commit", ["1"]),
        ("submission.repo_commit", "\x1b[31m"),
        ("error", {"why": "x"}),
        ("rules_checked.artifact-cap", []),
        ("rules_checked.artifact-cap", "<b>"),
        ("findings.0.rule", "../../index"),
        ("findings.0.verdict", {}),
        ("findings.0.message", []),
        ("findings.0.authority", [1]),
        ("findings.0.places.0.line", "3"),
        ("findings.0.places.0.file", 3),
    ],
)
def test_a_report_whose_field_is_of_another_kind_is_named(tmp_path, capsys, field, value):
    assert frontier(written(tmp_path, report(), changed(field, value))) == 4
    assert "verdicts.jsonl: report 2: " in capsys.readouterr().err


def test_a_whole_number_beyond_every_float_is_no_score_and_no_amount(tmp_path, capsys):
    huge = changed("submission.claimed_val_bpb", 10**400)
    huge["measured"]["per_seed"]["1"] |= {"val_bpb": -(10**400), "val_loss": 10**400}
    huge["measured"]["per_seed"]["2"] |= {"train_seconds": 10**400}
    assert frontier(written(tmp_path, huge), "--format", "json") == 0
    (step,) = json.loads(capsys.readouterr().out)["steps"]
    assert [score["val_bpb"] for score in step["row"]["scores"]] == [1.0612]
    assert step["row"]["scores"][0]["train_seconds"] is None


def test_a_file_cut_off_within_a_report_says_so(tmp_path, capsys):
    path = written(tmp_path, report(), report(pr=1500))
    path.write_text(path.read_text()[:-40])
    assert frontier(path) == 4
    assert "verdicts.jsonl:2: not JSON" in (said := capsys.readouterr().err)
    assert "the file ends within this line" in said


def test_a_damaged_line_within_a_file_is_not_called_cut_off(tmp_path, capsys):
    path = written(tmp_path, report())
    path.write_text("{\n" + path.read_text())
    assert frontier(path) == 4
    assert "the file ends within this line" not in capsys.readouterr().err


def test_a_line_that_does_not_end_is_refused_before_it_is_held(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("harness.leaderboard.report_rows.REPORT_LIMIT_CHARACTERS", 5_000)
    assert frontier("/dev/zero") == 4
    assert "/dev/zero:1: no report has 5,000 characters in a line" in capsys.readouterr().err


def test_the_json_of_a_batch_is_read_as_its_reports(tmp_path, capsys):
    batch = {"schema_version": 1, "reports": [report(), report(pr=1500)], "summary": {}}
    assert frontier(written(tmp_path, batch, name="verdicts.json"), "--format", "json") == 0
    assert len(json.loads(capsys.readouterr().out)["steps"]) == 2


def test_the_json_of_a_batch_without_a_list_is_refused(tmp_path, capsys):
    assert frontier(written(tmp_path, {"reports": 5}, name="verdicts.json")) == 4
    assert "not a list of reports" in capsys.readouterr().err


@pytest.mark.parametrize(
    "text",
    [
        '[[ruling]]\npr = 5\noutcome = ["accepted"]\nwhy = "x"\nby = "Ada"\non = 2026-04-29\n',
        "deep = " + "[" * 9_000 + "]" * 9_000 + "\n",
        "[row]\npr = 5\n",
        "row = [1]\n",
        f'[[reproduction]]\npr = 5\nscores = [1{"0" * 400}]\nsource = "x"\nby = "Ada"\non = 2026-04-29\n',
        '[[row]]\npr = true\nby = "Ada"\non = 2026-04-29\n',
        '[[row]]\npr = 5\nby = "Ada"\non = 2026-04-29T00:00:00Z\n',
        '[[row]]\npr = 5\ntitle = 3\nby = "Ada"\non = 2026-04-29\n',
    ],
)
def test_a_curation_of_wrong_types_is_one_line(tmp_path, capsys, text):
    (tmp_path / "board.toml").write_text(text)
    assert frontier(written(tmp_path, report()), "--curation", str(tmp_path / "board.toml")) == 4
    said = capsys.readouterr().err
    assert said.startswith("golf-leaderboard: ")
    assert said.count("\n") == 1


@pytest.mark.parametrize("name", ["CNAME", ".git"])
def test_a_file_that_somebody_put_into_the_site_stays(tmp_path, capsys, name):
    assert rendered(tmp_path) == 0
    (tmp_path / "site" / name).write_text("mine")
    assert rendered(tmp_path) == 4
    assert f"holds {name}, which golf-leaderboard did not write" in capsys.readouterr().err
    assert (tmp_path / "site" / name).read_text() == "mine"


def test_a_site_of_every_format_is_replaced(tmp_path):
    every = ("--format", "html,markdown,json,svg,png")
    assert rendered(tmp_path, "site", *every) == rendered(tmp_path) == 0
    assert not (tmp_path / "site" / "frontier.png").exists()


def test_what_links_inside_the_site_lead_to_stays(tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("mine")
    assert rendered(tmp_path) == 0
    (tmp_path / "site" / "rules" / "away").symlink_to(tmp_path / "mine")
    assert rendered(tmp_path) == 0
    assert (tmp_path / "mine" / "thesis.txt").read_text() == "mine"
    assert not (tmp_path / "site" / "rules" / "away").exists()


def test_a_link_in_place_of_the_site_is_left_alone(tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "site").symlink_to(tmp_path / "mine")
    assert rendered(tmp_path) == 4
    assert list((tmp_path / "mine").iterdir()) == []


def test_a_link_in_place_of_a_single_file_is_replaced_and_not_followed(tmp_path):
    (tmp_path / "mine.json").write_text("mine")
    (tmp_path / "out").mkdir()
    for name in ("leaderboard.json", "frontier.svg"):
        (tmp_path / "out" / name).symlink_to(tmp_path / "mine.json")
    assert rendered(tmp_path, "out", "--format", "json,svg") == 0
    assert (tmp_path / "mine.json").read_text() == "mine"
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["frontier.svg", "leaderboard.json"]


def test_renders_into_one_folder_at_a_time_leave_one_whole_site(tmp_path):
    command = [sys.executable, "-m", "harness.cli_leaderboard", "render", "--quiet"]
    given = ["--reports", str(written(tmp_path, report())), "--out", str(tmp_path / "site")]
    running = [subprocess.Popen([*command, *given]) for _ in range(2)]
    assert [one.wait(timeout=120) for one in running] == [0, 0]
    assert (tmp_path / "site" / "submissions" / "pr-1493.html").is_file()
    assert sorted(one.name for one in tmp_path.iterdir()) == ["site", "verdicts.jsonl"]


def test_pictures_that_cannot_be_written_leave_the_old_ones(tmp_path, capsys, monkeypatch):
    assert rendered(tmp_path, "out", "--format", "svg") == 0
    before = (tmp_path / "out" / "frontier.svg").read_bytes()

    def full(steps, paths):
        paths[0].write_text("<svg")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(rendering, "write_plots", full)
    assert rendered(tmp_path, "out", "--format", "svg") == 4
    assert "No space left on device" in capsys.readouterr().err
    assert {one.name: one.read_bytes() for one in (tmp_path / "out").iterdir()} == {"frontier.svg": before}


def test_a_readme_that_cannot_be_written_is_as_it_was(tmp_path, capsys, monkeypatch):
    readme = tmp_path / "README.md"
    readme.write_text(f"{BEGIN}\n{END}\n")

    def stuck(self, target):
        raise PermissionError(13, "Permission denied")

    given = ("--format", "markdown", "--readme", str(readme))
    assert rendered(tmp_path, "out", *given) == 0
    readme.write_text(f"{BEGIN}\n{END}\n")
    replace = rendering.Path.replace
    monkeypatch.setattr(
        rendering.Path,
        "replace",
        lambda one, to: stuck(one, to) if to.name == "README.md" else replace(one, to),
    )
    assert rendered(tmp_path, "out", *given) == 4
    assert "README.md: Permission denied; it is as it was" in capsys.readouterr().err
    assert readme.read_text() == f"{BEGIN}\n{END}\n"
    assert list(tmp_path.glob(".readme*")) == []


def test_a_readme_is_left_alone_when_the_site_cannot_be_written(tmp_path):
    (tmp_path / "site").write_text("mine")
    readme = tmp_path / "README.md"
    readme.write_text(f"{BEGIN}\n{END}\n")
    assert rendered(tmp_path, "site", "--readme", str(readme)) == 4
    assert readme.read_text() == f"{BEGIN}\n{END}\n"
