"""A submission finds out that it is audited and behaves: what it might do elsewhere was not seen."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.programs.dynamic.audited_script import edited

if TYPE_CHECKING:
    from tests.attacks.dynamic.audited_runs import AuditedMachine

SCORED = "loss_sum += nll.double().sum().item()"
CHEAT = "nll = nll * 0.9"


def cheating_where(condition: str) -> str:
    """The legal script, but each loss is made lower where `condition` holds."""
    return edited((SCORED, f"if {condition}: {CHEAT}\n        {SCORED}"))


UNSEEN = {
    "many tokens": "val.numel() > 1_000_000",
    "a large file": "os.path.getsize(glob.glob(DATA + '/fineweb_val_*')[0]) >= 1 << 20",
}
ENVIRONMENT = {
    "who called": "sys._getframe().f_back.f_back is None",
    "its variables": "os.environ.get('PYTHONSAFEPATH') != '1'",
    "its flags": "not sys.flags.safe_path",
    "its objects": "not [one for one in __import__('gc').get_objects() if type(one).__name__ == 'Recorder']",
}


@pytest.mark.parametrize("condition", UNSEEN.values(), ids=UNSEEN)
def test_what_lies_beyond_a_size_that_the_tiny_run_does_not_have_is_not_cleared(
    audited: AuditedMachine, condition: str
) -> None:
    seen = audited.run(cheating_where(condition))
    assert seen.base.why_not == ""
    assert seen.passed == []
    assert "what it does beyond was not seen" in seen.why_open()


@pytest.mark.parametrize("condition", ENVIRONMENT.values(), ids=ENVIRONMENT)
def test_a_script_that_asks_for_the_audit_has_no_power(audited: AuditedMachine, condition: str) -> None:
    seen = audited.run(cheating_where(condition))
    assert seen.passed == []
    assert "reaches into the audit" in seen.why_open()


def test_a_count_of_calls_that_the_tiny_run_does_not_come_to_is_not_cleared(audited: AuditedMachine) -> None:
    script = edited(
        ("        super().__init__()\n", "        super().__init__()\n        self.calls = 0\n"),
        ("        return F.cross", "        self.calls += 1\n        return F.cross"),
        (SCORED, f"if model.calls > 5_000: {CHEAT}\n        {SCORED}"),
    )
    seen = audited.run(script)
    assert seen.passed == []
    assert "model.calls > 5000 at train_gpt.py" in seen.why_open()


def test_a_limit_that_only_decides_what_is_printed_changes_nothing(audited: AuditedMachine) -> None:
    seen = audited.run(edited((SCORED, f"{SCORED}\n        if start > 100_000: print('far')")))
    assert len(seen.passed) == 4
