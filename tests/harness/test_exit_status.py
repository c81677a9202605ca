"""Exit statuses that scripts rely on."""

from __future__ import annotations

from harness.exit_status import Exit, exit_status
from harness.verdict import Verdict


def status(
    *verdicts: Verdict, has_bug: bool = False, fails: bool = True, zero_on_review: bool = False
) -> Exit:
    return exit_status(verdicts, has_bug=has_bug, fails=fails, zero_on_review=zero_on_review)


def test_a_rejection_among_others_exits_1():
    assert status(Verdict.ACCEPT, Verdict.REJECT, Verdict.COULD_NOT_CHECK) is Exit.FAIL


def test_missing_evidence_exits_3():
    assert status(Verdict.ACCEPT, Verdict.INCOMPLETE) is Exit.REVIEW


def test_an_open_question_exits_3():
    assert status(Verdict.NEEDS_HUMAN) is Exit.REVIEW


def test_exit_zero_on_review_turns_3_into_0():
    assert status(Verdict.NEEDS_HUMAN, zero_on_review=True) is Exit.OK


def test_exit_zero_on_review_does_not_hide_a_rejection():
    assert status(Verdict.REJECT, zero_on_review=True) is Exit.FAIL


def test_a_submission_that_could_not_be_checked_exits_4():
    assert status(Verdict.ACCEPT, Verdict.COULD_NOT_CHECK) is Exit.NOT_CHECKED


def test_a_batch_with_rejections_exits_0():
    assert status(Verdict.REJECT, Verdict.ACCEPT, fails=False) is Exit.OK


def test_a_batch_in_which_nothing_could_be_checked_exits_4():
    assert status(Verdict.COULD_NOT_CHECK, Verdict.COULD_NOT_CHECK, fails=False) is Exit.NOT_CHECKED


def test_a_crashed_check_exits_70():
    assert status(Verdict.INCOMPLETE, has_bug=True) is Exit.BUG


def test_a_rejection_stands_although_another_check_crashed():
    assert status(Verdict.REJECT, has_bug=True) is Exit.FAIL
