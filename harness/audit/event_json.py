"""Events as JSON and back: across the border of the guarded process, and into the cache of audits.

Generic over the dataclasses of `harness.audit.events`: a new event type or field needs no line here. Fields
at their default are left out, a `Spot` is [file, line]. Where an event lies, its calls and loops, is most of
what there is to say of it and the same for many: a profile has one table of each, events hold numbers.
Reading is strict: what `audit_json` cannot have written is a ValueError, so that a damaged cache entry is
computed afresh instead of judged.
"""

from __future__ import annotations

import dataclasses
import types
import typing
from enum import StrEnum
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from harness.audit import events, regions
from harness.audit.events import Event, ProfileAudit, Spot

if TYPE_CHECKING:
    from collections.abc import Callable

    Reader = Callable[[Any], Any]
    Writer = Callable[[Any], Any]

EVENT_TYPES: dict[str, type[Event]] = {
    name: kind
    for name, kind in vars(events).items()
    if isinstance(kind, type) and issubclass(kind, Event) and kind is not Event
}

_MISSING = dataclasses.MISSING
SPOTS_KEPT = 2**15  # a script of many lines, again and again


def _same(value: Any) -> Any:
    return value


def _writer(hint: Any) -> Writer:
    """How a value of this annotation becomes plain data."""
    if hint is Spot:
        return lambda spot: [spot.file, spot.line]
    if hint is regions.Region:
        return lambda region: region.as_json()
    if isinstance(hint, type) and issubclass(hint, StrEnum):
        return lambda value: value.value
    if isinstance(hint, types.UnionType):
        inner = _writer(next(one for one in typing.get_args(hint) if one is not types.NoneType))
        return lambda value: None if value is None else inner(value)
    if typing.get_origin(hint) is tuple:
        arguments = typing.get_args(hint)
        if arguments[-1] is Ellipsis:
            item = _writer(arguments[0])
            return list if item is _same else lambda values: [item(value) for value in values]
        return list
    return _same


def _reader(hint: Any) -> Reader:
    """How plain data becomes a value of this annotation; ValueError when it cannot."""
    if hint is Spot:
        return _read_spot
    if hint is regions.Region:
        return _read_region
    if isinstance(hint, types.UnionType):
        inner = _reader(next(one for one in typing.get_args(hint) if one is not types.NoneType))
        return lambda value: None if value is None else inner(value)
    if typing.get_origin(hint) is tuple:
        return _tuple_reader(typing.get_args(hint))
    if issubclass(hint, StrEnum):
        return typing.cast("Reader", hint)
    return lambda value: _typed(value, hint)


def _tuple_reader(arguments: tuple[Any, ...]) -> Reader:
    if arguments[-1] is Ellipsis:
        item = _reader(arguments[0])
        return lambda values: tuple([item(value) for value in _typed(values, list)])
    items = [_reader(argument) for argument in arguments]

    def read(values: Any) -> tuple[Any, ...]:
        return tuple([item(value) for item, value in zip(items, _typed(values, list), strict=True)])

    return read


def _typed(value: Any, kind: type) -> Any:
    if type(value) is not kind:
        raise ValueError(f"{str(value)[:40]!r} is not of type {kind.__name__}")
    return value


def _read_spot(value: Any) -> Spot:
    file, line = _typed(value, list)
    if type(file) is not str or type(line) is not int:
        raise ValueError(f"{str(value)[:60]!r} is not a spot")
    return _spot(file, line)


@lru_cache(maxsize=SPOTS_KEPT)
def _spot(file: str, line: int) -> Spot:
    return Spot(file=file, line=line)


def _read_region(value: Any) -> regions.Region:
    try:
        for _, (first, last) in value["loops"]:
            for end in (first, last):
                if end is not None:
                    _typed(end, int)
        return regions.Region.from_json(value)
    except (KeyError, TypeError, IndexError) as error:
        raise ValueError(f"{str(value)[:60]!r} is not a region") from error


@dataclasses.dataclass(frozen=True, slots=True)
class _Field:
    name: str
    default: Any
    write: Writer
    read: Reader


def _fields(kind: type[Event]) -> tuple[_Field, ...]:
    hints = typing.get_type_hints(kind, globalns=vars(events), localns=vars(regions))
    return tuple(
        _Field(field.name, field.default, _writer(hints[field.name]), _reader(hints[field.name]))
        for field in dataclasses.fields(kind)
    )


