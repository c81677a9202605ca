"""What people and files can get wrong, one line of the list each: the board says so and stays whole."""

from __future__ import annotations

import json

import pytest

from harness.cli_leaderboard import main
from harness.leaderboard.readme_table import BEGIN, END
from tests.harness.leaderboard.board_samples import report

HOSTILE = [
    "**bold** [x](javascript:alert(1)) `code`",
    "<img src=x onerror=alert(1)>",
    "</script><script>alert(1)</script>",
    "a | b || c",
    "\x1b[31mred\x1b[0m\x07",
    "\u202egnp.exe\u2066\u200b",
]
MARKUP = ("<img src=x", "<script>alert", "](javascript", "**bold")
HIDDEN = ("\x1b", "\x07", "\u202e", "\u2066", "\u200b")
FORBIDDEN = (*MARKUP, *HIDDEN)


def seeded(number, *scores, **submission):
    """A report about #number with a logged score for each seed."""
    document = report(pr=number, entry=f"records/track/{number}", claimed_val_bpb=None, **submission)
    sample = document["measured"]["per_seed"]["1"]
    document["measured"]["per_seed"] = {
        str(seed): {**sample, "seed": seed, "val_bpb": score, "val_loss": None, "log": f"s{seed}.log"}
        for seed, score in enumerate(scores)
    }
    document["rules_checked"] = {"artifact-cap": "PASS"}
    document["essential"] = ["artifact-cap"]
    return document


def written(tmp_path, *documents):
    path = tmp_path / "verdicts.jsonl"
    path.write_text("".join(json.dumps(document) + "\n" for document in documents))
    return str(path)


def chain(tmp_path, capsys, *documents):
    """The steps of a board of these reports, and what was said on standard error."""
    assert main(["frontier", "--reports", written(tmp_path, *documents), "--format", "json"]) == 0
    out, err = capsys.readouterr()
    return json.loads(out)["steps"], err


@pytest.fixture(scope="module")
def hostile_site(tmp_path_factory):
    """A site, README table and plots of rows whose every text is hostile."""
    folder = tmp_path_factory.mktemp("hostile")
    documents = []
    for number, text in enumerate(HOSTILE, start=1):
        words = {"name": text, "author": text, "github_id": text, "date": text}
        document = seeded(number, 1.2 - number / 100, 1.2001 - number / 100, **words)
        place = {"file": text, "line": 1, "note": text, "excerpt": text}
        said = {"rule": "artifact-cap", "verdict": "INFO", "message": text, "ask": text, "places": [place]}
        document["findings"] = [said | {"authority": [text]}]
        documents.append(document)
    readme, curation = folder / "README.md", folder / "board.toml"
    readme.write_text(f"{BEGIN}\n{END}\n")
    rulings = (
        f'[[ruling]]\npr = {number}\noutcome = "accepted"\nwhy = {json.dumps(text)}\n'
        f"by = {json.dumps(text)}\non = 2026-04-29\n"
        for number, text in enumerate(HOSTILE[:4], start=1)
    )
    curation.write_text("".join(rulings))
    given = ["--reports", written(folder, *documents), "--curation", str(curation), "--quiet"]
    assert main(["render", *given, "--out", str(folder / "site"), "--readme", str(readme)]) == 0
    return folder


def test_hostile_texts_become_text_on_every_page(hostile_site):
    for page in hostile_site.rglob("*.html"):
        text = page.read_text(encoding="utf-8")
        assert [
            mark for mark in FORBIDDEN if mark in text and mark not in ("](javascript", "**bold")
        ] == [], page


def test_hostile_texts_stay_in_their_cells_of_the_readme(hostile_site):
    text = (hostile_site / "README.md").read_text(encoding="utf-8")
    assert [mark for mark in FORBIDDEN if mark in text] == []
    assert {line.count("|") - line.count("\\|") for line in text.splitlines() if line.startswith("|")} == {7}


def test_hostile_texts_cannot_end_the_data_script(hostile_site):
    text = (hostile_site / "site" / "assets" / "rows.js").read_text(encoding="utf-8")
    assert "</" not in text
    assert text.isascii()


@pytest.mark.parametrize("form", ["text", "markdown", "json"])
@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_texts_cannot_act_on_a_terminal_or_a_comment(tmp_path, capsys, text, form):
    path = written(tmp_path, seeded(5, 1.2, 1.1, name=text, author=text))
    assert main(["frontier", "--reports", path, "--format", form]) == 0
    out = capsys.readouterr().out
    marks = FORBIDDEN if form == "markdown" else HIDDEN
    assert [mark for mark in marks if mark in out] == []


def test_missing_values_are_unknown_and_not_guessed(tmp_path, capsys):
    empty = seeded(5, name=None, author=None, github_id=None, date=None)
    ((step,), _) = chain(tmp_path, capsys, empty)
    assert (step["status"], step["reason"]) == ("outside", "no score is known")
    assert step["row"]["author"] is step["row"]["date"] is step["row"]["mean_val_bpb"] is None


def test_a_claim_that_contradicts_the_logs_is_told_and_does_not_count(tmp_path, capsys):
    lying = seeded(5, 1.2, 1.3)
    lying["submission"]["claimed_val_bpb"] = 0.9
    ((step,), _) = chain(tmp_path, capsys, lying)
    assert step["row"]["mean_val_bpb"] == 1.25
    assert step["row"]["notes"] == ["submission.json claims 0.9, the mean of 2 logged is 1.250000"]


@pytest.mark.parametrize("score", [float("nan"), float("inf"), -1.0, 0.0, 1e-9, 1e300, True, "1.1"])
def test_a_score_that_no_model_has_is_left_out_and_told(tmp_path, capsys, score):
    ((step,), _) = chain(tmp_path, capsys, seeded(5, 1.2, score))
    assert [one["val_bpb"] for one in step["row"]["scores"]] == [1.2]
    assert "is left out" in step["row"]["notes"][0]


