"""golf-check as a user calls it."""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from harness.cli_check import main
from tests.builders import good_files, write_files

SUBMISSIONS = Path(__file__).parents[2] / "submissions"
ILLEGAL = SUBMISSIONS / "illegal/records/track_10min_16mb/2026-04-20_BorrowedBytes"
LEGAL = SUBMISSIONS / "legal/records/track_10min_16mb/2026-04-20_OwnBytes"
BATCH = [
    str(SUBMISSIONS / "illegal"),
    str(SUBMISSIONS / "legal"),
]


@pytest.fixture(autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("GOLF_CACHE_DIR", str(tmp_path_factory.mktemp("cache")))


def checked(capsys: pytest.CaptureFixture[str], *arguments: str | Path) -> tuple[int, dict]:
    """Exit status and the JSON document."""
    status = main([*map(str, arguments), "--format", "json"])
    return status, json.loads(capsys.readouterr().out)


def wait_until_written(path: Path, seconds: float = 60.0) -> None:
    """Return once the file has content."""
    deadline = time.monotonic() + seconds
    while not (path.exists() and path.stat().st_size) and time.monotonic() < deadline:
        time.sleep(0.05)


def test_the_illegal_example_is_rejected_for_the_bytes_of_another_run(capsys: pytest.CaptureFixture[str]):
    status, document = checked(capsys, ILLEGAL)
    failed = [finding for finding in document["findings"] if finding["verdict"] == "FAIL"]
    assert status == 1
    assert document["verdict"] == "reject"
    assert [finding["rule"] for finding in failed] == ["artifact-cap"]
    assert (failed[0]["places"][0]["file"], failed[0]["places"][0]["line"]) == ("train_seed13.log", 29)


def test_its_legal_twin_has_no_fail_and_no_question_but_is_not_called_legal(
    capsys: pytest.CaptureFixture[str],
):
    status, document = checked(capsys, LEGAL)
    verdicts = {finding["verdict"] for finding in document["findings"]}
    assert status == 3
    assert document["verdict"] == "incomplete"
    assert not verdicts & {"FAIL", "NEEDS-HUMAN"}
    assert document["rules_checked"]["c1-causal"] == "NOT-CHECKED"


def test_every_rule_of_the_catalogue_has_an_outcome_in_every_verdict(capsys: pytest.CaptureFixture[str]):
    from harness.ruleset import load_ruleset

    _, document = checked(capsys, LEGAL)
    assert set(document["rules_checked"]) == set(load_ruleset().rules)


def test_exit_zero_on_review_accepts_missing_evidence(capsys: pytest.CaptureFixture[str]):
    status, _ = checked(capsys, LEGAL, "--exit-zero-on-review")
    assert status == 0


def test_an_ignored_rule_is_not_checked_rather_than_passed(capsys: pytest.CaptureFixture[str]):
    status, document = checked(capsys, ILLEGAL, "--ignore", "artifact-cap")
    assert document["rules_checked"]["artifact-cap"] == "NOT-CHECKED"
    assert status == 3


def test_a_selected_rule_is_the_only_one_checked(capsys: pytest.CaptureFixture[str]):
    _, document = checked(capsys, ILLEGAL, "--select", "seeds-three")
    spoken = {rule for rule, outcome in document["rules_checked"].items() if outcome in {"PASS", "FAIL"}}
    assert spoken == {"seeds-three"}


def test_an_unknown_rule_is_a_usage_error_with_the_nearest_name(capsys: pytest.CaptureFixture[str]):
    with pytest.raises(SystemExit) as stop:
        main([str(LEGAL), "--select", "artefact-cap"])
    assert stop.value.code == 2
    assert "did you mean artifact-cap?" in capsys.readouterr().err


def test_nothing_to_judge_is_a_usage_error(capsys: pytest.CaptureFixture[str]):
    with pytest.raises(SystemExit) as stop:
        main([])
    assert stop.value.code == 2
    assert "name a submission folder" in capsys.readouterr().err


def test_two_ways_of_naming_submissions_are_a_usage_error(capsys: pytest.CaptureFixture[str]):
    with pytest.raises(SystemExit) as stop:
        main(["--repo", ".", "--pr", "1", "--all-prs"])
    assert stop.value.code == 2
    assert "--pr and --all-prs cannot be combined" in capsys.readouterr().err


def test_a_pull_request_without_a_clone_is_a_usage_error(capsys: pytest.CaptureFixture[str]):
    with pytest.raises(SystemExit) as stop:
        main(["--pr", "12"])
    assert stop.value.code == 2
    assert "--pr needs --repo DIR" in capsys.readouterr().err


def test_a_missing_folder_exits_4_and_names_it(capsys: pytest.CaptureFixture[str], tmp_path: Path):
    assert main([str(tmp_path / "nowhere")]) == 4
    assert "nowhere" in capsys.readouterr().err


def test_a_folder_of_submissions_is_a_batch_that_does_not_fail(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
):
    shutil.copytree(SUBMISSIONS / "illegal", tmp_path / "illegal")
    shutil.copytree(SUBMISSIONS / "legal", tmp_path / "legal")
    assert main([str(tmp_path), "--quiet"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == ["REJECT", "INCOMPLETE"]


def test_a_batch_fails_under_fail_on_fail(capsys: pytest.CaptureFixture[str]):
    assert main([*BATCH, "--quiet", "--fail-on", "fail"]) == 1


def test_two_named_folders_fail_like_one(capsys: pytest.CaptureFixture[str]):
    assert main([str(LEGAL), str(ILLEGAL), "--quiet", "--format", "concise"]) == 1


def test_jsonl_holds_one_document_a_line(capsys: pytest.CaptureFixture[str]):
    main([*BATCH, "--quiet", "--format", "jsonl"])
    documents = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [document["verdict"] for document in documents] == ["reject", "incomplete"]


def test_a_second_run_gives_the_same_results_from_the_cache(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    main([*BATCH, "--quiet", "--format", "jsonl"])
    first = capsys.readouterr().out
    monkeypatch.setattr("harness.batch.run_tasks", lambda tasks, *_, **__: iter(() if not tasks else 1 / 0))
    main([*BATCH, "--quiet", "--format", "jsonl"])
    assert capsys.readouterr().out == first


def test_an_edited_file_is_judged_afresh(capsys: pytest.CaptureFixture[str], tmp_path: Path):
    one = write_files(tmp_path, good_files())
    write_files(tmp_path, good_files(), "records/track_10min_16mb/2026-04-02_Other")
    main([str(tmp_path), "--quiet", "--format", "jsonl"])
    capsys.readouterr()
    (one / "submission.json").write_text("{}")
    main([str(tmp_path), "--quiet", "--format", "jsonl"])
    edited = json.loads(capsys.readouterr().out.splitlines()[0])
    assert edited["rules_checked"]["submission-json"] == "FAIL"


def test_output_is_written_to_a_file_and_nothing_to_the_terminal(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
):
    main([str(LEGAL), "--format", "json", "--output", str(tmp_path / "out.json")])
    assert json.loads((tmp_path / "out.json").read_text())["verdict"] == "incomplete"
    assert capsys.readouterr().out == ""


def test_an_output_that_cannot_be_written_exits_4_and_says_so(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
):
    assert main([str(LEGAL), "--output", str(tmp_path / "missing" / "out.json")]) == 4
    assert "cannot write --output" in capsys.readouterr().err


@pytest.mark.parametrize("status", ["0", "1", "2", "3", "4", "70", "130"])
def test_help_names_every_exit_status(capsys: pytest.CaptureFixture[str], status: str):
    with pytest.raises(SystemExit):
        main(["--help"])
    assert f"\n  {status:<5}" in capsys.readouterr().out


def test_help_and_explain_import_nothing_heavy():
    code = (
        "import sys\nfrom harness.cli_check import main\n"
        "main(['--explain', 'artifact-cap'])\n"
        "heavy = {'torch', 'scipy', 'numpy', 'git', 'rich', 'zstandard', 'brotli'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_explaining_an_unknown_rule_says_where_the_list_is(capsys: pytest.CaptureFixture[str]):
    with pytest.raises(SystemExit) as stop:
        main(["--explain", "no-such-rule"])
    assert stop.value.code == 2
    assert "--list-rules" in capsys.readouterr().err


def test_list_rules_shows_every_rule(capsys: pytest.CaptureFixture[str]):
    from harness.ruleset import load_ruleset

    main(["--list-rules"])
    shown = capsys.readouterr().out
    assert [rule for rule in load_ruleset().rules if rule not in shown] == []


def test_another_challenge_changes_a_limit_by_editing_data_only(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
):
    import shutil

    from harness.ruleset import RULES_DIR

    shutil.copytree(RULES_DIR, tmp_path / "rules")
    limits = tmp_path / "rules" / "limits.toml"
    limits.write_text(limits.read_text().replace("cap_bytes = 16_000_000", "cap_bytes = 15_900_000"))
    _, document = checked(capsys, LEGAL, "--rules-dir", tmp_path / "rules")
    assert document["rules_checked"]["artifact-cap"] == "FAIL"


def write_many(root: Path, count: int) -> None:
    """That many good submissions, one folder each."""
    for number in range(count):
        write_files(root, good_files(), f"records/track_10min_16mb/2026-04-{number:02}_Run")


def test_ctrl_c_in_a_batch_exits_130_and_keeps_what_was_judged(tmp_path: Path):
    write_many(tmp_path / "many", 40)
    output = tmp_path / "out.jsonl"
    command = [sys.executable, "-m", "harness.cli_check", str(tmp_path / "many")]
    batch = subprocess.Popen(
        [*command, "--format", "jsonl", "--output", str(output), "--cache-dir", str(tmp_path / "cache")],
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    wait_until_written(output)
    os.kill(batch.pid, 2)
    _, errors = batch.communicate(timeout=60)
    rows = [json.loads(line) for line in output.read_text().splitlines()]
    assert batch.returncode == 130
    assert "Traceback" not in errors
    assert 0 < len(rows) < 40


def test_a_full_disk_behind_the_output_exits_4_without_a_traceback():
    command = [sys.executable, "-m", "harness.cli_check", "--no-cache", "--format", "json", str(LEGAL)]
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert done.returncode == 4
    assert done.stderr.strip() == "golf-check: cannot write the output: No space left on device"


def test_a_closed_standard_output_leaves_the_exit_status():
    command = f'"{sys.executable}" -m harness.cli_check --no-cache "{ILLEGAL}" >&-'
    done = subprocess.run(["/bin/sh", "-c", command], stderr=subprocess.PIPE, text=True, check=False)
    assert (done.returncode, done.stderr) == (1, "")


def test_settings_of_runs_without_dynamic_are_a_usage_error(capsys: pytest.CaptureFixture[str]):
    with pytest.raises(SystemExit) as stopped:
        main(["--dynamic-thorough", "--dynamic-seconds", "20", str(LEGAL)])
    assert stopped.value.code == 2
    assert "--dynamic-thorough and --dynamic-seconds are about runs: add --dynamic" in capsys.readouterr().err


def test_dynamic_without_torch_says_what_to_install(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "torch" else find(name))
    assert main(["--dynamic", str(LEGAL)]) == 4
    assert "torch is not installed here; run: pip install 'golf-harness[model]'" in capsys.readouterr().err
