from __future__ import annotations

from typing import TYPE_CHECKING

from harness.finding import RuleVerdict
from tests.rules.audited import judged, primary_line
from tests.rules.order_events import STEPPED, epochs, plain

if TYPE_CHECKING:
    from pathlib import Path

RULE = "ttt-multi-epoch"


def test_the_loss_of_a_later_epoch_fails(tmp_path: Path) -> None:
    finding = judged(RULE, tmp_path, epochs(counted=1))
    assert finding.verdict is RuleVerdict.FAIL
    assert primary_line(finding) == STEPPED
    assert "a loop (3 epochs) repeats the same validation tokens" in finding.message


def test_the_loss_of_the_first_epoch_does_not(tmp_path: Path) -> None:
    assert judged(RULE, tmp_path, epochs(counted=0)).verdict is not RuleVerdict.FAIL


def test_an_unknown_number_of_epochs_asks(tmp_path: Path) -> None:
    finding = judged(RULE, tmp_path, epochs(counted=1, trips=None))
    assert finding.verdict is RuleVerdict.NEEDS_HUMAN
    assert "how often the loop repeats is not known" in finding.message


def test_it_does_not_apply_without_repetition(tmp_path: Path) -> None:
    assert judged(RULE, tmp_path, plain()).verdict is RuleVerdict.NOT_APPLICABLE
