from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from harness import cli_check, cli_run
from harness.cli_run import build_parser, main
from harness.errors import SetupError
from harness.executors.choose import EXECUTOR_NAMES
from harness.folder_tree import FolderTree
from harness.runs import seed_series
from harness.runs.record_store import read_record
from harness.runs.run_plan import USUAL_SEEDS, RunRequest
from harness.runs.run_summary import RunSummary
from harness.runs.seed_series import Series
from harness.sandbox.choose import SANDBOX_NAMES
from harness.submission_reader import read_submission
from tests.harness.runs.toy_runs import SCRIPT, toy_data, toy_submission

MANUAL = Path(__file__).parents[2] / "docs" / "golf-run.md"
needs_linux = pytest.mark.skipif(
    not sys.platform.startswith("linux") or importlib.util.find_spec("inotify_simple") is None,
    reason="golf-run runs on Linux with the extra run",
)
pytestmark = needs_linux


def golf_run(tmp_path: Path, *more: str, script: str = SCRIPT, seeds: str = "13 14") -> int:
    """golf-run of a toy submission that is made when it is not there; no sandbox, for its speed."""
    folder = tmp_path / "toy"
    if not folder.exists():
        toy_submission(tmp_path, script)
        toy_data(tmp_path)
    asked = ["--data", str(tmp_path / "data"), "--out", str(tmp_path / "runs"), "--sandbox", "none"]
    return main([str(folder), *asked, "--seeds", *seeds.split(), *more])


def json_of(capsys: pytest.CaptureFixture[str]) -> Any:
    return json.loads(capsys.readouterr().out)


