"""The GitHub Action and the pre-commit hook as data: what a runner would refuse or an attacker could use."""

from __future__ import annotations

import re
from pathlib import Path

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
    others = {"--quiet", "--repo", "--edit-last", "--create-if-none", "--body-file"}  # of pip and gh
    assert used - others <= known


def test_the_hook_runs_golf_check_on_files_of_submissions():
    (hook,) = yaml.safe_load((ROOT / ".pre-commit-hooks.yaml").read_text(encoding="utf-8"))
    assert hook["entry"].split()[0] == "golf-check"
    assert re.match(hook["files"], "records/track_10min_16mb/2026-04-01_MyRun/train_gpt.py")
    assert not re.match(hook["files"], "records/README.md")
