"""What goes wrong around a run: each fault has a message and an exit status, and loses nothing."""

from __future__ import annotations

import importlib.util
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from harness.cli_run import main
from harness.runs.record_store import SeedFolder, read_record
from harness.runs.run_record import RunStatus
from tests.harness.runs.toy_runs import SCRIPT, toy_data, toy_submission
from tests.harness.tokens.tiny_tokenizer import tiny_tokenizer

pytestmark = pytest.mark.skipif(
    not sys.platform.startswith("linux") or importlib.util.find_spec("inotify_simple") is None,
    reason="golf-run runs on Linux with the extra run",
)
ROOT = Path(__file__).parents[3]
# Seed 13 tells where it is and goes on when it is let go; other seeds run through.
HELD = """
import os, pathlib, time
def hold(phase):
    told = pathlib.Path(os.environ["TOLD"])
    if os.environ["SEED"] == "13" and not (told / "let-go").exists():
        (told / phase).touch()
        while not (told / "let-go").exists():
            time.sleep(0.02)
"""
IN_TRAINING = HELD + "hold('training')\n" + SCRIPT
IN_EVALUATION = HELD + SCRIPT.replace('print(f"final', "hold('evaluation')\nprint(f\"final")


def asked(tmp_path: Path, *more: str, seeds: str = "13") -> list[str]:
    usual = ["--data", str(tmp_path / "data"), "--out", str(tmp_path / "runs"), "--sandbox", "none"]
    return [str(tmp_path / "toy"), *usual, "--seeds", *seeds.split(), "--env", f"TOLD={tmp_path}", *more]


def golf_run(tmp_path: Path, *more: str, script: str = SCRIPT, seeds: str = "13") -> int:
    if not (tmp_path / "toy").exists():
        toy_submission(tmp_path, script)
    if not (tmp_path / "data").exists():
        toy_data(tmp_path)
    return main(asked(tmp_path, *more, seeds=seeds))