def test_two_seeds_give_a_table_a_mean_and_a_submission_folder(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert golf_run(tmp_path) == 3  # the script's word is no measured score
    said = capsys.readouterr()
    assert "mean val_bpb 1.20001350 over 2 seeds, sample standard deviation 0.00000071" in said.out
    assert "these are scores the script printed; none was measured" in said.out
    for number, name in enumerate(("machine check", "clean copy", "sandbox", "training"), 1):
        assert f"seed 13 (1 of 2)  {number} {name}" in said.err
    assert (tmp_path / "runs" / "toy" / "13" / "run.json").is_file()
    (package,) = (tmp_path / "runs" / "toy" / "package" / "records").glob("*/*")
    assert {path.name for path in package.iterdir()} == {
        "train_gpt.py", "README.md", "submission.json", "train_seed13.log", "train_seed14.log",
    }  # fmt: skip


def test_a_finished_seed_is_found_and_not_run_again(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    golf_run(tmp_path, seeds="13")
    before = read_record(tmp_path / "runs" / "toy" / "13" / "run.json")
    capsys.readouterr()
    golf_run(tmp_path, "--resume", "--format", "json")
    seeds = json_of(capsys)["seeds"]
    assert [(each["seed"], each["was_found"]) for each in seeds] == [(13, True), (14, False)]
    assert read_record(tmp_path / "runs" / "toy" / "13" / "run.json") == before


def test_again_runs_a_finished_seed_and_keeps_the_older_attempt(tmp_path: Path) -> None:
    golf_run(tmp_path, seeds="13")
    golf_run(tmp_path, "--again", seeds="13")
    record = read_record(tmp_path / "runs" / "toy" / "13" / "run.json")
    assert record is not None
    assert record.attempt == 2
    assert (tmp_path / "runs" / "toy" / "13" / "attempts" / "1" / "run.json").is_file()


def test_a_record_of_other_code_is_neither_shown_nor_replaced(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    golf_run(tmp_path, seeds="13")
    (tmp_path / "toy" / "train_gpt.py").write_text(SCRIPT + "\nprint('more')\n")
    assert golf_run(tmp_path, seeds="13") == 4
    assert "holds a finished run with other code" in capsys.readouterr().err


def test_a_failure_of_the_submission_exits_with_1_and_shows_the_end_of_its_log(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert golf_run(tmp_path, script="raise ValueError('my fault')", seeds="13") == 1
    said = capsys.readouterr()
    assert "ValueError: my fault" in said.err
    assert "(the submission's own failure)" in said.out
    assert "no submission folder: a seed is missing or has no score" in said.out


def test_what_a_log_prints_cannot_steer_the_terminal(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    golf_run(tmp_path, script="raise ValueError('\\x1b]0;title\\x07\\x1b[2J')", seeds="13")
    said = capsys.readouterr()
    assert "\x1b" not in said.err + said.out


def test_a_reference_is_compared_with_one_sided(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    golf_run(tmp_path, "--reference", "1.3,1.3001,1.3002")
    said = capsys.readouterr().out
    assert "against --reference (mean 1.30010000 of 3 scores): +0.10008650 bpb lower" in said
    assert "one-sided Welch test of a gain of at least" in said


def test_a_secret_seed_is_run_kept_and_counted_in_no_mean(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    golf_run(tmp_path, "--extra-seeds", "1", "--format", "json", seeds="13")
    first = json_of(capsys)
    (secret,) = [each["seed"] for each in first["seeds"] if each["is_secret"]]
    assert first["mean_val_bpb"] == pytest.approx(1.200013)
    golf_run(tmp_path, "--extra-seeds", "1", "--format", "json", seeds="13")
    again = json_of(capsys)
    assert [(each["seed"], each["was_found"]) for each in again["seeds"]] == [(13, True), (secret, True)]
    assert f"train_seed{secret}.log" not in {path.name for path in Path(first["package"]).iterdir()}


def test_settings_reach_the_script_and_stand_in_the_record(tmp_path: Path) -> None:
    script = "import os\nassert os.environ['WIDTH'] == '7'\n" + SCRIPT
    golf_run(tmp_path, "--env", "WIDTH=7", script=script, seeds="13")
    record = read_record(tmp_path / "runs" / "toy" / "13" / "run.json")
    assert record is not None
    assert (record.status.value, record.settings) == (
        "finished",
        {"OMP_NUM_THREADS": "1", "WIDTH": "7"},
    )


def test_the_written_folder_is_read_as_the_submission_it_is(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    golf_run(tmp_path, "--format", "json")
    submission = read_submission(FolderTree(tmp_path / json_of(capsys)["package"]))
    assert submission.json is not None
    assert submission.json.headline is not None
    assert submission.json.headline.value == pytest.approx(1.2000135)
    assert submission.code.entry is not None
    assert len(submission.logs) == 2


def test_a_run_elsewhere_than_on_the_track_s_machine_is_labelled(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    golf_run(tmp_path, "--time-scale", "2", seeds="13")
    said = capsys.readouterr().out
    assert "not record-eligible:" in said
    assert "time limits were multiplied by 2" in said


@pytest.mark.parametrize(
    ("more", "says"),
    [
        (["--seeds", "13", "13"], "names 13 more than once"),
        (["--env", "SEED=1"], "golf-run sets that one itself"),
        (["--env", "A=1", "--env", "A=2"], "--env A is given more than once"),
        (["--track", "moon"], "unknown track 'moon'"),
        (["--track", "record-10min-16mb"], "needs --data DIR"),
        (["--time-scale", "0"], "give a number above 0"),
        (["--resume", "--again"], "exclude each other"),
        (["--out", "toy/runs"], "lies inside the submission"),
        (["--executor-option", "speed=9"], "unknown option 'speed' of the local executor"),
        (["--seeds", "x"], "'x' is not a whole number"),
        (["--seeds", "1,2"], "put spaces between seeds, and SUBMISSION before --seeds"),
        (["--seeds", "13", "--seeds", "13"], "names 13 more than once"),
        (["--reference", ""], "--reference is an empty text"),
    ],
)
def test_what_cannot_be_asked_is_a_usage_error(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    more: list[str],
    says: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    folder = toy_submission(tmp_path)
    data = [] if "record-10min-16mb" in more else ["--data", str(toy_data(tmp_path))]
    seeds = [] if "--seeds" in more else ["--seeds", "13"]
    with pytest.raises(SystemExit) as ended:
        main([str(folder), "--out", str(tmp_path / "runs"), "--sandbox", "none", *data, *seeds, *more])
    assert ended.value.code == 2
    assert says in capsys.readouterr().err


@pytest.mark.parametrize("option", ["SUBMISSION", "--data", "--tokenizer", "--reference", "--out"])
def test_a_path_that_cannot_be_looked_at_is_an_error_of_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], option: str
) -> None:
    named = {
        "--data": str(toy_data(tmp_path)),
        "--out": str(tmp_path / "runs"),
        "SUBMISSION": str(toy_submission(tmp_path)),
    }
    named[option] = str(tmp_path / ("x" * 300))  # no folder has a name this long
    submission = named.pop("SUBMISSION")
    status = main([submission, "--seeds", "13", *(word for pair in named.items() for word in pair)])
    assert status == 4
    said = capsys.readouterr().err
    assert said.startswith("golf-run: ")
    assert "File name too long" in said
    assert "Traceback" not in said


def test_the_command_that_judges_the_folder_can_be_pasted() -> None:
    series = Series(summary=RunSummary(name="a b", track="smoke", results=()), package=Path("/runs/a b"))
    assert "golf-check '/runs/a b'\n" in series.as_text()


def test_help_loads_nothing_heavy() -> None:
    code = "import sys, harness.cli_run as c; c.build_parser().format_help(); print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not {"torch", "numpy", "rich", "scipy", "harness.runs.run_plan"} & set(done.stdout.split())


def test_the_choices_of_the_command_line_are_those_of_the_library() -> None:
    assert cli_run._SANDBOXES == SANDBOX_NAMES  # spelt out there, so that --help loads nothing
    assert cli_run._EXECUTORS == EXECUTOR_NAMES
    assert cli_run._USUAL_SEEDS == USUAL_SEEDS


@pytest.mark.parametrize(
    ("typed", "meant"),
    [([], USUAL_SEEDS), (["--seeds", "7"], (7,)), (["--seeds", "7", "--seeds", "8", "9"], (7, 8, 9))],
)
def test_all_seeds_that_were_named_are_run_and_the_usual_ones_without_any(
    monkeypatch: pytest.MonkeyPatch, typed: list[str], meant: tuple[int, ...]
) -> None:
    asked: list[RunRequest] = []

    def refuse(request: RunRequest, options: object) -> None:
        asked.append(request)
        raise SetupError("not today")

    monkeypatch.setattr(seed_series, "run_series", refuse)
    assert main(typed) == 4
    assert asked[0].seeds == meant


def test_the_manual_shows_the_help_as_it_is() -> None:
    assert f"```\n$ golf-run --help\n{build_parser().format_help()}```" in MANUAL.read_text(encoding="utf-8")


def test_golf_check_finds_nothing_wrong_in_the_written_folder(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    golf_run(tmp_path, "--format", "json")
    package = json_of(capsys)["package"]
    cli_check.main([package, "--format", "json", "--no-cache", "--quiet"])
    report = json_of(capsys)
    assert report["verdict"] == "incomplete"
    assert "FAIL" not in report["rules_checked"].values()
    assert report["measured"]["per_seed"]["13"]["val_bpb"] == pytest.approx(1.200013)
