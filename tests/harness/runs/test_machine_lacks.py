from __future__ import annotations

import sys
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from harness.runs.machine_lacks import LACKS, blamed_rightly
from harness.runs.run_record import RunStatus
from tests.harness.runs.test_run_summary import record

if TYPE_CHECKING:
    from pathlib import Path

    from harness.runs.run_record import RunRecord

FAILED = record(13, None, status=RunStatus.FAILED, reason="script-error", machine={"gpus": []})


def blamed(tmp_path: Path, log: str, before: RunRecord = FAILED) -> RunRecord:
    (tmp_path / "train.log").write_text(log)
    return blamed_rightly(before, (tmp_path / "train.log", tmp_path / "evaluate.log"))


@pytest.mark.parametrize(
    ("log", "reason"),
    [
        ("RuntimeError: CUDA is required\n", "needs-gpu"),
        ("RuntimeError: Found no NVIDIA driver on your system.\n", "needs-gpu"),
        ("ModuleNotFoundError: No module named 'flash_attn_interface'\n", "missing-package"),
    ],
)
def test_what_the_machine_lacks_is_no_failure_of_the_submission(
    tmp_path: Path, log: str, reason: str
) -> None:
    found = blamed(tmp_path, "step:1\nTraceback ...\n" + log)
    assert (found.status, found.reason) == (RunStatus.COULD_NOT_RUN, reason)
    assert reason in LACKS


@pytest.mark.skipif(sys.version_info >= (3, 12), reason="this Python knows these f-strings")
def test_an_f_string_of_a_newer_python_is_no_failure_of_the_submission(tmp_path: Path) -> None:
    found = blamed(tmp_path, "SyntaxError: f-string: expecting '}'\n")
    assert found.reason == "needs-newer-python"


@pytest.mark.parametrize("log", ["ValueError: loss is nan\n", "", "SyntaxError: invalid syntax\n"])
def test_an_error_of_its_own_stays_a_failure(tmp_path: Path, log: str) -> None:
    assert blamed(tmp_path, log) == FAILED


def test_a_machine_with_gpus_lacks_none(tmp_path: Path) -> None:
    with_gpu = replace(FAILED, machine={"gpus": [{"name": "NVIDIA H100"}]})
    assert blamed(tmp_path, "RuntimeError: CUDA error: device-side assert\n", with_gpu) == with_gpu


def test_a_broken_limit_is_not_excused_by_words(tmp_path: Path) -> None:
    over = replace(FAILED, reason="time-limit")
    assert blamed(tmp_path, "RuntimeError: CUDA is required\n", over) == over


def test_the_log_of_the_last_step_says_why(tmp_path: Path) -> None:
    (tmp_path / "evaluate.log").write_text("ValueError: loss is nan\n")
    assert blamed(tmp_path, "no GPU was found, going on without\n") == FAILED


TAKEN = "torch.distributed.DistNetworkError: EADDRINUSE: failed to bind to 127.0.0.1:29500\n"


def test_a_port_that_another_program_took_is_a_fault_of_the_machine_that_passes(tmp_path: Path) -> None:
    found = blamed(tmp_path, TAKEN)
    assert (found.status, found.reason) == (RunStatus.COULD_NOT_RUN, "machine-fault")
    assert found.reason not in LACKS  # so that the seed is tried again


def test_in_a_network_of_its_own_only_the_script_can_have_taken_a_port(tmp_path: Path) -> None:
    alone = replace(FAILED, protections=("no-network", "loopback-only"))
    assert blamed(tmp_path, TAKEN, alone).status is RunStatus.FAILED
