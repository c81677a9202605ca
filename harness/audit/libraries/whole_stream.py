"""Values made of the whole stream of validation tokens: no loop, slice or window has chosen a part of it.

    counts = np.bincount(val_tokens, minlength=vocabulary)

A region cannot say this where loops do not decide which tokens are scored: targets taken from a list of
windows may be any tokens, too. So tokens are labelled when they are read, and lose the label where a part of
them is chosen. What was counted or added up over the labelled tokens keeps another label, which no choice
takes away: an entry of the counts still knows all of the tokens.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.audit.interpreter.heap import CONTENT, Sequence, Slice, Tensor, View
from harness.audit.interpreter.subscripts import position
from harness.audit.interpreter.values import ANYTHING, Source, Value, computed_from
from harness.audit.libraries import counted_passes
from harness.audit.libraries.registry import HANDLERS, on_call, on_method
from harness.audit.regions import Split

if TYPE_CHECKING:
    import ast

    from harness.audit.interpreter.machine import Machine

STREAM = "validation stream"  # labels tokens of which no part was chosen
STATISTIC = "statistic of validation"  # labels what was counted or added up over such tokens
_KNOWS_ALL = frozenset({STREAM, STATISTIC})
_PARTS_AT_MOST = 6
_COUNTS = "bincount histc histogram unique"
_SUMS = "sum mean std var nansum nanmean median count_nonzero"
_REDUCTIONS = f"{_COUNTS} {_SUMS} one_hot"
_LIBRARIES = ("torch", "numpy", "torch.nn.functional", "mlx.core")

Args = list[Value]
Kwargs = dict[str, Value]


def as_read(source: Source) -> Source:
    """Validation tokens as a file holds them."""
    return source.labelled(STREAM, counted_passes.TOKENS)


def counted(machine: Machine, source: Source, way: str = _COUNTS) -> Source:
    """What is counted by these tokens, or added up over them; `way` is the function that does it.

    Outside all loops a part of the stream, too, is counted before any window of it is scored.
    """
    is_beside = not machine.loops and not machine.facts.get("networks")
    if _is_unscored(source) and (is_beside or STREAM in source.labels):
        return source.labelled(STATISTIC)
    if way in _SUMS.split():
        # Sums of what was looked up by tokens are bytes or masses of rows; in a network they are its own.
        is_count = counted_passes.TOKENS in source.labels and not machine.facts.get("networks")
    else:
        is_count = way != "one_hot"
    return counted_passes.counted(machine, source) if is_count and machine.loops else source


def names_of_counts(source: Source) -> frozenset[str]:
    """The labels that say what was counted into a value."""
    return counted_passes.names_of(source) | source.labels & {STATISTIC}


def is_statistic(source: Source) -> bool:
    """Whether all of the stream was counted into it."""
    return STATISTIC in source.labels


def forgotten(source: Source) -> Source:
    """The same source where positions or bounds are meant, which do not tell the tokens."""
    gone = _KNOWS_ALL | counted_passes.names_of(source) | {counted_passes.TOKENS}
    return source.changed(labels=source.labels - gone) if source.labels & gone else source


def knows_more(made: Source, aimed: Source) -> bool:
    """Whether all of the stream went into `made`, and targets are a part of it.

    Targets that were not chosen in a way the walk saw are the stream themselves; inputs beside them are too.
    """
    return bool(made.labels & _KNOWS_ALL - aimed.labels)


def label_of(source: Source) -> frozenset[str]:
    """The labels of this module."""
    return source.labels & _KNOWS_ALL


def _is_unscored(source: Source) -> bool:
    """Whether it holds validation tokens no loop chose, and nothing that a network made of them."""
    is_whole = any(one.split is Split.VALIDATION and not one.loops for one in source.reads)
    return is_whole and counted_passes.is_unscored(source)


def _subscripted(machine: Machine, owner: Value, key: Value, result: Value, node: ast.AST) -> Value:
    """A part of the tokens is not all of them, and where it lies does not tell the others."""
    del node
    if not result.source.labels & _KNOWS_ALL:
        return result
    held = machine.source_of(owner)
    if not any(one.split is Split.VALIDATION for one in held.reads):
        return result
    labels = result.source.labels - (_KNOWS_ALL - held.labels)
    if _takes_part(machine, key):
        labels -= {STREAM}
    return result.with_source(result.source.changed(labels=labels))


HANDLERS.subscripted.append(_subscripted)


def _takes_part(machine: Machine, key: Value) -> bool:
    """Whether a subscript chooses among tokens; known borders cut off a header, or shift by a token."""
    ref = key.ref
    if isinstance(ref, Sequence) and ref.kind == "tuple":
        return any(_takes_part(machine, part) for part in ref.elements[:_PARTS_AT_MOST])
    if isinstance(ref, Slice):
        starts_anywhere = ref.start is not None and not ref.start.is_known
        # The borders of the first window are known even where those of later ones are not.
        ends_early = bool(machine.loops) and ref.stop is not None and _is_from_start(ref.stop)
        moves = position(ref.start) is not None or position(ref.stop) is not None
        return starts_anywhere or ends_early or moves
    if key.is_known:
        return False
    source = machine.deep_source(key)
    return not any(one.split is Split.VALIDATION for one in source.reads)


def _is_from_start(border: Value) -> bool:
    """Whether a border is a known number of tokens behind the first, not before the last."""
    return border.is_number and border.const >= 0


@on_call(*(f"{root}.{name}" for root in _LIBRARIES for name in _REDUCTIONS.split()), "collections.Counter")
def _reduced(machine: Machine, path: str, args: Args, kwargs: Kwargs, _node: ast.AST) -> Value | None:
    return _statistic(machine, path.rpartition(".")[2], [*args, *kwargs.values()])


@on_method(*_REDUCTIONS.split())
def _reduced_method(
    machine: Machine, receiver: Value, name: str, args: Args, kwargs: Kwargs, _node: ast.AST
) -> Value | None:
    return _statistic(machine, name, [receiver, *args, *kwargs.values()])


def _statistic(machine: Machine, way: str, given: Args) -> Value | None:
    sources = [machine.deep_source(one) for one in given]
    made = [counted(machine, one, way) for one in sources]
    if all(one is before for one, before in zip(made, sources, strict=True)):
        return None
    return machine.new(computed_from(made))


@on_call("numpy.add.at", "numpy.maximum.at", "numpy.put", "numpy.put_along_axis")
def _counted_at(machine: Machine, _path: str, args: Args, kwargs: Kwargs, _node: ast.AST) -> Value | None:
    """`np.add.at(counts, tokens, 1)` writes into the table."""
    given = [*args, *kwargs.values()]
    if given:
        _write_counts(machine, given[0], given[1:])
    return None


@on_method("scatter_add_", "scatter_", "scatter_reduce_", "index_add_", "index_put_", "index_fill_")
def _counted_in(
    machine: Machine, receiver: Value, _name: str, args: Args, kwargs: Kwargs, _node: ast.AST
) -> Value | None:
    _write_counts(machine, receiver, [*args, *kwargs.values()])
    return None


def _write_counts(machine: Machine, table: Value, given: Args) -> None:
    base = table.ref.base if isinstance(table.ref, View) else table.ref
    if not isinstance(base, Tensor) or base.is_state:
        return
    sources = [machine.deep_source(one) for one in given]
    told = [one for one in sources if any(region.split is Split.VALIDATION for region in one.reads)]
    if told:
        now = base.slots.get(CONTENT, ANYTHING)
        parts = (counted(machine, one).changed(index={}) for one in told)
        machine.heap.put(base, CONTENT, now.with_source(computed_from((now.source, *parts))))


@on_call("torch.max", "torch.min", "numpy.max", "numpy.min", "builtins.max", "builtins.min")
def _bound(machine: Machine, _path: str, args: Args, _kwargs: Kwargs, _node: ast.AST) -> Value | None:
    return _extreme(machine, args[0]) if len(args) == 1 else None


@on_method("max", "min", "amax", "amin")
def _bound_method(
    machine: Machine, receiver: Value, _name: str, args: Args, kwargs: Kwargs, _node: ast.AST
) -> Value | None:
    return None if args or kwargs else _extreme(machine, receiver)


def _extreme(machine: Machine, tokens: Value) -> Value | None:
    """The greatest token checks, or gives, the size of the vocabulary."""
    source = machine.deep_source(tokens)
    if STREAM not in source.labels or STATISTIC in source.labels or not _is_unscored(source):
        return None
    return machine.new(forgotten(source))
