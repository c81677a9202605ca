"""What functions on arrays do with tokens, scores and lookups: losses, sums, choices, searches."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from harness.audit.token_flow import choices, columns, contents, gates, left_out, mixing
from harness.audit.token_flow.call_names import ORDER_STATISTICS
from harness.audit.token_flow.flow import (
    BITS,
    COMPARED,
    COUNTS,
    DISTRIBUTION,
    ENTROPY,
    LOG_TWO,
    NOTHING,
    PAIRED,
    PLOGP,
    SEARCHED,
    SELECTION,
    SUM,
    Flow,
    joined,
    kinds_of,
    mixed_of,
    replace,
)
from harness.audit.token_flow.linear import ZERO, Linear
from harness.audit.token_flow.objects import Call, Cell
from harness.audit.token_flow.positions import GREATEST, LEAST, bounded
from harness.audit.token_flow.positions_by_call import POSITION_CALLS, as_window

if TYPE_CHECKING:
    from collections.abc import Callable

    from harness.audit.token_flow.walker import Walker


def elementwise(call: Call) -> Flow:
    """A function of each element by itself."""
    value = call.args[0]
    if call.name == "log" and value.number == Linear((), 2) and len(call.args) == 1:
        return Flow(kinds=frozenset({LOG_TWO}))
    number = _elementwise_number(call, value.number) if value.number is not None else None
    kinds = value.kinds - {ENTROPY, SELECTION, PLOGP}
    if call.name == "log2":
        kinds |= {BITS}
    tables = tuple(
        each for each in value.objects if isinstance(each, Cell) and each.site in call.walker.counted
    )
    bounds = [contents.whole(call.walker, each) for each in [*call.args[1:], *call.kwargs.values()]]
    if any(mixing.are_two_losses(call.walker, value, bound) for bound in bounds):
        return mixing.lower(call.walker, [value, *bounds])  # clipped at another loss
    result = contents.whole(call.walker, value)
    result = replace(result, number=number, text=None, items=None, objects=tables, kinds=frozenset(kinds))
    return choices.by_function(call, result)


def _elementwise_number(call: Call, number: Linear) -> Linear:
    symbols, name = call.walker.symbols, call.name.rstrip("_")
    if not name.startswith(("clamp", "clip")):
        return symbols.of("call", call.name, number)
    bounds = [*call.args[1:3], NOTHING, NOTHING][:2]
    if name == "clamp_max":
        bounds.reverse()
    names = (GREATEST, "min", "a_min"), (LEAST, "max", "a_max")
    for given, (kind, *words) in zip(bounds, names, strict=True):
        bound = next((call.kwargs[word] for word in words if word in call.kwargs), given)
        if bound is not NOTHING and bound.text != "None":
            at = bound.number if bound.number is not None else symbols.fresh()
            number = bounded(symbols, kind, [number, at])
    return number


def summed(call: Call) -> Flow:
    """A sum or mean, of all elements or along a dimension."""
    value = call.args[0]
    held = contents.content(call.walker, value)
    whole = gates.with_sums(mixed_of((value, held)))
    kinds = (value.kinds | held.kinds) - {SELECTION}
    tables = tuple(
        each for each in value.objects if isinstance(each, Cell) and each.site in call.walker.counted
    )
    if PLOGP in kinds:
        return replace(whole, kinds=frozenset({ENTROPY}), number=None)
    if DISTRIBUTION in kinds:
        return replace(whole, kinds=kinds - {DISTRIBUTION}, number=None)
    if len(call.args) > 1 or "dim" in call.kwargs or "axis" in call.kwargs:
        whole = replace(whole, about=frozenset(), keys=frozenset()) if whole.scores else whole
        return replace(whole, kinds=kinds | ({SUM} if whole.scores else set()), number=None, objects=tables)
    gone = replace(whole, tokens=frozenset(), about=frozenset(), keys=frozenset())
    if not (whole.scores or whole.lookups or kinds) and all(each.last is not None for each in whole.tokens):
        gone = as_window(whole)  # of a window of tokens it is a key
    return replace(
        gone if whole.scores or whole.tokens else whole,
        kinds=kinds | ({SUM} if whole.scores else set()),
        number=call.walker.symbols.of("sum", value.number) if value.number is not None else None,
    )


def _running(call: Call) -> Flow:
    """`cumsum` of losses is a sum of them; of tokens, each place holds those before it."""
    value = contents.whole(call.walker, call.first)
    if value.scores or value.lookups or SELECTION in value.kinds:
        return summed(call)
    return POSITION_CALLS["cumprod"](call)


def _cross_entropy(call: Call) -> Flow:
    logits = call.args[0] if call.args else call.kwargs.get("input", NOTHING)
    target = call.args[1] if len(call.args) > 1 else call.kwargs.get("target", NOTHING)
    reduction = call.kwargs.get("reduction")
    is_sum = reduction is None or reduction.text != "none"
    return mixing.scored(call.walker, target, logits, is_sum=is_sum)


def _softmax(call: Call) -> Flow:
    value = call.first
    return replace(
        value,
        number=None,
        tokens=frozenset(),
        kinds=frozenset({DISTRIBUTION}) | (value.kinds & {SUM}),
        objects=(),
        items=None,
    )


def _gather(call: Call) -> Flow:
    source = call.args[0]
    index = contents.whole(call.walker, call.kwargs.get("index", call.args[-1]))
    if not index.tokens:
        gathered = mixed_of((source, replace(index, tokens=frozenset())))
        moved = (
            gathered
            if SELECTION in index.kinds or not gathered.tokens
            else replace(gathered.moved(index.number), about=gathered.about)
        )
        return replace(moved, kinds=source.kinds - {DISTRIBUTION})
    return contents.lookup(call.walker, source, index, (index,))


def _where(call: Call) -> Flow:
    if len(call.args) < 3:
        seen = mixed_of(call.args)
        return replace(seen, number=ZERO, tokens=frozenset(), kinds=frozenset({SELECTION}))
    return mixing.either(call.walker, *(contents.whole(call.walker, each) for each in call.args[:3]))


def _selection(call: Call) -> Flow:
    return _where(Call(call.walker, call.name, call.args[:1], call.kwargs))


def _stack(call: Call) -> Flow:
    parts = _parts(call.walker, call.args[0]) if call.args else []
    whole = joined(parts)
    experts = [part for part in parts if part.scores or part.lookups or ENTROPY in part.kinds]
    has_score = any(part.scores and SUM not in part.kinds for part in experts)
    if has_score and len(experts) > 1:
        entropy = any(ENTROPY in part.kinds for part in experts)
        looked = frozenset().union(*(part.lookups for part in experts))
        if entropy or any(looked - part.lookups for part in experts):
            return mixing.mixed(call.walker, parts, [], entropy=entropy)
    if choices.are_side_by_side(call.walker, parts):
        whole = whole.with_kinds(PAIRED)
    axis = call.kwargs.get("axis", call.kwargs.get("dim", call.args[1] if len(call.args) > 1 else NOTHING))
    is_row = axis.number is None or axis.number == ZERO
    if whole.tokens and (call.name == "column_stack" or not is_row):
        return columns.side_by_side(call.walker, whole, parts)
    return replace(whole, number=whole.number, items=None)


def _parts(walker: Walker, value: Flow) -> list[Flow]:
    if value.items is not None:
        return [contents.whole(walker, each) for each in value.items]
    return [
        contents.whole(walker, part)
        for cell in value.objects
        if isinstance(cell, Cell)
        for part in cell.parts.values()
    ]


def _log_add(call: Call) -> Flow:
    if len(call.args) < 2:
        return joined(call.args)

    both = mixing.joined_terms(call.walker, ast.Pass(), call.args[0], call.args[1])
    return both if both is not None else mixed_of(call.args[:2])


def _extreme(call: Call) -> Flow:
    values = [contents.whole(call.walker, each) for each in call.args if each.text is None]
    if len([each for each in values if each.scores or not each.number]) < 2 and not call.walker.in_log_sum:
        # The highest of several is what a sum of exponentials is divided by before it is taken.
        of_several = choices.in_order(call, choices.LOSS if "min" in call.name else choices.UNCLEAR)
        if of_several is not None:
            return of_several
    if len(values) >= 2 and "dim" not in call.kwargs:
        chosen = mixing.lower(call.walker, values)
        numbers = [each.number for each in values if each.number is not None]
        if len(numbers) < len(values) or chosen.number is None:
            return chosen
        kind = LEAST if "min" in call.name else GREATEST
        return replace(chosen, number=bounded(call.walker.symbols, kind, numbers))
    value = call.first
    held = contents.content(call.walker, value)
    number = call.walker.symbols.of("extreme", value.number) if value.number is not None else None
    return replace(mixed_of((value, held)), number=number, kinds=value.kinds - {DISTRIBUTION, SELECTION})


def _in_order(call: Call) -> Flow:
    of_several = choices.in_order(call)
    if of_several is not None:
        return of_several
    value = contents.whole(call.walker, call.first)
    if value.scores and not call.name.startswith("arg"):
        return left_out.by_rank(call.walker, unknown_function(call))
    if call.name == "sorted" and call.args:
        return replace(call.args[0], text=None)
    return unknown_function(call)


def unknown_function(call: Call) -> Flow:
    """A call of which nothing but the arguments is known: it is made of all of them."""
    symbols = call.walker.symbols
    given = [*call.args, *call.kwargs.values()]
    numbers = [each.number for each in given]
    number = symbols.of("call", call.name, *numbers) if given and None not in numbers else symbols.fresh()
    kinds = frozenset({SUM, PAIRED, COMPARED} & kinds_of(given))
    result = replace(mixed_of(given), number=number, kinds=kinds)
    if len(given) > 1 and given[0].scores:
        result = left_out.by_masks(call.walker, result, given[1:])
    return choices.by_function(call, result)


def _bincount(call: Call) -> Flow:
    return replace(mixed_of(call.args), number=call.walker.symbols.fresh(), kinds=frozenset({COUNTS}))


def _search(call: Call) -> Flow:
    """Where sorted keys have a key. What lies there counts for another key when the key itself is missing."""
    values = [contents.whole(call.walker, each) for each in call.args[:2]]
    for value in values:
        if value.tokens and SELECTION not in value.kinds:
            call.walker.recorder.searched(call.walker.here, value.tokens)
    return replace(mixed_of(values), number=call.walker.symbols.fresh(), kinds=frozenset({SEARCHED}))


def _scatter_add(call: Call) -> Flow:
    index = contents.whole(
        call.walker, call.kwargs.get("index", call.args[2] if len(call.args) > 2 else NOTHING)
    )
    if call.args and index.tokens:
        contents.update(call.walker, call.args[0], index, "scatter_add_")
    elif call.args and any(isinstance(each, Cell) for each in call.args[0].objects):
        call.walker.recorder.unclear(call.walker.here, "under which tokens the table counts", frozenset())
    return call.first


ARRAY_CALLS: dict[str, Callable[[Call], Flow]] = {
    **POSITION_CALLS,
    "cross_entropy": _cross_entropy,
    "nll_loss": _cross_entropy,
    "cumsum": _running,
    "log_softmax": _softmax,
    "softmax": _softmax,
    "gather": _gather,
    "take_along_axis": _gather,
    "take_along_dim": _gather,
    "where": _where,
    "nonzero": _selection,
    "flatnonzero": _selection,
    "argwhere": _selection,
    "stack": _stack,
    "column_stack": _stack,
    "logaddexp": _log_add,
    "min": _extreme,
    "max": _extreme,
    "minimum": _extreme,
    "maximum": _extreme,
    "amin": _extreme,
    "amax": _extreme,
    "fmin": _extreme,
    "fmax": _extreme,
    **dict.fromkeys(ORDER_STATISTICS, _in_order),
    "bincount": _bincount,
    "searchsorted": _search,
    "bisect": _search,
    "bisect_left": _search,
    "bisect_right": _search,
    "bucketize": _search,
    "digitize": _search,
    "scatter_add_": _scatter_add,
    "scatter_add": _scatter_add,
    "index_add_": _scatter_add,
    "index_put_": _scatter_add,
    "scatter_": _scatter_add,
}
