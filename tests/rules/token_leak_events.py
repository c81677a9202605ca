"""Events of a table mixed into a score, and what a rule says of them."""

from __future__ import annotations

import dataclasses
import importlib
from typing import TYPE_CHECKING, Any

from harness.audit.events import Event, KeyPart, Lookup, Mixed, Score, Sink, StateKind, Update
from tests.harness.audit.audit_builder import at, audit_of, audited_case, val

if TYPE_CHECKING:
    from pathlib import Path

    from harness.audit.events import Spot
    from harness.finding import Finding

C, T = KeyPart.CONTEXT, KeyPart.TARGET


def mixture(key: tuple[KeyPart, ...] = (C,), row: bool = False, **facts: Any) -> list:
    already = facts.pop("already", ())
    return [
        Score(id=1, at=at(10), region=val(), forward=at(10)),
        Update(id=2, at=at(20), state=7, kind=StateKind.TABLE, name="", region=val(), how="+="),
        Lookup(id=3, at=at(30), state=7, name="", key=key, row_target=row, is_hashed=True, already=already),
        Mixed(id=4, at=at(40), score=4, scores=(1,), lookups=(3,), **facts),
        Sink(id=9, at=at(90), label="final", scores=(1, 4)),
    ]


def in_turn(*, counted_first: bool) -> tuple[Event, ...]:
    """In each pass of a loop a table is counted on before or after it is looked up for the score."""
    part, turn = val((1, (0, 0))), ((1, 0),)
    count, look = (2, 3) if counted_first else (3, 2)
    return (
        Score(id=1, at=at(10), region=part, forward=at(10), loops=turn),
        Update(
            id=count, at=at(20), state=7, kind=StateKind.TABLE, name="", region=part, how="+=", loops=turn
        ),
        Lookup(id=look, at=at(30), state=7, name="", key=(C,), updates=(count,), region=part, loops=turn),
        Mixed(id=4, at=at(40), score=4, scores=(1,), lookups=(look,), loops=turn),
        Sink(id=9, at=at(90), label="final", scores=(1, 4)),
    )


def judged(
    root: Path, rule: str, token_events: list, claimed: bool = True, printed_by: tuple[Spot, ...] = ()
) -> Finding:
    line = 90 if claimed else 60
    sink = Sink(id=1, at=at(line), calls=printed_by, label="final", scores=(), is_claim=True)
    audit = audit_of(sink)
    profile = dataclasses.replace(audit.profiles[0], token_events=tuple(token_events), tokens_followed=True)
    case = audited_case(root, audit=dataclasses.replace(audit, profiles=(profile,)))
    module = importlib.import_module(f"rules.{rule.replace('-', '_')}")
    return next(iter(module.check(case)))
