from __future__ import annotations

import json

import pytest

from harness.cli_leaderboard import main
from tests.harness.git.clone_builder import TRACK, CloneBuilder, package

HEAD = "## Leaderboard\n\n| Run | Score | Author | Summary | Date | Info |\n|---|---|---|---|---|---|\n"
LOG = "".join(f"step:{step}/90 train_loss:{9 - step / 20} train_time:{step}ms\n" for step in range(1, 90))


def submission(folder, score):
    files = package(f"{TRACK}/{folder}", folder, json=json.dumps({"name": folder, "val_bpb": score}))
    printed = (
        f"seed:7\n{LOG}final_int8_zlib_roundtrip_exact val_loss:{score * 2.583:.8f} val_bpb:{score:.8f}\n"
    )
    return {**files, f"{TRACK}/{folder}/train_seed7.log": printed}


@pytest.fixture
def clone(tmp_path):
    builder = CloneBuilder(tmp_path / "clone")
    table = f"| First | 1.2 | Ada | words | 2026-04-09 | [info]({TRACK}/2026-03-20_First/README.md) |\n"
    builder.commit({"README.md": HEAD + table, **submission("2026-03-20_First", 1.2)})
    builder.pull_request(8, submission("2026-04-02_Open", 1.1))
    return builder


@pytest.fixture
def reports(clone, tmp_path, capsys):
    """Reports of main and of #8, as golf-check writes them."""
    from harness.cli_check import main as golf_check

    lines = ""
    for what in (["--records", "main"], ["--pr", "8"]):
        golf_check(["--repo", str(clone.path), *what, "--format", "jsonl", "--no-cache", "--quiet"])
        lines += capsys.readouterr().out
    path = tmp_path / "verdicts.jsonl"
    path.write_text(lines)
    return path


def frontier(clone, capsys, *more):
    assert main(["frontier", "--repo", str(clone.path), "--format", "json", "--quiet", *more]) == 0
    return {step["row"]["key"]: step["row"] for step in json.loads(capsys.readouterr().out)["steps"]}


def test_reports_of_the_same_commit_stand_in_for_judging(clone, reports, capsys, monkeypatch):
    def judged_again(*_, **__):
        raise AssertionError("judged although a report is there")

    monkeypatch.setattr("harness.batch.judge_all", judged_again)
    found = frontier(clone, capsys, "--reports", str(reports), "--all-prs")
    assert {key: row["ruling"] is not None for key, row in found.items()} == {
        "2026-03-20_First": True,
        "#8": False,
    }


def test_a_report_of_an_older_head_is_left_out_and_counted(clone, reports, capsys):
    clone.pull_request(8, submission("2026-04-02_Open", 1.05))
    assert main(["frontier", "--repo", str(clone.path), "--reports", str(reports), "--no-cache"]) == 0
    out, err = capsys.readouterr()
    assert "1 report of older commits" in err
    assert "#8" not in out


def test_a_submissions_page_draws_the_curve_of_the_log_in_the_clone(clone, reports, tmp_path):
    out = tmp_path / "site"
    given = ["render", "--repo", str(clone.path), "--reports", str(reports), "--out", str(out), "--quiet"]
    assert main(given) == 0
    data = (out / "submissions" / "pr-8.js").read_text()
    assert data.startswith('window.GOLF_CURVES=[{"name":"seed 7","train":[[1,8.95],')
    page = (out / "submissions" / "pr-8.html").read_text()
    assert 'src="pr-8.js"' in page
    assert "training loss 8.950 at step 1, 4.550 at step 89" in page
