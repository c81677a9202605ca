from __future__ import annotations

import json

import pytest

from harness.cli_leaderboard import main
from tests.harness.git.clone_builder import TRACK, CloneBuilder, package

HEAD = "## Leaderboard\n\n| Run | Score | Author | Summary | Date | Info |\n|---|---|---|---|---|---|\n"


def submission(folder, score):
    return package(f"{TRACK}/{folder}", folder, json=json.dumps({"name": folder, "val_bpb": score}))


def shown(folder, score):
    return f"| {folder} | {score} | Ada | words | 2026-04-09 | [info]({TRACK}/{folder}/README.md) |\n"


@pytest.fixture
def clone(tmp_path):
    builder = CloneBuilder(tmp_path / "clone")
    table = shown("2026-03-20_First", 1.2) + "| Lost | 1.15 | Ada | words | 2026-04-09 | [#7](x/pull/7) |\n"
    first, aside = submission("2026-03-20_First", 1.2), submission("2026-03-21_Aside", 1.19)
    builder.commit({"README.md": HEAD + table, **first, **aside})
    builder.pull_request(7, submission("2026-04-01_Lost", 1.15))
    builder.pull_request(8, submission("2026-04-02_Open", 1.1))
    return builder


def steps(clone, tmp_path, capsys, *more):
    arguments = ("frontier", "--repo", str(clone.path), "--format", "json", "--quiet", *more)
    assert main([*arguments, "--cache-dir", str(tmp_path / "cache")]) == 0
    return {step["row"]["key"]: step for step in json.loads(capsys.readouterr().out)["steps"]}


def test_a_row_of_the_table_is_accepted_and_a_merged_folder_without_one_is_not(clone, tmp_path, capsys):
    found = steps(clone, tmp_path, capsys)
    assert found["2026-03-20_First"]["is_record"] is True
    assert found["2026-03-21_Aside"]["is_record"] is False


def test_a_row_of_the_table_without_a_folder_is_read_from_its_pull_request(clone, tmp_path, capsys):
    assert steps(clone, tmp_path, capsys)["#7"]["is_record"] is True


def test_open_pull_requests_join_when_asked(clone, tmp_path, capsys):
    assert "#8" not in steps(clone, tmp_path, capsys)
    assert steps(clone, tmp_path, capsys, "--all-prs")["#8"]["is_record"] is False


@pytest.mark.parametrize("form", ["text", "markdown", "json"])
def test_the_readmes_table_is_laid_beside_the_evidence(clone, tmp_path, capsys, form):
    arguments = ["agree", "--repo", str(clone.path), "--format", form, "--quiet"]
    assert main([*arguments, "--cache-dir", str(tmp_path / "cache")]) == 0
    out = capsys.readouterr().out
    assert "2026-03-20" in out
    assert "author: not stated by the submission" in out


def test_a_clone_whose_readme_has_no_table_is_told(clone, tmp_path, capsys):
    clone.commit({"README.md": "# nothing\n"})
    assert main(["agree", "--repo", str(clone.path), "--cache-dir", str(tmp_path / "cache")]) == 4
    assert "has no leaderboard table" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("what", "form", "said"),
    [
        ("p-values", "text", "#7 against #8: published p = 0.010"),
        ("p-values", "markdown", "| 0.010 |"),
        ("p-values", "json", '"published_p": 0.01'),
        ("chain", "text", "#7: rule and table"),
        ("chain", "markdown", "| yes | yes | 1.15000 |"),
        ("chain", "json", '"by_rule": true'),
    ],
)
def test_published_p_values_and_the_chain_are_laid_beside_the_table(
    clone, tmp_path, capsys, what, form, said
):
    lost = "| Lost | 1.15 | Ada | On PR #7 (p=0.010 vs PR #8) | 2026-04-09 | [#7](x/pull/7) |\n"
    clone.commit({"README.md": HEAD + shown("2026-03-20_First", 1.2) + lost})
    arguments = ["agree", "--repo", str(clone.path), "--what", what, "--pulls", "1-9", "--format", form]
    assert main([*arguments, "--quiet", "--cache-dir", str(tmp_path / "cache")]) == 0
    assert said in capsys.readouterr().out


@pytest.mark.parametrize("pulls", ["9-1", "x-3", "5", "1-2-3", "-"])
def test_a_range_of_pull_requests_that_is_none_is_a_usage_error(clone, capsys, pulls):
    with pytest.raises(SystemExit) as caught:
        main(["agree", "--repo", str(clone.path), "--what", "chain", f"--pulls={pulls}"])
    assert caught.value.code == 2
    assert "such as 1494-1908" in capsys.readouterr().err


def test_a_pull_request_that_names_its_folder_like_an_accepted_one_is_not_accepted(clone, tmp_path, capsys):
    clone.pull_request(9, submission("2026-03-20_First", 0.9))
    twin = steps(clone, tmp_path, capsys, "--all-prs")["#9"]
    assert twin["row"]["folder"] == f"{TRACK}/2026-03-20_First"
    assert (twin["row"]["ruling"], twin["is_record"]) == (None, False)
