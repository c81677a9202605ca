from __future__ import annotations

import datetime
import itertools
import json
import socket
import sys
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from harness.errors import SetupError
from harness.ruleset import load_ruleset
from harness.runs.machine_lacks import blamed_rightly
from harness.runs.one_process_run import SeedJob, run_one_process
from harness.runs.run_record import RunRecord, RunStatus
from harness.runs.track import load_track
from harness.sandbox.choose import choose_sandbox
from harness.sandbox.request import SandboxLimits

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="golf-run runs on Linux")
pytest.importorskip("inotify_simple", reason="golf-run needs the extra run")

LIMITS = load_ruleset().limits(datetime.date(2026, 5, 2))
USUAL = """
import glob, os
data = os.environ["DATA_PATH"]
for name in sorted(glob.glob(data + "/fineweb_val_*.bin")): open(name, "rb").read()
for name in sorted(glob.glob(data + "/fineweb_train_*.bin")): open(name, "rb").read()
print("seed:" + os.environ["SEED"])
print("step:10/10 train_loss:2.5 train_time:1000ms step_avg:100.00ms")
with open("final_model.int8.ptz", "wb") as file: file.write(b"x" * 1000)
print("Serialized model int8+zlib: 1000 bytes")
print("Total submission size int8+zlib: 2000 bytes")
open("final_model.int8.ptz", "rb").read()
print("final_int8_zlib_roundtrip_exact val_loss:2.00000000 val_bpb:1.20000000")
"""


def ran(tmp_path: Path, script: str, *, sandbox: str = "none", **changed: Any) -> tuple[RunRecord, Path]:
    folder, data, attempt = tmp_path / "submission", tmp_path / "data", tmp_path / "attempt"
    folder.mkdir()
    (folder / "train_gpt.py").write_text(script)
    data.mkdir(exist_ok=True)
    for name in ("fineweb_train_000000.bin", "fineweb_val_000000.bin", "tokenizer.model"):
        (data / name).write_bytes(b"tokens")
    attempt.mkdir()
    job = SeedJob(folder=folder, name="toy", seed=13, track=load_track("smoke", LIMITS), data=data)
    return run_one_process(replace(job, **changed), attempt, 1, choose_sandbox(sandbox)), attempt


def notices(record: RunRecord) -> list[str]:
    return [notice.kind for notice in record.notices]


def test_a_usual_script_gives_phases_an_artifact_and_a_claim(tmp_path: Path) -> None:
    record, attempt = ran(tmp_path, USUAL)
    assert (record.status, record.message) == (RunStatus.FINISHED, "")
    assert [phase.name for phase in record.phases] == ["train", "evaluate"]
    assert record.artifact is not None
    assert (record.artifact.model_bytes, record.artifact.code_bytes) == (1000, len(USUAL))
    assert (attempt / "artifact" / "final_model.int8.ptz").read_bytes() == b"x" * 1000
    assert (record.claimed.val_bpb, record.claimed.total_bytes) == (1.2, 2000)
    assert record.measured is None
    assert "validation-in-training" in notices(record)
    assert any("does not offer the scoring interface" in why for why in record.not_eligible)


def test_the_events_of_a_run_lie_beside_its_record(tmp_path: Path) -> None:
    _, attempt = ran(tmp_path, USUAL)
    events = [json.loads(line) for line in (attempt / "events.jsonl").read_text().splitlines()]
    assert {"train", "validation", "out"} <= {event.get("folder") for event in events}
    assert [event["at"] for event in events] == sorted(event["at"] for event in events)


def test_a_script_that_ends_at_once_with_a_perfect_score_has_no_artifact(tmp_path: Path) -> None:
    record, _ = ran(tmp_path, "print('final_int8_zlib_roundtrip_exact val_loss:0.0 val_bpb:0.00000001')")
    assert (record.status, record.reason) == (RunStatus.FAILED, "no-artifact")
    assert record.measured is None


def test_a_script_that_fails_is_the_submission_s_fault(tmp_path: Path) -> None:
    record, attempt = ran(tmp_path, "raise ValueError('nan loss')")
    assert (record.status, record.reason) == (RunStatus.FAILED, "script-error")
    assert "nan loss" in (attempt / "train.log").read_text()


