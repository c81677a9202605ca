from __future__ import annotations

from harness.dynamic.event_record import EventRecord
from harness.dynamic.events import PrintEvent
from harness.dynamic.score_lines import score_past_record

LINE = "final_exact val_loss:2.00000000 val_bpb:1.20000000"


def record(*lines: str) -> EventRecord:
    events = [
        PrintEvent(number=100 * number, wall=0.0, virtual=0.0, text=line, to="stdout", values=())
        for number, line in enumerate(lines)
    ]
    return EventRecord(events=tuple(events))


def test_a_log_whose_scores_were_all_printed_where_it_is_seen_has_none_past_the_record():
    assert (
        score_past_record(record("step:1/2 val_bpb:1.5", LINE), ["step:1/2 val_bpb:1.5", LINE, LINE]) is None
    )


def test_another_score_of_the_same_name_is_past_the_record():
    told = score_past_record(record(LINE), [LINE, LINE.replace("1.2000", "1.1000")])
    assert told == "final_exact 1.10000000"


def test_a_final_score_of_any_name_is_past_the_record():
    assert score_past_record(record(), [LINE]) == "final_exact 1.20000000"


def test_lines_without_a_score_are_not_looked_at():
    assert score_past_record(record(LINE), ["x" * 100_000, "val_bpb:nan", LINE]) is None