def started(tmp_path: Path, script: str, phase: str, seeds: str = "13") -> subprocess.Popen[str]:
    """A golf-run of its own, once its script is in `phase`."""
    toy_submission(tmp_path, script)
    toy_data(tmp_path)
    process = subprocess.Popen(
        [sys.executable, "-m", "harness.cli_run", *asked(tmp_path, seeds=seeds)],
        cwd=ROOT,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    deadline = time.monotonic() + 60
    while not (tmp_path / phase).exists():
        assert process.poll() is None, process.communicate()[1]
        assert time.monotonic() < deadline, f"the script did not come to {phase}"
        time.sleep(0.02)
    return process


def statuses(tmp_path: Path, seed: int = 13) -> list[RunStatus]:
    folder = SeedFolder.of(tmp_path / "runs", "toy", seed)
    records = [read_record(attempt / "run.json") for attempt in folder.attempts()]
    return [record.status for record in records if record is not None]


@pytest.mark.parametrize(
    ("script", "phase", "number"),
    [(IN_TRAINING, "training", signal.SIGTERM), (IN_EVALUATION, "evaluation", signal.SIGINT)],
)
def test_a_signal_ends_the_seed_with_a_record_and_the_same_command_resumes(
    tmp_path: Path, script: str, phase: str, number: signal.Signals
) -> None:
    process = started(tmp_path, script, phase, seeds="14 13 15")
    process.send_signal(number)
    out, _ = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "stopped; the same command runs it again" in out
    assert "seed 15: stopped before" in out
    (tmp_path / "let-go").touch()
    assert golf_run(tmp_path, seeds="14 13 15") == 3
    assert statuses(tmp_path, 14) == [RunStatus.FINISHED]
    assert statuses(tmp_path, 13) == [RunStatus.INTERRUPTED, RunStatus.FINISHED]


@pytest.mark.parametrize(("script", "phase"), [(IN_TRAINING, "training"), (IN_EVALUATION, "evaluation")])
def test_a_killed_golf_run_loses_nothing_and_its_attempt_is_told(
    tmp_path: Path, script: str, phase: str
) -> None:
    process = started(tmp_path, script, phase, seeds="14 13")
    process.kill()
    process.communicate(timeout=60)
    (tmp_path / "let-go").touch()
    assert golf_run(tmp_path, seeds="14 13") == 3
    assert statuses(tmp_path, 14) == [RunStatus.FINISHED]
    assert statuses(tmp_path, 13) == [RunStatus.COULD_NOT_RUN, RunStatus.FINISHED]


def test_a_second_golf_run_in_the_same_folder_leaves_the_first_alone(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    process = started(tmp_path, IN_TRAINING, "training")
    assert golf_run(tmp_path, "--tries", "1") == 4
    assert "another golf-run" in capsys.readouterr().out
    (tmp_path / "let-go").touch()
    process.communicate(timeout=60)
    assert statuses(tmp_path) == [RunStatus.FINISHED]


def test_an_out_that_cannot_be_written_is_told_before_anything_runs(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").touch()
    assert golf_run(tmp_path, "--out", str(tmp_path / "file" / "runs")) == 4
    assert "cannot be written (Not a directory); name a folder with room" in capsys.readouterr().err


def test_a_full_disk_is_could_not_run_and_finished_seeds_stay(tmp_path: Path) -> None:
    toy_submission(tmp_path)
    toy_data(tmp_path)
    small = tmp_path / "runs"
    small.mkdir()
    first, both = (
        " ".join([sys.executable, "-m", "harness.cli_run", *asked(tmp_path, seeds=seeds)])
        for seeds in ("13", "13 14")
    )
    mount = f"mount -t tmpfs -o size=4096k tmpfs {small}"
    fill = f"head -c 4096k /dev/zero > {small}/filler 2>/dev/null"
    if subprocess.run(["unshare", "-rm", "sh", "-c", mount], check=False, capture_output=True).returncode:
        pytest.skip("no file system can be mounted here")
    script = f"{mount} && {first} >/dev/null; {fill}; {both}; code=$?; ls {small}/toy/13; exit $code"
    done = subprocess.run(
        ["unshare", "-rm", "sh", "-c", script], check=False, capture_output=True, text=True, cwd=ROOT
    )
    assert done.returncode == 4, done.stdout + done.stderr
    assert "No space left" in done.stdout + done.stderr
    assert "run.json" in done.stdout
    assert "Traceback" not in done.stderr


def test_no_data_says_how_to_make_some(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert golf_run(tmp_path, "--data", str(tmp_path / "nowhere")) == 4
    assert "golf-data demo --out" in capsys.readouterr().err


def test_a_torn_shard_is_named_before_anything_runs(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shard = toy_data(tmp_path) / "fineweb_train_000000.bin"
    shard.write_bytes(shard.read_bytes()[:-100])
    assert golf_run(tmp_path) == 4
    assert "fineweb_train_000000.bin: cut short" in capsys.readouterr().err


def test_another_vocabulary_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    toy_data(tmp_path, largest=5000)
    assert golf_run(tmp_path, "--tokenizer", str(tiny_tokenizer())) == 4
    assert "has 300 pieces, the validation shards hold token 5,000" in capsys.readouterr().err


def test_a_folder_without_a_script_is_no_submission(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "toy").mkdir()
    (tmp_path / "toy" / "README.md").write_text("words")
    assert golf_run(tmp_path) == 4
    assert "holds no script to run; a submission has a train_gpt.py" in capsys.readouterr().err


def test_a_submission_that_is_not_there_is_told_which_are(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([str(tmp_path / "nowhere"), "--data", str(toy_data(tmp_path))]) == 4
    assert "there is no such folder" in capsys.readouterr().err


def test_a_script_that_prints_nothing_and_leaves_nothing_fails(tmp_path: Path) -> None:
    assert golf_run(tmp_path, script="pass\n") == 1
    assert statuses(tmp_path) == [RunStatus.FAILED]


def test_a_log_of_binary_noise_is_kept_and_read_without_a_score(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    noise = "import os\nopen('m.ptz', 'wb').write(b'x')\nos.write(1, bytes(range(256)) * 400)\n"
    assert golf_run(tmp_path, script=noise) == 3
    assert "no score: no seed finished with one" in capsys.readouterr().out
    log = tmp_path / "runs" / "toy" / "13" / "attempts" / "1" / "train.log"
    assert log.read_bytes().startswith(bytes(range(10)))


@pytest.mark.parametrize("score", ["nan", "inf", "1e999", "-1.0"])
def test_an_impossible_score_is_no_score(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], score: str
) -> None:
    script = SCRIPT.replace('f"final', '"final').replace("1.2{seed:05d}", score)
    assert golf_run(tmp_path, script=script) == 3
    assert "no score: no seed finished with one" in capsys.readouterr().out


def test_a_perfect_score_asks_a_person(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    script = SCRIPT.replace("1.2{seed:05d}", "0.00000100")
    assert golf_run(tmp_path, script=script) == 3
    assert "no model is known below 0.4" in capsys.readouterr().out


def test_a_machine_without_the_sandbox_asked_for_could_not_run(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert golf_run(tmp_path, "--sandbox", "bwrap") == 4
    assert "golf-run: " in capsys.readouterr().err


def test_output_that_nobody_reads_ends_quietly(tmp_path: Path) -> None:
    toy_submission(tmp_path)
    toy_data(tmp_path)
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run(
        [sys.executable, "-m", "harness.cli_run", *asked(tmp_path)],
        check=False, cwd=ROOT, stdout=writer, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    os.close(writer)
    assert "Traceback" not in done.stderr
    assert statuses(tmp_path) == [RunStatus.FINISHED]