def test_an_artifact_over_the_cap_is_counted_and_fails(tmp_path: Path) -> None:
    small = replace(load_track("smoke", LIMITS), cap_bytes=1500)
    record, _ = ran(tmp_path, USUAL, track=small)
    assert (record.status, record.reason) == (RunStatus.FAILED, "over-cap")
    assert record.artifact is not None
    assert record.artifact.total_bytes == 1000 + len(USUAL)


def test_a_script_that_hangs_is_ended_at_the_limit(tmp_path: Path) -> None:
    track = load_track("smoke", LIMITS).scaled(0.01)
    record, _ = ran(tmp_path, "import time\ntime.sleep(600)", track=track)
    assert (record.status, record.reason) == (RunStatus.FAILED, "time-limit")
    assert record.phases[0].name == "train+evaluate"


def test_a_phase_longer_than_its_limit_asks_a_person_even_where_its_own_clock_may_excuse_it(
    tmp_path: Path,
) -> None:
    track = replace(load_track("smoke", LIMITS), train_seconds=0.001)
    record, _ = ran(tmp_path, USUAL, track=track)
    assert record.status is RunStatus.FINISHED
    assert "over-limit" in notices(record)


def test_an_artifact_that_is_a_link_is_not_followed(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("ours")
    script = (
        USUAL + f"\nos.remove('final_model.int8.ptz'); os.symlink({str(secret)!r}, 'final_model.int8.ptz')\n"
    )
    record, attempt = ran(tmp_path, script)
    assert record.status is RunStatus.FAILED
    assert not any(path.read_bytes() == b"ours" for path in (attempt / "artifact").glob("*"))


def test_training_data_read_after_the_artifact_is_told(tmp_path: Path) -> None:
    late = "\nopen(data + '/fineweb_train_000000.bin', 'rb').read()\n"
    record, _ = ran(tmp_path, USUAL + late)
    assert "train-data-in-evaluation" in notices(record)


def test_a_log_that_floods_is_cut_and_fails(tmp_path: Path) -> None:
    record, attempt = ran(tmp_path, "while True: print('x' * 1000)", limits=SandboxLimits(log_bytes=100_000))
    assert (record.status, record.reason) == (RunStatus.FAILED, "log-limit")
    assert (attempt / "train.log").stat().st_size < 10_000_000


@pytest.mark.parametrize("sandbox", ["none", "landlock", "bwrap"])
def test_a_tokenizer_elsewhere_is_shown_to_the_script(tmp_path: Path, sandbox: str) -> None:
    try:
        choose_sandbox(sandbox)
    except SetupError as error:
        pytest.skip(str(error))
    tokenizer = tmp_path / "tokenizers" / "other.model"
    tokenizer.parent.mkdir()
    tokenizer.write_bytes(b"pieces")
    script = "import os\nassert open(os.environ['TOKENIZER_PATH'], 'rb').read() == b'pieces'\n" + USUAL
    record, attempt = ran(tmp_path, script, sandbox=sandbox, tokenizer=tokenizer)
    assert record.status is RunStatus.FINISHED, (attempt / "train.log").read_text()


def test_a_tokenizer_that_is_not_there_is_a_fault_of_the_set_up(tmp_path: Path) -> None:
    record, _ = ran(tmp_path, USUAL, tokenizer=tmp_path / "other.model")
    assert record.status is RunStatus.COULD_NOT_RUN
    assert "other.model does not exist" in record.message


def test_in_bubblewrap_the_script_is_watched_and_leaves_the_same(tmp_path: Path) -> None:
    try:
        choose_sandbox("bwrap")
    except SetupError as error:
        pytest.skip(str(error))
    record, _ = ran(tmp_path, USUAL, sandbox="bwrap")
    assert (record.status, record.message) == (RunStatus.FINISHED, "")
    assert "no-network" in record.protections
    assert "not-watched" not in notices(record)
    assert [phase.name for phase in record.phases] == ["train", "evaluate"]


def test_in_bubblewrap_a_script_lies_where_a_checkout_of_the_challenge_has_it(tmp_path: Path) -> None:
    try:
        choose_sandbox("bwrap")
    except SetupError as error:
        pytest.skip(str(error))
    tokenizer = tmp_path / "sp1024.model"
    tokenizer.write_bytes(b"pieces")
    looks = (
        "from pathlib import Path\n"
        "root = Path(__file__).resolve().parents[3]\n"
        "assert (root / 'data/datasets/data/fineweb_val_000000.bin').read_bytes() == b'tokens'\n"
        "assert (root / 'data/tokenizers/sp1024.model').read_bytes() == b'pieces'\n"
    )
    record, attempt = ran(tmp_path, looks + USUAL, sandbox="bwrap", tokenizer=tokenizer)
    assert record.status is RunStatus.FINISHED, (attempt / "train.log").read_text()


def test_an_artifact_that_the_evaluation_replaces_is_training_until_then(tmp_path: Path) -> None:
    late = "import time\ntime.sleep(0.3)\nopen('final_model.int8.ptz', 'wb').write(b'y' * 700)\n"
    record, attempt = ran(tmp_path, USUAL + late)
    assert record.artifact is not None
    assert record.artifact.model_bytes == 700
    assert record.phases[0].seconds > 0.3
    assert (attempt / "artifact" / "final_model.int8.ptz").read_bytes() == b"y" * 700


def test_a_second_file_of_weights_that_the_evaluation_reads_is_told(tmp_path: Path) -> None:
    two = "open('more.ptz', 'wb').write(b'y' * 900)\n" + USUAL + "open('more.ptz', 'rb').read()\n"
    record, _ = ran(tmp_path, two)
    assert record.artifact is not None
    assert record.artifact.files[0].name == "final_model.int8.ptz"
    assert "second-artifact" in notices(record)


def test_a_rank_that_dies_ends_the_others_and_is_the_submission_s_failure(tmp_path: Path) -> None:
    pytest.importorskip("torch")
    dies = "import os, signal, time\nif os.environ['RANK'] == '1': os.kill(os.getpid(), signal.SIGKILL)\n"
    track = replace(load_track("smoke", LIMITS), ranks=2)
    record, attempt = ran(tmp_path, dies + "time.sleep(600)\n", track=track)
    assert (record.status, record.reason) == (RunStatus.FAILED, "script-error")
    assert record.phases[0].seconds < 200  # rank 0 would have slept on
    assert "exitcode: -9" in " ".join((attempt / "train.log").read_text().replace(" :", ":").split())


def test_a_clock_of_the_machine_that_is_set_back_changes_no_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hours = itertools.count()
    monkeypatch.setattr("time.time", lambda: 1.8e9 - 3600.0 * next(hours))
    record, attempt = ran(tmp_path, "import time\ntime.sleep(0.3)\n" + USUAL)
    assert record.status is RunStatus.FINISHED
    assert 0.3 < record.phases[0].seconds < 60.0
    events = [json.loads(line) for line in (attempt / "events.jsonl").read_text().splitlines()]
    assert all(0.0 <= event["at"] < 60.0 for event in events)


def test_a_port_that_is_taken_where_the_network_is_shared_could_not_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("torch")
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        monkeypatch.setattr("harness.runs.one_process_run.meeting_port", lambda _: port)
        track = replace(load_track("smoke", LIMITS), ranks=1)
        record, attempt = ran(tmp_path, USUAL, track=track)
    record = blamed_rightly(record, (attempt / "train.log",))
    assert (record.status, record.reason) == (RunStatus.COULD_NOT_RUN, "machine-fault")


DECOY = USUAL.replace(
    'open("final_model.int8.ptz", "rb").read()\n',
    'open("real.ptz", "wb").write(b"y" * 5000)\nopen("real.ptz", "rb").read()\nos.unlink("real.ptz")\n',
)


@pytest.mark.parametrize(("script", "is_told"), [(USUAL, False), (DECOY, True)])
def test_an_artifact_that_nobody_read_again_is_told(tmp_path: Path, script: str, is_told: bool) -> None:
    record, _ = ran(tmp_path, script)
    assert record.artifact is not None
    assert record.artifact.model_bytes == 1000
    assert ("artifact-not-read" in notices(record)) is is_told


def test_an_artifact_that_cannot_be_sealed_is_the_reason_of_the_failure(tmp_path: Path) -> None:
    record, _ = ran(tmp_path, USUAL + 'os.link("final_model.int8.ptz", "second.name")')
    assert (record.status, record.reason) == (RunStatus.FAILED, "no-artifact")
    assert "left no artifact that can be counted: final_model.int8.ptz has 2 names" in record.message
