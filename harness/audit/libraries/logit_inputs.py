"""Which validation tokens went into the logits of a score, beside those the network may see.

Input and targets are shifted slices of the same tokens, so regions alone do not tell them apart. So every
slice of validation tokens is given a name, its *cut*: the expression that cuts it and the pass, as a network
may shift its input too; where loops decide the beginning, that and the pass. Logits that hold the cut of
their own targets know the answer. Logits that hold tokens of passes still to come, or of all of validation,
know more than a prefix.
"""

from __future__ import annotations

import ast
import hashlib
from typing import TYPE_CHECKING

from harness.audit.events import StateKind, Update
from harness.audit.interpreter.assignments import bind
from harness.audit.interpreter.heap import CONTENT, Sequence, Slice, Tensor, View
from harness.audit.interpreter.values import (
    ANYTHING,
    CUT,
    LOGITS,
    PROBABILITY,
    SOME_CUT,
    Source,
    Value,
    computed_from,
    one_of,
)
from harness.audit.libraries import counted_passes, learning, whole_stream
from harness.audit.libraries.registry import HANDLERS
from harness.audit.regions import Split

if TYPE_CHECKING:
    from harness.audit.events import Spot
    from harness.audit.interpreter.machine import Machine
    from harness.audit.regions import Region

ROWS = "rows:"  # rows of something made of validation, chosen by tokens: a table
TARGET_INSIDE = "what is made of the targets"
_PARTS_AT_MOST = 6
_TABLES_AT_MOST = 256
_DIGITS = 12
_LINE = "line"  # a beginning that loops decide: the same one, written twice, is the same slice


def _cut(machine: Machine, owner: Value, key: Value, result: Value, node: ast.AST) -> Value:
    """A slice of validation tokens is named by the expression and the pass."""
    source = result.source
    if source.states or source.scores or not _of_validation(source):
        return result
    if LOGITS in source.labels or PROBABILITY in source.labels or counted_passes.names_of(source):
        return result
    begins = _begin(key)
    if begins is None:
        return result
    base = sorted(cuts(machine.source_of(owner)))
    passes = [(loop.id, loop.number) for loop in machine.loops]
    where = None if begins[0] == _LINE else (machine.spot(node), getattr(node, "col_offset", 0))
    digest = hashlib.sha256(repr((base, begins, where, passes)).encode()).hexdigest()[:_DIGITS]
    return result.with_source(source.changed(labels=(source.labels - cuts(source)) | {CUT + digest}))


HANDLERS.subscripted.append(_cut)


def _looked_up(machine: Machine, owner: Value, key: Value, result: Value, node: ast.AST) -> Value:
    """`table[tokens]`: which passes chose the tokens says nothing about what the rows were made of."""
    del node
    base = machine.source_of(owner)
    if not _of_validation(base) or not any(
        _of_validation(machine.deep_source(one)) for one in _choosers(key)
    ):
        return result
    return result.with_source(remembered(machine, result.source, base))


HANDLERS.subscripted.append(_looked_up)


def remembered(machine: Machine, source: Source, made_of: Source) -> Source:
    """`source` with the tokens that `made_of` read, however it is narrowed from now on."""
    tables: dict[frozenset[Region], str] = machine.facts.setdefault("tables read by tokens", {})
    if made_of.reads not in tables and len(tables) >= _TABLES_AT_MOST:
        return source
    return source.labelled(tables.setdefault(made_of.reads, f"{ROWS}{len(tables)}"))


def _chosen_cells(machine: Machine, owner: Value, key: Value) -> None:
    """`table[tokens] = x` and `table[tokens] += 1`: which cells are written tells the tokens."""
    base = owner.ref.base if isinstance(owner.ref, View) else owner.ref
    if not isinstance(base, Tensor) or base.is_state:
        return
    for part in _choosers(key):
        source = machine.deep_source(part)
        if not _of_validation(source) and not any(label.startswith(ROWS) for label in source.labels):
            continue
        now = base.slots.get(CONTENT, ANYTHING)
        told = source.changed(index={}, scores=frozenset(), states=frozenset(), learned=frozenset())
        told = whole_stream.counted(machine, told)
        machine.heap.put(base, CONTENT, now.with_source(one_of(now.source, told)))


def _store(machine: Machine, owner: Value, key: Value, value: Value, node: ast.AST, is_update: bool) -> bool:
    del is_update
    _chosen_cells(machine, owner, key)
    if owner.ref is None and isinstance(node, ast.Subscript) and isinstance(node.value, ast.Name):
        # A result of arithmetic is no object of its own: what is written into it is now in the name.
        told = [machine.deep_source(one) for one in (value, *_choosers(key))]
        if LOGITS in owner.source.labels and any(_of_validation(one) for one in told):
            parts = [one.changed(index={}) for one in told]
            bind(machine, node.value.id, owner.with_source(computed_from((owner.source, *parts))))
    return False