_FIELDS = {name: _fields(kind) for name, kind in EVENT_TYPES.items()}


_IN_TABLES = ("calls", "loops")
_TABLE_FIELDS = {field.name: field for field in _FIELDS["LoopEntered"] if field.name in _IN_TABLES}


class _Tables:
    """The places of a profile's events while they are written, each once."""

    def __init__(self) -> None:
        self._numbers: dict[str, dict[Any, int]] = {name: {} for name in _IN_TABLES}

    def number(self, name: str, value: Any) -> int:
        """Where this value stands in the table of the field."""
        known = self._numbers[name]
        return known.setdefault(value, len(known))

    def as_json(self) -> dict[str, list[Any]]:
        """The tables as plain data."""
        return {
            name: [_TABLE_FIELDS[name].write(value) for value in known]
            for name, known in self._numbers.items()
        }


def event_json(event: Event, tables: _Tables | None = None) -> dict[str, Any]:
    """One event as plain data; "event" names its type. Without tables it stands for itself."""
    name = type(event).__name__
    data: dict[str, Any] = {"event": name}
    for field in _FIELDS[name]:
        value = getattr(event, field.name)
        if value == field.default:
            continue
        if tables is not None and field.name in _IN_TABLES:
            data[field.name] = tables.number(field.name, value)
        else:
            data[field.name] = field.write(value)
    return data


def read_event(data: dict[str, Any], tables: dict[str, list[Any]] | None = None) -> Event:
    """The event that `event_json` wrote. Raises ValueError for anything else."""
    kind = EVENT_TYPES.get(_typed(data, dict).get("event", ""))
    if kind is None:
        raise ValueError(f"no such event: {str(data.get('event'))[:40]!r}")
    values: dict[str, Any] = {}
    for field in _FIELDS[kind.__name__]:
        name = field.name
        if name in data:
            if tables is not None and name in _IN_TABLES:
                values[name] = _at(tables[name], data[name])
            else:
                values[name] = field.read(data[name])
        elif field.default is _MISSING:
            raise ValueError(f"{kind.__name__} without {name}")
    if len(values) + 1 != len(data):
        raise ValueError(f"{kind.__name__} has no {sorted(set(data) - set(values) - {'event'})}")
    return kind(**values)


def _at(table: list[Any], number: Any) -> Any:
    if not 0 <= _typed(number, int) < len(table):
        raise ValueError(f"no entry {number} among {len(table)}")
    return table[number]


# The lines that were walked guide the pass that follows tokens, which is over when the audit is written.
_OF_AUDIT = frozenset(field.name for field in dataclasses.fields(ProfileAudit)) - {"reached"} | {"tables"}


def audit_json(audit: ProfileAudit) -> dict[str, Any]:
    """The events of a profile as plain data."""
    tables = _Tables()
    return {
        "profile": audit.profile,
        "events": [event_json(event, tables) for event in audit.events],
        "finished": audit.finished,
        "nodes": audit.nodes,
        "configured": list(audit.configured),
        "token_events": [event_json(event, tables) for event in audit.token_events],
        "tokens_followed": audit.tokens_followed,
        "tables": tables.as_json(),
    }


def read_audit(data: dict[str, Any]) -> ProfileAudit:
    """The profile audit that `audit_json` wrote. Raises ValueError for anything else."""
    if not isinstance(data, dict) or set(data) != _OF_AUDIT:
        raise ValueError("not a profile audit")
    written = _typed(data["tables"], dict)
    if set(written) != set(_IN_TABLES):
        raise ValueError("not the tables of a profile")
    tables = {
        name: [_TABLE_FIELDS[name].read(value) for value in _typed(written[name], list)]
        for name in _IN_TABLES
    }
    return ProfileAudit(
        profile=_typed(data["profile"], str),
        events=tuple([read_event(event, tables) for event in _typed(data["events"], list)]),
        finished=_typed(data["finished"], bool),
        nodes=_typed(data["nodes"], int),
        configured=tuple(_typed(name, str) for name in _typed(data["configured"], list)),
        token_events=tuple([read_event(event, tables) for event in _typed(data["token_events"], list)]),
        tokens_followed=_typed(data["tokens_followed"], bool),
    )
