from __future__ import annotations

import json
import multiprocessing
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from harness.errors import SetupError
from harness.runs import record_store
from harness.runs.record_store import SeedFolder, read_record, write_record
from harness.runs.run_record import (
    Artifact,
    ClaimedScore,
    MeasuredScore,
    Notice,
    PhaseTime,
    RunRecord,
    RunStatus,
    SealedFile,
    record_of_json,
)

if TYPE_CHECKING:
    from pathlib import Path


def record(status: RunStatus = RunStatus.FINISHED, **changed: Any) -> RunRecord:
    phase = PhaseTime(
        name="train", seconds=12.5, limit_seconds=600.0, boundary="process", outcome="exited", exit_code=0
    )
    whole = RunRecord(
        submission="reference", seed=13, track="smoke", attempt=1, status=status, reason="", message="",
        started_at="2026-03-01T00:00:00Z", phases=(phase,),
        artifact=Artifact(
            files=(SealedFile(name="final.ptz", size=7, sha256="ab"),),
            model_bytes=7, code_bytes=5, cap_bytes=16,
        ),
        measured=MeasuredScore(
            val_loss_nats=1.5, val_bpb=1.1, scored_tokens=10, scored_bytes=20, digest="cd"
        ),
        claimed=ClaimedScore(val_bpb=1.1000001, line=7),
        notices=(Notice(kind="socket", message="connected to ☃\udc80", at=1.0),),
        machine={"cpus": 2}, digests={"code": "ef"},
    )  # fmt: skip
    return replace(whole, **changed)


def test_a_record_reads_back_as_it_was_written(tmp_path: Path) -> None:
    write_record(tmp_path / "run.json", record())
    assert read_record(tmp_path / "run.json") == record()


def test_the_total_is_code_and_model() -> None:
    artifact = record().artifact
    assert artifact is not None
    assert artifact.total_bytes == 12


def test_a_phase_is_over_only_above_its_limit() -> None:
    phase = record().phases[0]
    assert not replace(phase, seconds=600.0).is_over
    assert replace(phase, seconds=600.001).is_over
    assert not replace(phase, seconds=1e9, limit_seconds=None).is_over


def test_the_measured_score_goes_before_the_claimed_one() -> None:
    assert record().val_bpb == 1.1
    assert record(measured=None).val_bpb == 1.1000001


@pytest.mark.parametrize(
    "change",
    [
        lambda data: data["measured"].update(val_bpb=0.5),
        lambda data: data.update(seed=14),
        lambda data: data.update(extra=1),
        lambda data: data.pop("record_id"),
        lambda data: data["artifact"].update(total_bytes=1),
    ],
)
def test_a_record_changed_afterwards_is_refused(tmp_path: Path, change: Any) -> None:
    path = tmp_path / "run.json"
    write_record(path, record())
    data = json.loads(path.read_text())
    change(data)
    path.write_text(json.dumps(data))
    with pytest.raises(SetupError, match=r"(changed after it was written|not a run record).*; move it away"):
        read_record(path)


@pytest.mark.parametrize(
    "content", ["", "[]", "{}", "[" * 5000, '{"schema_version": 99}', "\x00", '{"a": NaN}']
)
def test_what_is_no_record_is_told_so(tmp_path: Path, content: str) -> None:
    (tmp_path / "run.json").write_text(content)
    with pytest.raises(SetupError, match=r"/run\.json: .*run record.*; move it away"):
        read_record(tmp_path / "run.json")


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -1.0, "1.1", True])
def test_a_score_that_is_no_number_of_bits_is_refused(value: Any) -> None:
    data = record().as_json()
    data["measured"]["val_bpb"] = value
    with pytest.raises(SetupError, match="not a run record"):
        record_of_json(data)


def test_a_link_in_place_of_a_record_is_not_followed(tmp_path: Path) -> None:
    write_record(tmp_path / "other.json", record())
    (tmp_path / "run.json").symlink_to(tmp_path / "other.json")
    with pytest.raises(SetupError, match="cannot be read"):
        read_record(tmp_path / "run.json")


def test_a_record_that_cannot_be_written_leaves_the_old_one_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "run.json"
    write_record(path, record())

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(record_store.os, "fsync", full)
    with pytest.raises(SetupError, match="No space left"):
        write_record(path, record(seed=14))
    assert read_record(path) == record()
    assert [each.name for each in tmp_path.iterdir()] == ["run.json"]


def test_attempts_are_numbered_and_all_kept(tmp_path: Path) -> None:
    folder = SeedFolder.of(tmp_path, "reference", 13)
    first, second = folder.new_attempt(), folder.new_attempt()
    folder.keep(first, record(RunStatus.COULD_NOT_RUN))
    folder.keep(second, record(attempt=2))
    assert [each.name for each in folder.attempts()] == ["1", "2"]
    assert read_record(first / "run.json") == record(RunStatus.COULD_NOT_RUN)
    assert folder.record() == record(attempt=2)


@pytest.mark.parametrize(
    ("status", "again"),
    [
        (RunStatus.FINISHED, False),
        (RunStatus.FAILED, False),  # no second try to look better
        (RunStatus.COULD_NOT_RUN, True),
        (RunStatus.INTERRUPTED, True),
    ],
)
def test_only_a_seed_that_did_not_end_by_itself_is_run_again(
    tmp_path: Path, status: RunStatus, again: bool
) -> None:
    folder = SeedFolder.of(tmp_path, "reference", 13)
    assert folder.needs_run()
    folder.keep(folder.new_attempt(), record(status))
    assert folder.needs_run() is again


def test_a_machine_fault_later_does_not_hide_a_finished_seed(tmp_path: Path) -> None:
    folder = SeedFolder.of(tmp_path, "reference", 13)
    folder.keep(folder.new_attempt(), record())
    folder.keep(folder.new_attempt(), record(RunStatus.COULD_NOT_RUN, attempt=2))
    assert folder.record() == record()


def _claims(out: Path, says: Any) -> None:
    try:
        with SeedFolder.of(out, "reference", 13).claimed():
            says.put("claimed")
    except SetupError as error:
        says.put(str(error))


def test_two_runs_do_not_write_to_one_seed(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    says = context.Queue()
    with SeedFolder.of(tmp_path, "reference", 13).claimed():
        other = context.Process(target=_claims, args=(tmp_path, says))
        other.start()
        assert "another golf-run writes there" in says.get(timeout=60)
        other.join()
    with SeedFolder.of(tmp_path, "reference", 13).claimed():
        pass  # free again


@pytest.mark.parametrize("name", ["", "..", "a/b", "a\0b"])
def test_a_name_that_would_leave_the_folder_of_runs_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(SetupError, match="cannot be the name"):
        SeedFolder.of(tmp_path, name, 13)