def _augmented(
    machine: Machine, owner: Value, key: Value, now: Value, operand: Value, node: ast.AugAssign
) -> bool:
    del now, operand, node
    _chosen_cells(machine, owner, key)
    return False


HANDLERS.stores.append(_store)
HANDLERS.augmented.append(_augmented)


def _choosers(key: Value) -> list[Value]:
    ref = key.ref
    parts = ref.elements[:_PARTS_AT_MOST] if isinstance(ref, Sequence) and ref.kind == "tuple" else [key]
    return [part for part in parts if not isinstance(part.ref, Slice)]


def _of_validation(source: Source) -> bool:
    return any(one.split is Split.VALIDATION for one in source.reads)


def _begin(key: Value) -> tuple[object, ...] | None:
    """Where a subscript begins; None where it leaves out nothing before it, or chooses by a mask."""
    ref = key.ref
    if isinstance(ref, Sequence) and ref.kind == "tuple" and ref.size is not None:
        parts = tuple(_begin(part) for part in ref.elements[:_PARTS_AT_MOST])
        return parts if any(part is not None for part in parts) else None
    at = ref.start if isinstance(ref, Slice) else key if ref is None else None
    if at is None or at.const is None or (isinstance(ref, Slice) and at.const == 0):
        return None
    if at.is_known:
        return (at.const,)
    if at.line is None:
        return ("symbol", at.symbol)
    name = "vague" if at.line.is_vague or not at.line.slopes else _LINE
    return (name, sorted(at.line.slopes.items()), sorted(at.line.offsets.items()))


def cuts(source: Source) -> frozenset[str]:
    """The slices of validation tokens a value was made of."""
    return frozenset(label for label in source.labels if label.startswith(CUT))


def known_too_soon(machine: Machine, made: Source, aimed: Source, node: ast.AST) -> frozenset[int]:
    """Updates for tokens that logits must not hold: those they score, where they are seen to be inside.

    Where tokens of later passes may be inside the score is left open.
    """
    targets = [one for one in learning.regions_of(machine, aimed) if one.split is Split.VALIDATION]
    if not targets:
        return frozenset()
    own = cuts(aimed)
    if SOME_CUT in own and SOME_CUT in made.labels:
        what = "whether the targets are among the network's inputs is not known"
        machine.cannot_see("unknown-slices", what, node, on_path=True)
    elif len(own) == 1 and own <= made.labels:
        spot = counted_passes.counted_at(machine, made, aimed) or machine.spot(node)
        return frozenset(_inside(machine, region, aimed, spot) for region in targets)
    if whole_stream.knows_more(made, aimed):
        what = "something made of all validation tokens went into the logits"
        machine.cannot_see("validation-in-logits", what, node, on_path=True)
    elif counted_passes.know(machine, made, aimed):
        what = "counts that may hold the scored tokens went into the logits"
        machine.cannot_see("validation-in-logits", what, node, on_path=True)
    tables: dict[frozenset[Region], str] = machine.facts.get("tables read by tokens", {})
    looked_up = [
        Source(reads=reads) for reads, label in tables.items() if label in made.labels - aimed.labels
    ]
    for region in (one for source in (made, *looked_up) for one in learning.regions_of(machine, source)):
        if region.split is Split.VALIDATION and all(_is_beyond(region, target) for target in targets):
            machine.cannot_see(
                "validation-in-logits",
                "tokens beyond the scored ones went into the logits",
                node,
                on_path=True,
            )
    return frozenset()


def targets_are_data(machine: Machine, made: Source, aimed: Source, node: ast.AST) -> None:
    """Leaves a score open whose targets the network chose itself; learning from such is no score."""
    if machine.no_grad and LOGITS in aimed.labels and _of_validation(made):
        machine.cannot_see("predicted-targets", "the targets were made by a network", node, on_path=True)


def _inside(machine: Machine, region: Region, aimed: Source, spot: Spot) -> int:
    return machine.recorder.record(
        Update,
        spot,
        state=0,
        kind=StateKind.LOGITS,
        name="logits",
        region=region,
        how=TARGET_INSIDE,
        reads=tuple(sorted(aimed.shards)),
    ).id


def _is_beyond(region: Region, target: Region) -> bool:
    """Whether a region reaches past the target, going by the loops that chose the target, outermost first."""
    spans = dict(region.loops)
    for loop, (_, last) in target.loops:
        if last is None:
            continue
        if loop not in spans:
            return True
        own = spans[loop][1]
        if own is None or own > last:
            return True
        if own < last:
            return False
    return False
