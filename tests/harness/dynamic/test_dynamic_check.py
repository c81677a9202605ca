"""The dynamic audit as golf-check makes it, in a sandbox that only pretends."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from harness.cli_check import main
from harness.dynamic.child.capture.recorder import Recorder
from harness.errors import SetupError
from tests.harness.dynamic.test_run_causes import outcome

SCRIPT = 'import os\nvocab_size = int(os.environ.get("VOCAB_SIZE", 260))\nprint("val_bpb:1.5")\n'


class PretendedSandbox:
    """Each run prints a score that no sum of losses gives, and records that it printed it."""

    name = "pretended"

    def seen_at(self, mount):
        return str(mount.host)

    def run(self, request, on_output, should_stop=None):
        told = json.loads(Path(request.command[-1]).read_text())
        recorder = Recorder(Path(told["out"]), rank=0, world_size=1, tell_key=False)
        recorder.event("print", text="val_bpb:1.5", to="stdout", values=[1.5])
        recorder.close()
        for line in (f"golf-record 0 {recorder.key}", "val_bpb:1.5"):
            on_output(0.0, line.encode() + b"\n")
        return outcome(code=0)


@pytest.fixture
def checked(tmp_path, monkeypatch, capsys):
    """Runs golf-check --dynamic with some options on one submission; the `dynamic` block of its report."""
    pytest.importorskip("torch", reason="the dynamic audit needs the extra model")
    monkeypatch.setenv("GOLF_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setattr("harness.sandbox.choose.choose_sandbox", lambda name: PretendedSandbox())
    monkeypatch.setattr("harness.dynamic.dynamic_check.choose_sandbox", lambda name: PretendedSandbox())
    folder = tmp_path / "2026-04-01_Mine"
    folder.mkdir()
    (folder / "train_gpt.py").write_text(SCRIPT)

    def check(*options):
        capsys.readouterr()
        main([str(folder), "--dynamic", "--quiet", "--format", "json", *map(str, options)])
        return json.loads(capsys.readouterr().out)["dynamic"]

    return check


def test_the_kept_folder_holds_the_audit_its_picture_and_the_first_run(checked, tmp_path):
    dynamic = checked("--keep-runs", tmp_path / "kept")
    (folder,) = (tmp_path / "kept").iterdir()
    assert folder.name == "2026-04-01_Mine"
    assert json.loads((folder / "dynamic_audit.json").read_text()) == dynamic
    assert (folder / "timeline.svg").read_text().startswith("<svg")
    assert sorted(path.name for path in (folder / "runs" / "base").iterdir()) == [
        "arrays.f64.gz", "events.jsonl.gz", "log.txt", "plan.json",
    ]  # fmt: skip
    assert [path.name for path in (folder / "runs").iterdir()] == ["base"]


def test_the_same_command_again_keeps_one_folder(checked, tmp_path):
    for _ in range(2):
        checked("--keep-runs", tmp_path / "kept")
    assert len(list((tmp_path / "kept").iterdir())) == 1


def test_nothing_is_run_where_nothing_could_be_kept(checked, tmp_path, monkeypatch):
    def runs(*_, **__):
        raise AssertionError("it was run")

    monkeypatch.setattr("harness.dynamic.dynamic_check.audit_by_running", runs)
    (tmp_path / "kept").write_text("a file")
    assert checked("--keep-runs", tmp_path / "kept") is None


def test_the_settings_of_an_audit_that_this_machine_could_not_make_are_those_asked_for(checked, monkeypatch):
    def fails(*_, **__):
        raise SetupError("no space")

    monkeypatch.setattr("harness.dynamic.dynamic_check.audit_by_running", fails)
    dynamic = checked("--dynamic-ranks", 2)
    assert dynamic["failure"] == "this machine could not run it: no space"
    assert dynamic["settings"]["ranks"] == 2
