from __future__ import annotations

from harness.dynamic.event_record import EventRecord
from harness.dynamic.events import ForwardEvent, PrintEvent, StepEvent
from harness.dynamic.run_phase import phase_of


def passed(number: int, source: str) -> ForwardEvent:
    return ForwardEvent(
        number=number, wall=0.0, virtual=0.0, source=source, shape=(2, 8), rows=(), rows_left_out=0,
        grad=source == "train", weights=None,
    )  # fmt: skip


def stepped(number: int) -> StepEvent:
    return StepEvent(number=number, wall=0.0, virtual=0.0, optimizer="Adam", source="train", rate=None)


def printed(number: int, text: str) -> PrintEvent:
    return PrintEvent(number=number, wall=0.0, virtual=0.0, text=text, to="stdout", values=())


def test_the_phase_is_that_of_what_went_through_a_model_last():
    train = (passed(1, "train"), stepped(2))
    assert phase_of(EventRecord(events=train)) == "in training, after 1 optimizer step"
    told = phase_of(EventRecord(events=(*train, passed(3, "val"), passed(4, "val"))))
    assert told == "in evaluation, after 2 passes over validation tokens"


def test_a_score_behind_the_last_pass_is_told():
    events = (passed(1, "val"), printed(2, "final val_bpb:1.25"))
    assert phase_of(EventRecord(events=events)) == "in evaluation, after a score was printed"


def test_without_a_pass_it_is_before_all_and_without_a_record_unknown():
    assert phase_of(EventRecord(events=(), sealed=False)) == "before any known token went through a model"
    assert phase_of(EventRecord(events=())) == ""
