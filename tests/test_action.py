"""The GitHub Action and the pre-commit hook as data: what a runner would refuse or an attacker could use."""

from __future__ import annotations

import os
import re
import shutil
import stat
import subprocess
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[1]
STEPS = yaml.safe_load((ROOT / "action.yml").read_text(encoding="utf-8"))["runs"]["steps"]
SCRIPTS = [step["run"] for step in STEPS if "run" in step]


def test_no_script_of_the_action_is_built_from_an_expression():
    assert [script for script in SCRIPTS if "${{" in script] == []


def test_only_the_step_that_comments_holds_a_token():
    holders = [step["name"] for step in STEPS if "TOKEN" in str(step.get("env", {}))]
    assert holders == ["Comment"]


def test_no_step_checks_the_pull_request_out():
    assert not any(re.search(r"\bgit (checkout|switch|merge|pull)\b", script) for script in SCRIPTS)
    assert not any("checkout" in step.get("uses", "") for step in STEPS)


def test_every_option_of_golf_check_that_the_action_uses_exists():
    from harness.cli_check import build_parser

    known = {option for action in build_parser()._actions for option in action.option_strings}
    used = {option for script in SCRIPTS for option in re.findall(r"(?<!\S)--[a-z-]+", script)}
    others = {"--quiet", "--paginate", "--jq", "--silent", "--method", "--field"}  # of pip and gh
    assert used - others <= known


def test_the_hook_runs_golf_check_on_files_of_submissions():
    (hook,) = yaml.safe_load((ROOT / ".pre-commit-hooks.yaml").read_text(encoding="utf-8"))
    assert hook["entry"].split()[0] == "golf-check"
    assert re.match(hook["files"], "records/track_10min_16mb/2026-04-01_MyRun/train_gpt.py")
    assert not re.match(hook["files"], "records/README.md")


BASH = shutil.which("bash")
needs_bash = pytest.mark.skipif(BASH is None, reason="the steps are scripts of bash")
# Stands in for golf-check: writes the report it is asked for and keeps its arguments.
GOLF_CHECK = """#!/bin/bash
echo "$@" >> "$RUNNER_TEMP/asked"
while [[ $# -gt 1 ]]; do [[ "$1" == --output ]] && out="$2"; shift; done
echo "{\\"verdict\\": \\"$VERDICT\\"}" > "$out"
exit "${STATUS:-0}"
"""
# Stands in for gh: answers a listing with $OLD and keeps what it is asked to write.
GH = """#!/bin/bash
if [[ "$*" == *--jq* ]]; then echo "$OLD"; else echo "$*" >> "$RUNNER_TEMP/wrote"; fi
"""


def script(name):
    """The script of the step of that name."""
    return next(step["run"] for step in STEPS if step.get("name") == name)


def run(tmp_path, name, **environment):
    """Run a step's script as a runner does, with golf-check and gh replaced."""
    tools = tmp_path / "golf" / "bin"
    tools.mkdir(parents=True, exist_ok=True)
    for path, text in ((tools / "golf-check", GOLF_CHECK), (tools / "gh", GH)):
        path.write_text(text)
        path.chmod(path.stat().st_mode | stat.S_IXUSR)
    given = {
        "PATH": f"{tools}:{os.environ['PATH']}",
        "RUNNER_TEMP": str(tmp_path),
        "GITHUB_STEP_SUMMARY": str(tmp_path / "summary"),
        "GITHUB_OUTPUT": str(tmp_path / "output"),
        "GITHUB_REPOSITORY": "them/golf",
        "PULL": "7",
        "SARIF": "true",
        "FAIL_ON": "never",
        "VERDICT": "needs-human",
        "OLD": "",
        **environment,
    }
    return subprocess.run(
        [BASH, "-e", "-c", script(name)], cwd=tmp_path, env=given, capture_output=True, text=True, check=False
    )


@needs_bash
def test_the_judging_step_gives_the_verdict_and_the_sarif_file(tmp_path):
    done = run(tmp_path, "Judge")
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "output").read_text() == "verdict=needs-human\nsarif-file=golf-check.sarif\n"
    assert (tmp_path / "golf-check.sarif").is_file()
    assert "--repo . --pr 7" in (tmp_path / "asked").read_text()


@needs_bash
@pytest.mark.parametrize("pull", ["", "7; touch owned", "$(touch owned)", "-1"])
def test_the_judging_step_refuses_what_is_no_number(tmp_path, pull):
    assert run(tmp_path, "Judge", PULL=pull).returncode == 2
    assert not (tmp_path / "owned").exists()
    assert not (tmp_path / "asked").exists()


