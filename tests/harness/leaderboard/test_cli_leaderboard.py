from __future__ import annotations

import json

import jsonschema
import pytest

from harness.cli_leaderboard import main
from harness.leaderboard.board_json import SCHEMA_PATH
from tests.harness.leaderboard.board_samples import report


@pytest.fixture
def reports(tmp_path):
    path = tmp_path / "verdicts.jsonl"
    second = report(pr=1500, name="Other")
    path.write_text(json.dumps(report()) + "\n" + json.dumps(second) + "\n")
    return str(path)


def test_scores_given_on_the_command_line_need_no_board(capsys):
    assert main(["compare", "1.0607,1.0609", "1.0611,1.0613", "--format", "json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert (document["new"], document["old"]) == ([1.0607, 1.0609], [1.0611, 1.0613])
    assert document["gain_bpb"] == pytest.approx(4e-4)


def test_a_comparison_shows_every_score_with_its_place(capsys, reports):
    assert main(["compare", "1500", "#1493", "--reports", reports]) == 0
    out = capsys.readouterr().out
    assert "1.06100000 (seed 1, train_seed1.log:10)" in out
    assert "any gain, one-sided Welch: p = 0.5 " in out


def test_a_row_that_is_not_there_is_a_usage_error_with_those_near_it(capsys, reports):
    with pytest.raises(SystemExit) as caught:
        main(["compare", "1501", "#1493", "--reports", reports])
    assert caught.value.code == 2
    assert "no row of this board is named '1501'" in capsys.readouterr().err


@pytest.mark.parametrize("absurd", ["-1.0,1.0", "99.0"])
def test_a_score_that_cannot_be_is_a_usage_error(capsys, absurd):
    with pytest.raises(SystemExit) as caught:
        main(["compare", absurd.replace("-", " -"), "1.0"])
    assert caught.value.code == 2


def test_a_board_needs_a_source(capsys):
    with pytest.raises(SystemExit) as caught:
        main(["frontier"])
    assert caught.value.code == 2
    assert "--repo DIR, --reports FILE or --runs DIR" in capsys.readouterr().err


def test_a_missing_file_of_reports_exits_with_4(capsys, tmp_path):
    assert main(["frontier", "--reports", str(tmp_path / "none.jsonl")]) == 4
    assert "none.jsonl" in capsys.readouterr().err


@pytest.mark.parametrize("form", ["text", "markdown", "json"])
def test_the_chain_prints_in_every_format(capsys, reports, form):
    assert main(["frontier", "--reports", reports, "--format", form]) == 0
    assert "1.061" in capsys.readouterr().out


def test_a_hostile_name_cannot_act_on_a_terminal(capsys, tmp_path):
    path = tmp_path / "verdicts.jsonl"
    path.write_text(json.dumps(report(name="\x1b[2Jgone\u202e")) + "\n")
    assert main(["frontier", "--reports", str(path)]) == 0
    out = capsys.readouterr().out
    assert "\x1b" not in out
    assert "\u202e" not in out


def test_the_board_as_json_fits_its_published_schema(capsys, tmp_path, reports):
    curation = tmp_path / "leaderboard.toml"
    signed = 'by = "Ada"\non = 2026-04-29\n'
    curation.write_text(
        f'[[ruling]]\npr = 1493\noutcome = "accepted"\nwhy = "fine"\n{signed}'
        f'[[ruling]]\npr = 1500\noutcome = "accepted"\nwhy = "fine"\n{signed}'
        f'[[reproduction]]\npr = 1500\nscores = [1.06]\nsource = "#9"\n{signed}'
        f"[[time]]\npr = 1500\ncreated_at = 2026-04-20T10:00:00Z\n{signed}"
    )
    assert main(["frontier", "--reports", reports, "--curation", str(curation), "--format", "json"]) == 0
    document = json.loads(capsys.readouterr().out)
    jsonschema.validate(document, json.loads(SCHEMA_PATH.read_text(encoding="utf-8")))
    assert document["steps"][1]["comparison"]["new"] == [1.061, 1.0612]
    assert document["steps"][1]["with_reproductions"]["new"] == [1.061, 1.0612, 1.06]


def test_compare_gives_the_p_of_the_chain_with_reproduction_runs(tmp_path, capsys):
    path, curation = tmp_path / "verdicts.jsonl", tmp_path / "board.toml"
    known = {"essential": ["artifact-cap"]}
    path.write_text("".join(json.dumps(report(pr=pr) | known) + "\n" for pr in (1500, 1501)))
    curation.write_text(
        '[[reproduction]]\npr = 1501\nscores = [1.05]\nsource = "x"\nby = "Bo"\non = 2026-04-29\n'
    )
    given = ["--reports", str(path), "--curation", str(curation), "--quiet"]
    assert main(["frontier", *given, "--format", "json"]) == 0
    step = json.loads(capsys.readouterr().out)["steps"][1]
    assert main(["compare", "1501", "1500", *given, "--format", "json"]) == 0
    assert json.loads(capsys.readouterr().out)["with_reproductions"] == step["with_reproductions"]
    assert main(["compare", "1501", "1500", *given]) == 0
    out = capsys.readouterr().out
    assert "1 reproduction run by Bo on 2026-04-29: 1.05000000" in out
    assert "any gain, with reproduction runs (3 runs against 2): p = " in out


def test_compare_without_reproduction_runs_speaks_of_none(capsys):
    assert main(["compare", "1.0611,1.0608", "1.0613"]) == 0
    out = capsys.readouterr().out
    assert "reproduction" not in out
    assert "any gain, B's single run taken as exact: p = " in out
