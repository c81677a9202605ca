"""Events as JSON and back: across the border of the guarded process, and into the cache of audits.

Generic over the dataclasses of `harness.audit.events`: a new event type or field needs no line here.
Fields at their default are left out, a `Spot` is [file, line]. Reading is strict: what `audit_json` cannot
have written is a ValueError, so that a damaged cache entry is computed afresh instead of judged.
"""

from __future__ import annotations

import dataclasses
import types
import typing
from enum import StrEnum
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
    return Spot(file=_typed(file, str), line=_typed(line, int))


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


def event_json(event: Event) -> dict[str, Any]:
    """One event as plain data; "event" names its type."""
    name = type(event).__name__
    data: dict[str, Any] = {"event": name}
    for field in _FIELDS[name]:
        value = getattr(event, field.name)
        if value != field.default:
            data[field.name] = field.write(value)
    return data


def read_event(data: dict[str, Any]) -> Event:
    """The event that `event_json` wrote. Raises ValueError for anything else."""
    kind = EVENT_TYPES.get(_typed(data, dict).get("event", ""))
    if kind is None:
        raise ValueError(f"no such event: {str(data.get('event'))[:40]!r}")
    values: dict[str, Any] = {}
    for field in _FIELDS[kind.__name__]:
        if field.name in data:
            values[field.name] = field.read(data[field.name])
        elif field.default is _MISSING:
            raise ValueError(f"{kind.__name__} without {field.name}")
    if len(values) + 1 != len(data):
        raise ValueError(f"{kind.__name__} has no {sorted(set(data) - set(values) - {'event'})}")
    return kind(**values)


# The lines that were walked guide the pass that follows tokens, which is over when the audit is written.
_OF_AUDIT = frozenset(field.name for field in dataclasses.fields(ProfileAudit)) - {"reached"}


def audit_json(audit: ProfileAudit) -> dict[str, Any]:
    """The events of a profile as plain data."""
    return {
        "profile": audit.profile,
        "events": [event_json(event) for event in audit.events],
        "finished": audit.finished,
        "nodes": audit.nodes,
        "configured": list(audit.configured),
        "token_events": [event_json(event) for event in audit.token_events],
        "tokens_followed": audit.tokens_followed,
    }


def read_audit(data: dict[str, Any]) -> ProfileAudit:
    """The profile audit that `audit_json` wrote. Raises ValueError for anything else."""
    if not isinstance(data, dict) or set(data) != _OF_AUDIT:
        raise ValueError("not a profile audit")
    return ProfileAudit(
        profile=_typed(data["profile"], str),
        events=tuple([read_event(event) for event in _typed(data["events"], list)]),
        finished=_typed(data["finished"], bool),
        nodes=_typed(data["nodes"], int),
        configured=tuple(_typed(name, str) for name in _typed(data["configured"], list)),
        token_events=tuple([read_event(event) for event in _typed(data["token_events"], list)]),
        tokens_followed=_typed(data["tokens_followed"], bool),
    )