@needs_bash
@pytest.mark.parametrize(
    ("fail_on", "verdict", "status"),
    [("fail", "reject", 1), ("fail", "needs-human", 0), ("never", "reject", 0)],
)
def test_the_job_fails_only_where_a_rule_fails_and_that_was_asked_for(tmp_path, fail_on, verdict, status):
    assert run(tmp_path, "Judge", FAIL_ON=fail_on, VERDICT=verdict).returncode == status


@needs_bash
def test_a_submission_that_could_not_be_checked_is_still_reported(tmp_path):
    assert run(tmp_path, "Judge", STATUS="4", VERDICT="could-not-check").returncode == 0
    assert "verdict=could-not-check" in (tmp_path / "output").read_text()


@needs_bash
def test_a_bug_of_golf_check_stops_the_step(tmp_path):
    assert run(tmp_path, "Judge", STATUS="70").returncode == 1


@needs_bash
@pytest.mark.parametrize(
    ("old", "wrote"),
    [
        ("", "--method POST repos/them/golf/issues/7/comments"),
        ("11\n12", "--method PATCH repos/them/golf/issues/comments/11"),
    ],
)
def test_the_comment_is_written_once_and_edited_later(tmp_path, old, wrote):
    (tmp_path / "golf-check.md").write_text("# verdict\n")
    done = run(tmp_path, "Comment", OLD=old)
    assert done.returncode == 0, done.stderr
    assert wrote in (tmp_path / "wrote").read_text()
    assert (tmp_path / "comment.md").read_text() == "<!-- golf-check -->\n# verdict\n"


@needs_bash
def test_a_report_that_is_too_long_for_a_comment_is_cut_between_lines(tmp_path):
    (tmp_path / "golf-check.md").write_text("ü" * 99 + "\n" + ("ü" * 99 + "\n") * 999)
    assert run(tmp_path, "Comment").returncode == 0
    text = (tmp_path / "comment.md").read_text()
    assert len(text) < 65_536
    assert text.endswith("ü\n\nThe rest is in the summary of the job.\n")


MANUAL = (ROOT / "docs" / "organisers.md").read_text(encoding="utf-8")
EXAMPLES = [yaml.safe_load(text) for text in re.findall(r"```yaml\n(.*?)```", MANUAL, re.DOTALL)]
WORKFLOWS = [example for example in EXAMPLES if "jobs" in example]


def steps_of(workflow):
    return [step for job in workflow["jobs"].values() for step in job["steps"]]


def test_the_examples_of_the_manual_are_two_workflows_and_a_hook():
    assert [sorted(map(str, example)) for example in EXAMPLES if "jobs" not in example] == [["repos"]]
    assert [workflow["name"] for workflow in WORKFLOWS] == ["golf-check", "board"]


def test_no_example_checks_a_pull_request_out_or_keeps_its_token_in_the_clone():
    for step in (step for workflow in WORKFLOWS for step in steps_of(workflow)):
        if step.get("uses", "").startswith("actions/checkout@"):
            assert "ref" not in step["with"]
            assert step["with"]["persist-credentials"] is False


def test_the_examples_ask_for_no_more_than_they_need():
    assert [workflow["permissions"] for workflow in WORKFLOWS] == [
        {"contents": "read", "pull-requests": "write", "security-events": "write"},
        {"contents": "read", "pages": "write", "id-token": "write"},
    ]


def test_no_script_of_the_examples_is_built_from_an_expression():
    assert not any("${{" in step.get("run", "") for workflow in WORKFLOWS for step in steps_of(workflow))


def test_the_sarif_of_the_action_is_uploaded_for_the_head_of_the_pull_request():
    upload = next(step for step in steps_of(WORKFLOWS[0]) if "upload-sarif" in step.get("uses", ""))
    assert upload["with"]["sarif_file"] == "${{ steps.golf.outputs.sarif-file }}"
    assert upload["with"]["sha"] == "${{ github.event.pull_request.head.sha }}"


def test_the_board_that_rebuilds_itself_uses_options_that_exist():
    from harness.cli_leaderboard import build_parser

    command = next(
        step["run"] for step in steps_of(WORKFLOWS[1]) if "golf-leaderboard" in step.get("run", "")
    )
    given = build_parser().parse_args(command.split()[1:])
    assert (given.command, given.all_prs, str(given.out)) == ("render", True, "site")
