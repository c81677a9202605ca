"""Events survive the way through JSON exactly, and what is not an event is refused."""

from __future__ import annotations

import json
import typing
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.audit import events, regions
from harness.audit.event_json import EVENT_TYPES, audit_json, event_json, read_audit, read_event
from harness.audit.events import Event, ProfileAudit, Spot, Update
from harness.audit.regions import Region, Split

_NUMBERS = st.integers(0, 10**6)
_SPANS = st.tuples(st.none() | _NUMBERS, st.none() | _NUMBERS)
st.register_type_strategy(
    Region,
    st.builds(
        Region,
        split=st.sampled_from(Split),
        loops=st.lists(st.tuples(_NUMBERS, _SPANS), max_size=3).map(tuple),
        is_exact=st.booleans(),
    ),
)


def events_of(kind: type[Event]) -> st.SearchStrategy[Event]:
    hints = typing.get_type_hints(kind, globalns=vars(events), localns=vars(regions))
    return st.builds(kind, **{name: st.from_type(hint) for name, hint in hints.items()})


@pytest.mark.parametrize("name", sorted(EVENT_TYPES))
def test_every_event_type_survives_the_way_through_json(name: str) -> None:
    @settings(max_examples=15, deadline=None)
    @given(events_of(EVENT_TYPES[name]))
    def survives(event: Event) -> None:
        assert read_event(json.loads(json.dumps(event_json(event)))) == event

    survives()


def update(**facts: Any) -> Update:
    where = Spot(file="train_gpt.py", line=7)
    kind = events.StateKind.WEIGHTS
    known = {"id": 1, "at": where, "state": 2, "kind": kind, "name": "model", "how": "optimizer step"}
    return Update(**{**known, "region": Region(split=Split.VALIDATION), **facts})


def test_fields_at_their_default_take_no_space() -> None:
    assert "reads" not in event_json(update())
    assert event_json(update(reads=(3,)))["reads"] == [3]


def test_a_profile_survives_the_way_through_json() -> None:
    audit = ProfileAudit(profile="run.sh", events=(update(),), finished=False, nodes=9, configured=("adapt",))
    assert read_audit(json.loads(json.dumps(audit_json(audit)))) == audit


@pytest.mark.parametrize(
    "change",
    [
        {"event": "Nothing"},
        {"event": "Event"},
        {"id": "1"},
        {"id": True},
        {"at": ["train_gpt.py"]},
        {"at": None},
        {"kind": "soul"},
        {"region": {"split": "validation"}},
        {"region": {"split": "validation", "loops": [[1, [0, "x"]]], "is_exact": True}},
        {"loops": [[1, 2, 3]]},
        {"reads": [None]},
        {"surprise": 1},
    ],
)
def test_what_was_not_written_by_us_is_refused(change: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"\S"):
        read_event({**event_json(update()), **change})


def test_a_missing_field_is_refused() -> None:
    data = event_json(update())
    del data["region"]
    with pytest.raises(ValueError, match="without region"):
        read_event(data)


def test_where_events_lie_is_written_once() -> None:
    where = (Spot(file="train_gpt.py", line=3),)
    audit = ProfileAudit(profile="one", events=(update(calls=where), update(id=2, calls=where)))
    data = audit_json(audit)
    assert data["tables"] == {"calls": [[["train_gpt.py", 3]]], "loops": []}
    assert [event["calls"] for event in data["events"]] == [0, 0]
    assert read_audit(json.loads(json.dumps(data))) == audit


@pytest.mark.parametrize("number", [1, -1, True, "0", [["train_gpt.py", 3]]])
def test_a_place_that_is_in_no_table_is_refused(number: object) -> None:
    data = audit_json(ProfileAudit(profile="one", events=(update(calls=(Spot(file="a.py", line=3),)),)))
    data["events"][0]["calls"] = number
    with pytest.raises(ValueError, match=r"entry|type"):
        read_audit(data)
