"""golf-run is killed (SIGKILL) after each step of a seed; the same command comes to the same record."""

from __future__ import annotations

import importlib.util
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from harness.cli_run import main
from harness.runs.record_store import SeedFolder, read_record
from harness.runs.run_record import RunStatus
from harness.runs.run_steps import RunStep
from tests.harness.runs.two_step_submissions import TOML, flat_bpb, script
from tests.reference_model.tiny_data import make_tiny_data

pytestmark = pytest.mark.skipif(
    not sys.platform.startswith("linux") or importlib.util.find_spec("inotify_simple") is None,
    reason="golf-run runs on Linux with the extra run",
)
pytest.importorskip("sentencepiece", reason="golf-run needs the extra run")
ROOT = Path(__file__).parents[3]
# golf-run in a process that kills itself when it tells that step number argv[1] is done.
KILLED = """
import os, signal, sys
from harness.cli_run import main
from harness.runs.run_steps import StepTeller
last, arguments = int(sys.argv[1]), sys.argv[2:]
done = StepTeller.done
def killed(self, step, *words, **numbers):
    done(self, step, *words, **numbers)
    if step == last:
        os.kill(os.getpid(), signal.SIGKILL)
StepTeller.done = killed
main(arguments)
"""


@pytest.mark.parametrize("step", list(RunStep), ids=lambda step: step.name.lower())
def test_a_seed_killed_after_any_step_is_run_once_more_and_only_if_it_has_no_record(
    tmp_path: Path, step: RunStep
) -> None:
    folder, data, out = tmp_path / "toy", tmp_path / "data", tmp_path / "runs"
    folder.mkdir()
    (folder / "train_gpt.py").write_text(script())
    (folder / "golf_run.toml").write_text(TOML)
    make_tiny_data(data, train_documents=8, val_tokens=1500)
    asked = [str(folder), "--data", str(data), "--out", str(out), "--sandbox", "none", "--seeds", "13"]
    asked += ["--track", "smoke", "--no-package", "--quiet"]
    killed = subprocess.run(
        [sys.executable, "-c", KILLED, str(int(step)), *asked], cwd=ROOT, check=False, capture_output=True
    )
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    assert main(asked) == 3  # the toy prints another score than it seals
    attempts = SeedFolder.of(out, "toy", 13).attempts()
    records = [read_record(attempt / "run.json") for attempt in attempts]
    expected = [("finished", "")] if step is RunStep.RECORD else [("could-not-run", "lost"), ("finished", "")]
    assert [(record.status, record.reason) for record in records if record is not None] == expected
    last = records[-1]
    assert last is not None
    assert last.status is RunStatus.FINISHED
    assert last.measured is not None
    assert last.measured.val_bpb == pytest.approx(flat_bpb(folder), abs=1e-12)
