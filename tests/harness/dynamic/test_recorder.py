from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING

import numpy as np
import pytest

from harness.dynamic.child.capture import recorder as recorder_module
from harness.dynamic.child.capture.recorder import Recorder
from harness.dynamic.event_record import read_event_record, take_keys
from harness.dynamic.events import IncrementEvent, ReductionEvent

if TYPE_CHECKING:
    from pathlib import Path

    from harness.dynamic.event_record import EventRecord


def _recorder(folder: Path) -> Recorder:
    return Recorder(folder, rank=0, world_size=1, tell_key=False)


def _filled(folder: Path) -> str:
    recorder = _recorder(folder)
    cited = recorder.array(np.array([1.5, 2.5]), site="a.py:1:0 nll.sum")
    recorder.event("red", site="a.py:1:0 nll.sum", op="sum", value=4.0, size=2, array=cited)
    recorder.event("aug", site="a.py:1:0 total", op="+", value=4.0, before=0.0, whole=False)
    recorder.close()
    return recorder.key


def _edited(folder: Path, key: str, change: object) -> EventRecord:
    path = folder / "events.jsonl"
    lines = path.read_bytes().split(b"\n")
    assert callable(change)
    path.write_bytes(b"\n".join(change(lines)))
    return read_event_record(folder, key=key)


def test_what_was_recorded_is_read_again(tmp_path: Path) -> None:
    record = read_event_record(tmp_path, key=_filled(tmp_path))
    reduction, increment = record.events
    assert isinstance(reduction, ReductionEvent)
    assert isinstance(increment, IncrementEvent)
    assert reduction.array is not None
    assert reduction.array.tolist() == [1.5, 2.5]
    assert (increment.value, increment.before) == (4.0, 0.0)
    assert record.sealed
    assert record.why_powerless() is None


def test_a_pass_over_tokens_beyond_the_stream_is_no_event(tmp_path: Path) -> None:
    recorder = _recorder(tmp_path)
    row = ["val", 1, 2049, 0]
    recorder.event("fw", source="val", shape=[1, 2049], grad=False, rows=[row], rows_left_out=0, weights=None)
    recorder.close()
    record = read_event_record(tmp_path, key=recorder.key, validation_tokens=2049)
    assert record.events == ()
    assert "tokens beyond the 2,049" in (record.why_powerless() or "")
    assert read_event_record(tmp_path, key=recorder.key, validation_tokens=2050).problems == ()


@pytest.mark.parametrize(
    "fields",
    [{"dropped": [1]}, {"dropped": {"x": "y"}}, {"dropped": {}, "reached": 5}],
    ids=["list", "no number", "no places"],
)
def test_an_end_of_other_types_is_no_end(tmp_path: Path, fields: dict[str, object]) -> None:
    recorder = _recorder(tmp_path)
    recorder.event("end", events=1, **fields)
    recorder.flush()
    assert "is no event" in read_event_record(tmp_path, key=recorder.key).problems[0]


def test_an_array_cited_by_nothing_is_no_event(tmp_path: Path) -> None:
    recorder = _recorder(tmp_path)
    recorder.event("red", op="sum", value=4.0, size=2, array=[], site="a.py:1:0 nll.sum")
    recorder.close()
    assert "is no event" in read_event_record(tmp_path, key=recorder.key).problems[0]


def test_a_changed_value_breaks_the_seal(tmp_path: Path) -> None:
    key = _filled(tmp_path)
    record = _edited(tmp_path, key, lambda lines: [line.replace(b"4.0", b"3.0") for line in lines])
    assert record.sealed is False
    assert "forged" in (record.why_powerless() or "")


def test_a_line_taken_out_breaks_the_seal_even_when_renumbered(tmp_path: Path) -> None:
    def without_one(lines: list[bytes]) -> list[bytes]:
        return [
            line.replace(b'"n":3', b'"n":2').replace(b'"n":4', b'"n":3') for line in lines[:2] + lines[3:]
        ]

    assert _edited(tmp_path, _filled(tmp_path), without_one).problems


def test_a_record_written_by_somebody_without_the_key_is_not_believed(tmp_path: Path) -> None:
    (tmp_path / "one").mkdir()
    (tmp_path / "two").mkdir()
    key = _filled(tmp_path / "one")
    _filled(tmp_path / "two")
    assert read_event_record(tmp_path / "two", key=key).problems
    assert not read_event_record(tmp_path / "two").problems  # without a key nobody can tell


def test_changed_arrays_are_noticed(tmp_path: Path) -> None:
    key = _filled(tmp_path)
    (tmp_path / "arrays.f64").write_bytes(np.array([1.5, 2.0]).tobytes())
    assert "not what was written" in read_event_record(tmp_path, key=key).problems[0]


