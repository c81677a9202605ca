"""Hostile scripts end to end: bounded, never a traceback, and never a pass for hidden learning."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from harness.audit import guarded_audit
from harness.audit.events import Unresolved, Update
from harness.audit.guarded_audit import audit_submission
from harness.audit.regions import Split
from harness.check import CheckOptions, check_submission
from harness.code.guarded_process import Guard
from harness.finding import RuleVerdict
from tests.builders import good_files, make_submission, write_files
from tests.harness.audit.hostile_sources import HIDDEN_LEARNING, WASTE, script

if TYPE_CHECKING:
    from pathlib import Path

    from harness.audit.submission_audit import SubmissionAudit
    from harness.submission import Submission

# Twice what the slowest takes alone on a slow core; far below the guard.
SECONDS_AT_MOST = 60.0
ORDER_RULES = ("c3-score-before-update", "ttt-score-first", "c4-single-pass")


def audited(submission: Submission) -> SubmissionAudit:
    """The audit, within bounds and without a fault of our own."""
    start = time.monotonic()
    audit = audit_submission(submission)
    assert time.monotonic() - start < SECONDS_AT_MOST
    assert [problem for problem in audit.problems if problem.kind in {"auditor-error", "scan-error"}] == []
    return audit


def is_told(audit: SubmissionAudit) -> bool:
    """Whether learning from validation was seen, or the audit says that it could not see."""
    return (
        audit.failure is not None
        or not audit.claim.finished
        or any(isinstance(event, Unresolved) and event.on_path for event in audit.claim.events)
        or any(
            isinstance(event, Update) and event.region.split is not Split.TRAINING
            for event in audit.claim.events
        )
    )


def passes(submission: Submission) -> list[str]:
    """The rules of scoring order that pass."""
    outcomes = check_submission(submission, CheckOptions(rules=ORDER_RULES)).outcomes
    return [rule for rule in ORDER_RULES if outcomes[rule] is RuleVerdict.PASS]


@pytest.mark.parametrize("name", HIDDEN_LEARNING)
def test_hidden_learning_is_told_and_never_passes(tmp_path: Path, name: str) -> None:
    submission = make_submission(tmp_path, train_gpt__py=HIDDEN_LEARNING[name])
    assert is_told(audited(submission))
    assert passes(submission) == []


def test_learning_in_plain_sight_is_seen(tmp_path: Path) -> None:
    audit = audited(make_submission(tmp_path, train_gpt__py=script(inside="learn(x, y)")))
    assert any(isinstance(event, Update) for event in audit.claim.events)


@pytest.mark.parametrize("name", WASTE)
def test_waste_ends_soon_and_without_a_fault(tmp_path: Path, name: str) -> None:
    audited(make_submission(tmp_path, train_gpt__py=WASTE[name]))


def test_files_that_import_each_other_in_a_circle_end(tmp_path: Path) -> None:
    audited(
        make_submission(
            tmp_path,
            train_gpt__py=script("from one import *"),
            one__py="from two import *\nimport train_gpt\n",
            two__py="from one import *\nfrom two import x\n",
        )
    )


def test_two_pass_rescore_does_not_pass_on_labels_alone(tmp_path: Path) -> None:
    submission = make_submission(tmp_path, train_gpt__py=b"x = (\n")
    report = check_submission(submission, CheckOptions(rules=("two-pass-rescore",)))
    assert report.outcomes["two-pass-rescore"] is not RuleVerdict.PASS


def test_a_helper_behind_a_symlink_is_not_followed(tmp_path: Path) -> None:
    outside = tmp_path / "outside.py"
    outside.write_text("def look(x, y):\n    return None\n")
    folder = write_files(
        tmp_path, {**good_files(), "train_gpt.py": script("from hidden import look", "look(x, y)")}
    )
    (folder / "hidden.py").symlink_to(outside)
    submission = make_submission(tmp_path, train_gpt__py=script("from hidden import look", "look(x, y)"))
    assert is_told(audited(submission))
    assert passes(submission) == []


@pytest.mark.parametrize(
    "data",
    [
        b"x = '\xff\xfe\x80'\n" + script().encode(),
        "# coding: latin-1\nname = 'é'\n".encode("latin-1") + script().encode(),
        script("é = 'Ω' * 3").encode("utf-16"),
        b"\x00" + script().encode(),
        b"\xff" * 1_000,
        b"",
        b"x = (\n",
        b"x = " + b"(" * 5_000,
    ],
    ids=["bad bytes", "latin-1", "utf-16", "null", "no text", "empty", "unclosed", "too deep"],
)
def test_strange_bytes_end_without_a_fault_or_a_pass(tmp_path: Path, data: bytes) -> None:
    submission = make_submission(tmp_path, train_gpt__py=data)
    audited(submission)
    if b"final" not in data.replace(b"\x00", b""):
        assert passes(submission) == []


@pytest.mark.parametrize(
    ("guard", "limit", "name"),
    [
        (Guard(cpu_seconds=1, wall_seconds=60.0), "cpu", "doubling calls"),
        (Guard(wall_seconds=0.05), "wall", "doubling calls"),
        (Guard(reply_bytes=200), "reply", "long chain"),
    ],
)
def test_a_limit_of_the_process_is_a_reason_not_a_pass(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, guard: Guard, limit: str, name: str
) -> None:
    monkeypatch.setattr(guarded_audit, "GUARD", guard)
    submission = make_submission(tmp_path, train_gpt__py=WASTE[name])
    audit = audit_submission(submission)
    assert f"({limit})" in (audit.failure or "")
    assert audit.profiles == ()
    assert not audit.claim.finished
    assert passes(submission) == []
