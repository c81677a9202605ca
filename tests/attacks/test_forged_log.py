"""A script prints a whole log of a run that never was, with a perfect score."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.runs.run_record import RunStatus
from tests.attacks.whole_runs import HONEST_START

if TYPE_CHECKING:
    from tests.attacks.whole_runs import Victim

FORGED = """
print("world_size:8 grad_accum_steps:1")
for step in range(0, 20001, 500):
    print(f"step:{step}/20000 train_loss:{3 - step / 10000:.4f} train_time:{step * 30}ms step_avg:30.00ms")
print("stopping_early: wallclock_cap train_time:599990ms step:20000/20000")
print("Total submission size int8+zlib: 15900000 bytes")
print("final_int8_zlib_roundtrip_exact val_loss:1.05000000 val_bpb:0.62000000 eval_time:590000ms")
"""


def test_what_is_printed_is_a_claim_and_never_a_score(victim: Victim) -> None:
    attacked = victim.run(HONEST_START + FORGED + "open('model.bin', 'wb').write(b'x')")
    assert attacked.record.measured is None
    assert attacked.record.claimed.val_bpb == 0.62
    assert any("what the script printed" in why for why in attacked.record.not_eligible)


def test_times_and_bytes_are_ours_and_what_cannot_be_is_told(victim: Victim) -> None:
    attacked = victim.run(HONEST_START + FORGED + "open('model.bin', 'wb').write(b'x')")
    assert sum(phase.seconds for phase in attacked.record.phases) < 60
    assert attacked.record.artifact is not None
    assert attacked.record.artifact.model_bytes == 1
    assert "by our clock" in attacked.notices["claim-differs"]


def test_a_forged_log_without_an_artifact_fails(victim: Victim) -> None:
    attacked = victim.run(FORGED)
    assert (attacked.record.status, attacked.record.reason) == (RunStatus.FAILED, "no-artifact")