def test_a_record_without_an_end_has_no_power(tmp_path: Path) -> None:
    record = _edited(tmp_path, _filled(tmp_path), lambda lines: [*lines[:-2], b""])
    assert "no end" in (record.why_powerless() or "")


def test_a_script_that_replaces_the_files_by_name_changes_nothing_unnoticed(tmp_path: Path) -> None:
    recorder = _recorder(tmp_path)
    (tmp_path / "events.jsonl").unlink()
    (tmp_path / "events.jsonl").write_text('{"n":0,"k":"end","w":0,"vt":0,"events":0,"dropped":{},"m":"0"}\n')
    recorder.close()
    assert read_event_record(tmp_path, key=recorder.key).problems


@pytest.mark.parametrize(
    "text",
    [
        b"not json\n",
        b"[1]\n",
        b'{"n":0,"k":"print"}\n',
        b'{"n":0,"k":["start"],"m":"0"}\n',
        b'{"n":0,"k":"red","w":0,"vt":0,"site":"s","op":"sum","value":1,"size":1,"array":[0,9],"m":"0"}\n',
        b'{"n":0,"k":"aug","w":1e999,"vt":0,"site":"s","op":"+","value":true,"before":0,"whole":true,"m":"0"}\n',
        b"[" * 100_000 + b"\n",
        b"\x00\xff\n",
        b"",
    ],
)
def test_hostile_lines_are_a_problem_and_never_an_error(tmp_path: Path, text: bytes) -> None:
    (tmp_path / "events.jsonl").write_bytes(text)
    (tmp_path / "arrays.f64").write_bytes(b"")
    record = read_event_record(tmp_path)
    assert record.problems
    assert record.why_powerless()


def test_links_pipes_and_missing_files_are_not_read(tmp_path: Path) -> None:
    key = _filled(tmp_path)
    (tmp_path / "elsewhere").write_bytes((tmp_path / "events.jsonl").read_bytes())
    (tmp_path / "events.jsonl").unlink()
    assert "cannot be read" in read_event_record(tmp_path, key=key).problems[0]
    (tmp_path / "events.jsonl").symlink_to(tmp_path / "elsewhere")
    assert "cannot be read" in read_event_record(tmp_path, key=key).problems[0]
    (tmp_path / "events.jsonl").unlink()
    os.mkfifo(tmp_path / "events.jsonl")
    assert "no ordinary file" in read_event_record(tmp_path, key=key).problems[0]


def test_a_full_site_is_told_and_takes_power_from_those_who_look_at_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recorder_module, "MOST_SITE_EVENTS", 3)
    recorder = _recorder(tmp_path)
    for _ in range(5):
        recorder.event("aug", site="here", op="+", value=1.0, before=0.0, whole=False)
    recorder.close()
    record = read_event_record(tmp_path, key=recorder.key)
    assert len(record.events) == 3
    assert record.dropped == {"here": 2}
    assert "2 of its values" in (record.why_powerless(["here"]) or "")
    assert record.why_powerless(["elsewhere"]) is None


def test_a_full_record_takes_power_from_everybody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recorder_module, "MOST_EVENTS", 4)
    recorder = _recorder(tmp_path)
    for _ in range(9):
        recorder.event("backward", source="val")
    recorder.close()
    assert "is full" in (read_event_record(tmp_path, key=recorder.key).why_powerless() or "")


def test_equal_arrays_are_kept_once(tmp_path: Path) -> None:
    recorder = _recorder(tmp_path)
    first = recorder.array(np.arange(3.0), site="a")
    assert recorder.array(np.arange(3.0), site="b") == first
    recorder.close()
    assert (tmp_path / "arrays.f64").stat().st_size == 24


def test_a_forked_process_writes_nothing_into_the_record(tmp_path: Path) -> None:
    recorder = _recorder(tmp_path)
    child = os.fork()
    if child == 0:
        recorder.event("backward", source="val")
        recorder.close()
        os._exit(0)
    os.waitpid(child, 0)
    recorder.close()
    assert not read_event_record(tmp_path, key=recorder.key).events


def test_only_the_first_key_of_a_rank_counts() -> None:
    lines = ["golf-record 0 " + "a" * 32, "hello", "golf-record 0 " + "b" * 32, "golf-record 1 " + "c" * 32]
    keys, rest = take_keys(lines)
    assert keys == {0: "a" * 32, 1: "c" * 32}
    assert rest == ["hello", "golf-record 0 " + "b" * 32]


def test_infinite_values_survive(tmp_path: Path) -> None:
    recorder = _recorder(tmp_path)
    recorder.event("aug", site="s", op="+", value=float("inf"), before=float("-inf"), whole=False)
    recorder.close()
    (event,) = read_event_record(tmp_path, key=recorder.key).of(IncrementEvent)
    assert (event.value, event.before) == (float("inf"), float("-inf"))
    assert all(json.loads(line) for line in (tmp_path / "events.jsonl").read_text().splitlines())
