from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest

from harness.dynamic import run_ladder
from harness.dynamic.audit_subject import AuditSubject
from harness.dynamic.run_causes import CauseKind, RunCause
from harness.dynamic.run_ladder import LadderStep, climb
from harness.dynamic.shrinking import ShrinkChoice
from harness.dynamic.vocabulary_choice import choose_vocabulary
from tests.harness.dynamic.test_shrinking import HYPER, knobs_of


@pytest.fixture
def subject():
    knobs = knobs_of(HYPER)
    return AuditSubject(
        folder=Path("/nowhere"),
        entry="train_gpt.py",
        knobs=knobs,
        profile=None,
        claimed={"TTT_EPOCHS": "2"},
        notes=(),
        vocabulary=choose_vocabulary(knobs, {}),
    )


def climbed(subject, monkeypatch, *causes):
    """The attempts when the runs end with these causes, one after the other."""
    left = list(causes)

    def run(folder, plan, *_, **__):
        return SimpleNamespace(cause=left.pop(0), plan=plan)

    monkeypatch.setattr(run_ladder, "run_child", run)
    return climb(subject, None, None)


def cause(kind, *names, message=""):
    return RunCause(kind=kind, message=message, names=frozenset(names))


def test_a_run_that_reaches_its_score_is_the_only_one(subject, monkeypatch):
    assert [one.step for one in climbed(subject, monkeypatch, None)] == [LadderStep.SMALL]


def test_settings_named_by_the_error_are_kept_next(subject, monkeypatch):
    first, second = climbed(subject, monkeypatch, cause(CauseKind.SETTINGS, "train_seq_len"), None)
    assert second.step is LadderStep.NAMED_KEPT
    assert first.plan.environment["TRAIN_SEQ_LEN"] == "256"
    assert "TRAIN_SEQ_LEN" not in second.plan.environment


def test_the_least_that_an_error_allows_is_taken(subject, monkeypatch):
    refusal = cause(CauseKind.SETTINGS, "train_seq_len", message="TRAIN_SEQ_LEN must be >=1,024, got 256")
    _, second = climbed(subject, monkeypatch, refusal, None)
    assert second.plan.environment["TRAIN_SEQ_LEN"] == "1024"


def test_a_claimed_setting_that_does_not_fit_tiny_data_is_dropped(subject, monkeypatch):
    _, second = climbed(subject, monkeypatch, cause(CauseKind.SETTINGS, "ttt_epochs"), None)
    assert second.step is LadderStep.NAMED_KEPT
    assert second.plan.environment["TTT_EPOCHS"] == "3"


def test_an_error_that_names_nothing_leads_to_whole_limits_the_own_width_and_the_defaults(
    subject, monkeypatch
):
    broken = cause(CauseKind.SETTINGS)
    attempts = climbed(subject, monkeypatch, *[broken] * 4)
    assert [one.step for one in attempts] == [
        LadderStep.SMALL,
        LadderStep.WHOLE_LIMITS,
        LadderStep.OWN_WIDTH,
        LadderStep.DEFAULTS,
    ]
    assert [one.plan.element_scale for one in attempts[:2]] == [1 / 64, 1.0]


def test_a_run_that_took_too_long_is_tried_once_more_with_fewer_steps(subject, monkeypatch):
    late = cause(CauseKind.TIME)
    attempts = climbed(subject, monkeypatch, late, late)
    assert [one.step for one in attempts] == [LadderStep.SMALL, LadderStep.FEW_STEPS]
    assert attempts[1].plan.literals["iterations"] == 2


def test_without_a_package_the_defaults_are_tried_and_nothing_else(subject, monkeypatch):
    missing = cause(CauseKind.MISSING_MODULE)
    attempts = climbed(subject, monkeypatch, missing, missing)
    assert [one.step for one in attempts] == [LadderStep.SMALL, LadderStep.DEFAULTS]


def test_a_missing_package_is_not_tried_again_where_no_setting_was_claimed(subject, monkeypatch):
    unclaimed = replace(subject, claimed={})
    assert len(climbed(unclaimed, monkeypatch, cause(CauseKind.CUDA_MODULE))) == 1


def test_few_steps_take_as_long_on_the_clock_as_many(subject):
    few = subject.plan(subject.shrunk(ShrinkChoice(steps=2)))
    many = subject.plan(subject.shrunk(ShrinkChoice(steps=6)))
    assert few.train_backward_seconds == 3 * many.train_backward_seconds == 33.75