@pytest.mark.parametrize("value", [float("nan"), -5, "x", 1e400])
def test_absurd_seconds_losses_and_bytes_are_unknown(tmp_path, capsys, value):
    odd = seeded(5, 1.2)
    odd["measured"]["per_seed"]["0"] |= dict.fromkeys(
        ("val_loss", "train_seconds", "eval_seconds", "total_bytes", "line"), value
    )
    ((step,), _) = chain(tmp_path, capsys, odd)
    (one,) = step["row"]["scores"]
    assert [one[name] for name in ("val_loss", "train_seconds", "eval_seconds", "total_bytes")] == [None] * 4


@pytest.mark.parametrize(("name", "value"), [("pr", "5"), ("pr", -1), ("track", 7), ("entry", 3)])
def test_a_report_of_wrong_types_is_refused_with_its_number(tmp_path, capsys, name, value):
    wrong = seeded(5, 1.2)
    wrong["submission"][name] = value
    assert main(["frontier", "--reports", written(tmp_path, seeded(4, 1.3), wrong)]) == 4
    assert "report 2: not a golf-check report" in capsys.readouterr().err


def test_two_rows_of_one_pull_request_are_told_apart_by_folder(tmp_path, capsys):
    twin = seeded(5, 1.1, 1.1001)
    twin["submission"]["entry"] = "records/track/other"
    steps, _ = chain(tmp_path, capsys, seeded(5, 1.2, 1.2001), twin)
    assert [step["row"]["key"] for step in steps] == ["#5 5", "#5 other"]
    assert [step["against"] for step in steps] == [None, None]


def test_two_reports_about_one_submission_are_one_row_and_told(tmp_path, capsys):
    (step,), err = chain(tmp_path, capsys, seeded(5, 1.2), seeded(5, 1.1))
    assert step["row"]["mean_val_bpb"] == 1.1
    assert "1 report about a submission that a later one repeats" in err


def test_of_equal_means_the_earlier_pull_request_holds_the_record(tmp_path, capsys):
    steps, _ = chain(tmp_path, capsys, seeded(7, 1.1, 1.2), seeded(5, 1.1, 1.2))
    assert [(step["row"]["pr"], step["is_record"]) for step in steps] == [(5, True), (7, False)]
    assert steps[1]["reason"] == "its mean equals that of #5"


def test_one_seed_waits_for_a_person_and_two_are_tested(tmp_path, capsys):
    steps, _ = chain(
        tmp_path, capsys, seeded(1500, 1.2, 1.2001), seeded(1501, 1.1), seeded(1502, 1.15, 1.1501)
    )
    assert [step["status"] for step in steps] == ["first", "needs-human", "entered"]
    assert "1 run: no variance" in steps[1]["reason"]


def test_seeds_without_any_spread_cannot_be_tested(tmp_path, capsys):
    steps, _ = chain(tmp_path, capsys, seeded(1500, 1.2, 1.2, 1.2), seeded(1501, 1.1, 1.1, 1.1))
    assert steps[1]["status"] == "needs-human"
    assert "no variance to test with" in steps[1]["reason"]


def test_a_submission_of_a_thousand_logs_gets_a_page_of_some(tmp_path):
    many = written(tmp_path, seeded(5, *(1.2 + seed / 1e5 for seed in range(1_000))))
    assert main(["render", "--reports", many, "--out", str(tmp_path / "site"), "--quiet"]) == 0
    text = (tmp_path / "site" / "submissions" / "pr-5.html").read_text(encoding="utf-8")
    assert text.count("<tr>") == 1 + 60
    assert "940 more runs are in" in text


@pytest.mark.parametrize(
    "text", ["# Words\n", f"{BEGIN}\n", f"{END}\n{BEGIN}\n", f"{BEGIN}\n{BEGIN}\n{END}\n"]
)
def test_a_readme_with_broken_markers_is_untouched(tmp_path, capsys, text):
    readme = tmp_path / "README.md"
    readme.write_text(text)
    given = ["--reports", written(tmp_path, seeded(5, 1.2)), "--out", str(tmp_path / "site")]
    assert main(["render", *given, "--readme", str(readme)]) == 4
    assert readme.read_text() == text
    assert "once each and in this order" in capsys.readouterr().err


def test_a_folder_that_cannot_be_made_is_told_with_what_to_do(tmp_path, capsys):
    (tmp_path / "file").write_text("mine")
    given = ["--reports", written(tmp_path, seeded(5, 1.2)), "--out", str(tmp_path / "file" / "site")]
    assert main(["render", *given]) == 4
    assert "choose another --out" in capsys.readouterr().err
    assert (tmp_path / "file").read_text() == "mine"


def test_a_site_that_cannot_be_swapped_in_leaves_the_old_one_whole(tmp_path, capsys, monkeypatch):
    from harness.leaderboard.site import site_writer

    given = ["--reports", written(tmp_path, seeded(5, 1.2)), "--out", str(tmp_path / "site"), "--quiet"]
    assert main(["render", *given]) == 0
    before = {path: path.read_bytes() for path in (tmp_path / "site").rglob("*") if path.is_file()}
    rename = site_writer.Path.rename

    def stuck(path, target):
        if path.name.startswith(".site-") and target.name == "site":
            raise PermissionError(13, "Permission denied")
        return rename(path, target)

    monkeypatch.setattr(site_writer.Path, "rename", stuck)
    assert main(["render", *given]) == 4
    assert "what was there is as it was" in capsys.readouterr().err
    assert {path: path.read_bytes() for path in (tmp_path / "site").rglob("*") if path.is_file()} == before
