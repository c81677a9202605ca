from __future__ import annotations

from typing import TYPE_CHECKING

from harness.audit.program import Program
from harness.audit.scans.scanned_program import ProgramIndex, ScannedProgram
from harness.audit.scans.stored_targets import scan_stored_targets
from harness.finding import RuleVerdict
from tests.harness.audit.audit_builder import audit_of
from tests.rules.audited import judged, lines
from tests.rules.order_events import READ, Trace

if TYPE_CHECKING:
    from pathlib import Path

    from harness.audit.events import Event
    from harness.finding import Finding

RULE = "no-paid-prefix"


def _written(*, with_tokens: bool) -> tuple[Event, ...]:
    trace = Trace()
    trace.export(reads=(trace.read,) if with_tokens else ())
    return trace.printed(trace.score())


def test_validation_tokens_that_are_written_ask(tmp_path: Path) -> None:
    finding = judged(RULE, tmp_path, _written(with_tokens=True))
    assert finding.verdict is RuleVerdict.NEEDS_HUMAN
    assert lines(finding) == [READ, 70]


def test_a_file_without_them_is_still_no_pass(tmp_path: Path) -> None:
    assert judged(RULE, tmp_path, _written(with_tokens=False)).verdict is RuleVerdict.NOT_CHECKED


SCRIPT = """\
import torch.nn.functional as F


def evaluate(model, x, y, stored, begin):
    logits = model(x)
    nll = F.cross_entropy(logits, y.reshape(-1), reduction="none")
    known = stored[begin : begin + y.numel()]
    right = known == y.reshape(-1)
    nll *= (~right).float()
    return nll.sum()


evaluate(None, None, None, None, 0)
"""


def _scanned(root: Path, script: str) -> Finding:
    program = Program(entry="train_gpt.py", sources={"train_gpt.py": script})
    facts = {"stored_targets": scan_stored_targets(ProgramIndex(ScannedProgram(program)))}
    return judged(RULE, root, (), audit=audit_of(scans=facts), script=script)


def test_a_loss_that_vanishes_where_a_stored_token_is_right_asks(tmp_path: Path) -> None:
    finding = _scanned(tmp_path, SCRIPT)
    assert finding.verdict is RuleVerdict.NEEDS_HUMAN
    assert lines(finding) == [8, 9]


def test_padding_is_no_store(tmp_path: Path) -> None:
    padded = SCRIPT.replace("known == y.reshape(-1)", "y.reshape(-1) == -1")
    assert _scanned(tmp_path, padded).verdict is RuleVerdict.NOT_CHECKED


def test_a_guess_of_the_model_is_no_store(tmp_path: Path) -> None:
    guessed = SCRIPT.replace("stored[begin : begin + y.numel()]", "logits[begin:].argmax(-1)")
    assert _scanned(tmp_path, guessed).verdict is RuleVerdict.NOT_CHECKED
