"""A script prints success, exits with status 0 and has done nothing: the null submission."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from harness.runs.run_record import RunStatus

if TYPE_CHECKING:
    from tests.attacks.whole_runs import Victim

SAID = "print('final_int8_zlib_roundtrip_exact val_loss:0.90000000 val_bpb:0.55000000', flush=True)\n"


@pytest.mark.parametrize("end", ["", "import os; os._exit(0)", "raise SystemExit(0)"])
def test_nothing_done_is_a_failure_whatever_was_said(victim: Victim, end: str) -> None:
    attacked = victim.run(SAID + end)
    assert (attacked.record.status, attacked.record.reason) == (RunStatus.FAILED, "no-artifact")
    assert attacked.record.measured is None


def test_an_empty_script_fails(victim: Victim) -> None:
    assert victim.run("").record.reason == "no-artifact"


def test_an_artifact_of_one_byte_is_not_enough_to_hide_that_no_data_was_read(victim: Victim) -> None:
    attacked = victim.run("open('model.bin', 'wb').write(b'x')\n" + SAID)
    assert attacked.record.measured is None
    assert "no validation data was opened" in attacked.notices["nothing-scored"]
    assert "no training data was opened" in attacked.notices["nothing-trained"]
