from __future__ import annotations

import importlib.util
import sys
from typing import TYPE_CHECKING, Any

import pytest

from harness.errors import SetupError, SubmissionError, UsageError
from harness.machine.gpus import Gpu, GpuSet
from harness.machine.machine_check import Machine
from harness.runs.run_data import checked_data
from harness.runs.run_plan import RunRequest, found_submission, plan_run
from harness.runs.seed_runs import on_this_machine
from harness.runs.stop_signals import stop_asked
from harness.tokens.shard_file import write_shard
from tests.harness.runs.toy_runs import toy_data, toy_submission
from tests.harness.tokens.tiny_tokenizer import tiny_tokenizer

if TYPE_CHECKING:
    from pathlib import Path

    from harness.runs.run_plan import RunPlan

pytestmark = pytest.mark.skipif(
    not sys.platform.startswith("linux") or importlib.util.find_spec("inotify_simple") is None,
    reason="golf-run runs on Linux with the extra run",
)


def machine(gpus: int = 0, **changed: Any) -> Machine:
    usual: dict[str, Any] = {
        "index": 0, "uuid": "GPU-0", "name": "NVIDIA H100 80GB HBM3", "driver": "550", "memory_mib": 81559.0,
        "memory_used_mib": 4.0, "max_clock_mhz": 1980.0, "slowed_by": 0, "power_limit_w": 700.0,
        "default_power_limit_w": 700.0, "has_mig": False, "uncorrected_errors": 0,
    }  # fmt: skip
    cards = tuple(Gpu(**{**usual, **changed, "index": number}) for number in range(gpus))
    return Machine(
        host_system="Linux 6", cpu="a processor", cpus=8, memory_bytes=10**10, free_disk_bytes=10**12,
        gpu_set=GpuSet(gpus=cards, links=("NV18",) if gpus > 1 else None),
    )  # fmt: skip


def planned(tmp_path: Path, gpus: int = 0, **asked: Any) -> RunPlan:
    usual: dict[str, Any] = {
        "submission": str(toy_submission(tmp_path)), "seeds": (13,), "data": toy_data(tmp_path),
        "out": tmp_path / "runs",
    }  # fmt: skip
    return plan_run(RunRequest(**{**usual, **asked}), machine(gpus))


@pytest.mark.parametrize(
    ("gpus", "asked", "track", "ranks"),
    [
        (0, {}, "smoke", 0),
        (1, {}, "record-10min-16mb", 1),
        (8, {}, "record-10min-16mb", 8),
        (0, {"track": "record-10min-16mb"}, "record-10min-16mb", 0),
        (0, {"track": "record-10min-16mb", "ranks": 2}, "record-10min-16mb", 2),
        (0, {"is_remote": True}, "record-10min-16mb", 8),
        (8, {"track": "smoke"}, "smoke", 0),
    ],
)
def test_track_and_ranks_follow_the_machine_unless_they_are_named(
    tmp_path: Path, gpus: int, asked: dict[str, Any], track: str, ranks: int
) -> None:
    plan = planned(tmp_path, gpus, **asked)
    assert (plan.track.name, plan.track.ranks) == (track, ranks)


def test_the_whole_machine_of_the_track_is_record_eligible_and_others_are_not(tmp_path: Path) -> None:
    job = planned(tmp_path, 8).jobs[0]
    assert on_this_machine(job, machine(8)).not_eligible == ()
    assert on_this_machine(job, machine(8, has_mig=True)).not_eligible
    with pytest.raises(SetupError, match="8 ranks need 8 GPUs"):
        on_this_machine(job, machine(1))


def test_a_busy_gpu_stops_the_run_before_it_begins(tmp_path: Path) -> None:
    job = planned(tmp_path, 8).jobs[0]
    with pytest.raises(SetupError, match="MiB in use before the run"):
        on_this_machine(job, machine(8, memory_used_mib=9000.0))


def test_settings_of_the_track_are_defaults(tmp_path: Path) -> None:
    assert planned(tmp_path / "a").jobs[0].settings == {"OMP_NUM_THREADS": "1"}
    plan = planned(tmp_path / "b", settings={"OMP_NUM_THREADS": "4", "A": "1"})
    assert plan.jobs[0].settings == {"A": "1", "OMP_NUM_THREADS": "4"}


def test_all_seeds_are_held_to_the_same_bytes(tmp_path: Path) -> None:
    plan = planned(tmp_path, seeds=(13, 14), extra_seeds=1)
    assert len({job.code_digest for job in plan.jobs}) == 1
    assert len(plan.jobs[0].code_digest) == 64
    assert [job.seed for job in plan.jobs[:2]] == [13, 14]
    assert plan.jobs[2].seed == plan.secret_seeds[0]


def test_another_byte_of_data_is_other_data(tmp_path: Path) -> None:
    data = toy_data(tmp_path)
    before = checked_data(data).digest
    assert checked_data(data).digest == before
    import numpy as np

    write_shard(data / "fineweb_val_000000.bin", np.zeros(300, dtype=np.uint16))
    assert checked_data(data).digest != before


def test_the_tokenizer_beside_the_shards_is_found(tmp_path: Path) -> None:
    data = toy_data(tmp_path)
    (data / "tiny.model").write_bytes(tiny_tokenizer().read_bytes())
    assert checked_data(data).tokenizer == data.resolve() / "tiny.model"


def test_the_shipped_submissions_are_found_by_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert found_submission(None).name == "reference"
    assert (
        found_submission("reference") == found_submission("submissions/reference") == found_submission(None)
    )
    assert found_submission("submissions/reference/") == found_submission(None)  # as a shell completes it
    with pytest.raises(SubmissionError, match="no submission of that name is shipped"):
        found_submission("submissions/none")


def test_a_folder_of_ones_own_comes_before_a_shipped_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert found_submission(str(toy_submission(tmp_path, name="reference").name)) == tmp_path / "reference"


def test_an_empty_name_is_not_the_folder_one_is_in() -> None:
    with pytest.raises(UsageError, match="SUBMISSION is an empty text"):
        found_submission("")


def test_a_link_out_of_the_folder_is_told_with_the_folder(tmp_path: Path) -> None:
    folder = toy_submission(tmp_path / "linked")
    (folder / "link").symlink_to("/etc/passwd")
    with pytest.raises(SubmissionError, match="/toy: link: a link that leads out of the folder"):
        planned(tmp_path, submission=str(folder))


def test_a_record_track_needs_data(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="needs --data DIR"):
        planned(tmp_path, 8, data=None)


def test_blocks_of_signals_within_each_other_all_hear_of_one() -> None:
    import os
    import signal

    with stop_asked() as outer:
        with stop_asked() as inner:
            os.kill(os.getpid(), signal.SIGTERM)
            assert inner()
        assert outer()
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL


def test_a_second_signal_interrupts_at_once() -> None:
    import os
    import signal

    with stop_asked() as asked:
        os.kill(os.getpid(), signal.SIGINT)
        assert asked()
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)
